#!/usr/bin/env python3
"""Makes the golden model directories of test/Golden with transformers in float32.

    python3 tools/dev/make_goldens.py test/Golden [NAME ...]

Each directory is a whole small model with random weights and golden.safetensors: tokens,
positions, first, logits, min_gap and mtp_logits. Every golden is compared with reference_numpy.py,
which knows nothing of transformers; the difference is printed, and a large one is an error, as is
a routing decision closer than 1e-5. What transformers does not express is put together of its parts
(golden_models.py) for the comparison, and the logits stored are reference_numpy's (of a model with a
draft block only mtp_logits). Same versions, same bytes.
"""

import argparse
import os
import shutil

import numpy as np
import torch
import transformers

import checkpoint_layout
import golden_models
import model_files
import reference_numpy
from golden_configs import GOLDENS
from reference_numpy import relative_difference

SMALLEST_GAP = 1e-5
LARGEST_DIFFERENCE = 1e-5  # relative, at positions below 2,048

# What shipped configs of each model type say besides, and what transformers 5 adds.
SHIPPED = {
    "deepseek_v2": dict(
        scoring_func="softmax", moe_layer_freq=1, aux_loss_alpha=0.001, seq_aux=True, ep_size=1,
    ),
    "deepseek_v3": dict(
        topk_method="noaux_tc", scoring_func="sigmoid", moe_layer_freq=1, aux_loss_alpha=0.001,
        seq_aux=True, ep_size=1,
    ),
    "deepseek": dict(aux_loss_alpha=0.001, seq_aux=True),
    "qwen2": dict(use_sliding_window=False, sliding_window=32768, max_window_layers=1),
    "mixtral": dict(sliding_window=None, router_aux_loss_coef=0.001),
}
ADDED = (
    "head_dim", "qk_head_dim", "mlp_bias", "output_router_logits", "rope_interleave", "layer_types",
)


def shipped_spelling(config):
    """config.json in the spelling and with the keys of the makers' own directories."""
    rope = dict(config.pop("rope_parameters"))
    config["rope_theta"] = int(rope.pop("rope_theta"))
    rope["type"] = rope.pop("rope_type")
    rope.update({key: int(value) for key, value in rope.items()
                 if isinstance(value, float) and value.is_integer()})
    config["rope_scaling"] = None if rope["type"] == "default" else rope
    config["torch_dtype"] = config.pop("dtype")
    for key in ADDED:
        config.pop(key, None)
    config.update(SHIPPED.get(config["model_type"], {}))
    return config


def write_native(directory, model, spec):
    """The checkpoint as transformers saves it."""
    layout = spec.get("layout", "single")
    if spec.get("dtype") == "BF16":
        kept = {name: b.clone() for name, b in model.named_buffers() if name.endswith("correction_bias")}
        model = model.to(torch.bfloat16)
        for name, buffer in kept.items():  # these stay F32, as shipped
            model.get_submodule(name.rpartition(".")[0]).e_score_correction_bias = buffer
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    limit = 1 << 40 if layout == "single" else size * 105 // (100 * layout)
    model.save_pretrained(
        directory, max_shard_size=limit, save_original_format=spec.get("experts") != "fused"
    )
    os.remove(os.path.join(directory, "generation_config.json"))


def write_by_name(directory, golden, spec, generator):
    """The checkpoint of a model that transformers does not express."""
    tensors = golden.tensors()
    if spec.get("fp8"):
        golden_models.unequal_blocks(tensors, generator)
        tensors = golden_models.to_fp8(tensors)
    os.makedirs(directory)
    model_files.write_safetensors(
        os.path.join(directory, "model.safetensors"),
        {name: ("BF16", value)
         if spec.get("dtype") == "BF16" and not isinstance(value, tuple) and "_bias" not in name
         and not name.endswith("_scale_inv") else value
         for name, value in tensors.items()},
    )
    golden.config.dtype = {"BF16": "bfloat16"}.get(spec.get("dtype"), "float32")
    config = golden.config.to_dict()
    if spec.get("kind") == "deepseek":
        config.update(model_type="deepseek", architectures=["DeepseekForCausalLM"])
    if spec.get("fp8"):
        config["quantization_config"] = {
            "activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
            "weight_block_size": [golden_models.BLOCK, golden_models.BLOCK],
        }
    checkpoint_layout.write_json(os.path.join(directory, "config.json"), dict(sorted(config.items())))


def write_directory(directory, golden, spec, generator):
    """The checkpoint in the form the golden asks for."""
    if golden_models.is_assembled(spec):
        write_by_name(directory, golden, spec, generator)
    else:
        write_native(directory, golden.model, spec)
    path = os.path.join(directory, "config.json")
    config = {k: v for k, v in model_files.read_model(directory)[0].items() if k[0] != "_"}
    if spec.get("spelling") == "shipped":
        config = shipped_spelling(config)
    checkpoint_layout.write_json(path, config)
    for file in os.listdir(directory):
        os.chmod(os.path.join(directory, file), 0o644)


def read_directory(directory, spec):
    """The torch model of what was written."""
    golden = golden_models.Golden(spec)
    if golden_models.is_assembled(spec):
        golden.load(reference_numpy.Model.load(directory).tensors)
    else:
        golden.model = type(golden.model).from_pretrained(directory, dtype=torch.float32)
        golden.use_plain_code()
    return golden


def check_load(name, routing, experts):
    for layer, chosen in routing.items():
        load = np.bincount(chosen.ravel(), minlength=experts)
        print(f"  layer {layer} load {load.tolist()}")
        if (load == 0).sum() > 1:
            raise ValueError(f"{name}: layer {layer} leaves more than one expert unused")


def make(name, spec, directory):
    if os.path.isdir(directory):
        shutil.rmtree(directory)
    generator = torch.Generator().manual_seed(spec["seed"])
    golden = golden_models.Golden(spec)
    golden_models.random_weights(golden.model, generator)
    if golden.draft is not None:
        golden_models.random_weights(golden.draft.layers, generator)
    positions = spec.get("positions") or list(range(spec.get("count", 64)))
    fields = spec["fields"]
    tokens = torch.randint(0, fields["vocab_size"], (len(positions),), generator=generator).tolist()
    last = golden.model.model.norm if fields["tie_word_embeddings"] else golden.model.lm_head
    last.weight.data *= 2 / golden.logits(tokens, positions).std()
    write_directory(directory, golden, spec, generator)

    # From here on only what was written counts.
    golden, reference = read_directory(directory, spec), reference_numpy.Model.load(directory)
    logits = golden.logits(tokens, positions).numpy()
    expected, routing, gap = reference.forward(tokens, positions)
    difference = relative_difference(expected, logits)
    if golden.draft is not None:
        drafts, chosen, draft_gap = reference.draft(tokens, positions)
        difference = max(difference, relative_difference(
            drafts, golden.draft_logits(tokens, positions).numpy()))
        routing[fields["num_hidden_layers"]] = chosen
        gap[:-1] = np.minimum(gap[:-1], draft_gap)
    ranked = np.sort(logits, -1)
    margin = (ranked[:, -1] - ranked[:, -2]).min()
    print(f"{name}: logits std {logits.std():.2f} max {np.abs(logits).max():.2f} margin {margin:.1e}; "
          f"numpy differs by {difference:.1e}; smallest gap {gap.min():.1e}")
    check_load(name, routing, reference.experts())
    allowed = LARGEST_DIFFERENCE * max(1, max(positions) / 2048)
    if not difference <= allowed:
        raise ValueError(f"{name}: numpy and transformers differ by {difference}, allowed {allowed}")
    if gap.min() < SMALLEST_GAP:
        raise ValueError(f"{name}: routing gap {gap.min()} is below {SMALLEST_GAP}; change the seed")

    first = spec.get("first", 0)
    assembled = golden_models.is_assembled(spec) and golden.draft is None
    source = expected if assembled else logits
    result = {
        "tokens": np.array(tokens, np.int64), "positions": np.array(positions, np.int64),
        "first": np.array([first], np.int64), "logits": source[first:].astype(np.float32),
    }
    if golden.draft is not None:
        result["mtp_logits"] = drafts.astype(np.float32)
    if routing:
        result["min_gap"] = gap.astype(np.float32)
    model_files.write_safetensors(os.path.join(directory, "golden.safetensors"), result)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("names", nargs="*", help="default: all")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    golden_models.allow_odd_widths()
    transformers.utils.logging.disable_progress_bar()
    for name in arguments.names or GOLDENS:
        make(name, GOLDENS[name], os.path.join(arguments.out, name))


if __name__ == "__main__":
    main()
