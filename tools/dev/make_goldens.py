#!/usr/bin/env python3
"""Makes the golden model directories of test/Golden with transformers in float32.

    python3 tools/dev/make_goldens.py test/Golden [NAME ...]

Each directory is a whole small model with random weights and golden.safetensors: tokens,
positions, first, logits and min_gap. Every golden is compared with reference_numpy.py, which
knows nothing of transformers; the difference is printed, and a large one is an error, as is a
routing decision closer than 1e-5. Same versions, same bytes.
"""

import argparse
import os
import shutil

import numpy as np
import torch
import transformers
from transformers import (
    DeepseekV2Config, DeepseekV2ForCausalLM, DeepseekV3Config, DeepseekV3ForCausalLM,
)
from transformers.models.deepseek_v2 import modeling_deepseek_v2

import checkpoint_layout
import model_files
import reference_numpy

SMALLEST_GAP = 1e-5
LARGEST_DIFFERENCE = 1e-5  # relative, at positions below 2,048


def yarn(mscale=0.707, mscale_all_dim=0.707, factor=40.0, original=4096):
    return {
        "rope_type": "yarn", "rope_theta": 10000.0, "factor": factor,
        "original_max_position_embeddings": original, "beta_fast": 32.0, "beta_slow": 1.0,
        "mscale": mscale, "mscale_all_dim": mscale_all_dim,
    }


def form(**fields):
    """A config's fields; what all goldens share can be overridden."""
    shared = dict(
        rms_norm_eps=1e-6, max_position_embeddings=163840, bos_token_id=0, eos_token_id=1,
        norm_topk_prob=False, tie_word_embeddings=False, rope_parameters=yarn(),
    )
    fields.setdefault("num_key_value_heads", fields["num_attention_heads"])
    return {**shared, **fields}


FAR = dict(
    vocab_size=256, hidden_size=64, intermediate_size=96, moe_intermediate_size=24,
    num_hidden_layers=3, num_attention_heads=4, q_lora_rank=32, kv_lora_rank=32,
    qk_nope_head_dim=16, qk_rope_head_dim=16, v_head_dim=16, n_routed_experts=8,
    n_shared_experts=2, num_experts_per_tok=2, n_group=4, topk_group=2,
    topk_method="group_limited_greedy", routed_scaling_factor=2.0, first_k_dense_replace=1,
)

# Classes of each model_type.
KINDS = {
    "deepseek_v2": (DeepseekV2Config, DeepseekV2ForCausalLM),
    "deepseek_v3": (DeepseekV3Config, DeepseekV3ForCausalLM),
}

# name: fields, and how the directory is written:
#   dtype; layout: "single" or the number of shards; experts "apart" or "fused";
#   spelling "new" (as transformers 5 writes config.json) or "shipped" (as DeepSeek ships it);
#   kind (model_type, default deepseek_v2); positions; first (first row whose logits are recorded); seed.
GOLDENS = {
    # DeepSeek-V2's form: device-limited gate, both projections of low rank, shared experts.
    "v2-groups": dict(
        fields=form(
            vocab_size=256, hidden_size=64, intermediate_size=112, moe_intermediate_size=24,
            num_hidden_layers=3, num_attention_heads=4, q_lora_rank=48, kv_lora_rank=32,
            qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=16, n_routed_experts=8,
            n_shared_experts=2, num_experts_per_tok=3, n_group=4, topk_group=2,
            topk_method="group_limited_greedy", routed_scaling_factor=2.5, first_k_dense_replace=1,
        ),
        seed=18,
    ),
    # DeepSeek-V2-Lite's form: no q_lora, greedy gate, one group; bf16, sharded, shipped spelling.
    "lite": dict(
        fields=form(
            vocab_size=320, hidden_size=80, intermediate_size=144, moe_intermediate_size=40,
            num_hidden_layers=3, num_attention_heads=5, q_lora_rank=None, kv_lora_rank=48,
            qk_nope_head_dim=16, qk_rope_head_dim=16, v_head_dim=16, n_routed_experts=8,
            n_shared_experts=2, num_experts_per_tok=2, n_group=1, topk_group=1,
            topk_method="greedy", routed_scaling_factor=1.0, first_k_dense_replace=1,
        ),
        dtype="BF16", layout=3, spelling="shipped", seed=12,
    ),
    # All layers dense, plain rope, logits recorded from token 8 on.
    "dense": dict(
        fields=form(
            vocab_size=288, hidden_size=72, intermediate_size=104, moe_intermediate_size=32,
            num_hidden_layers=3, num_attention_heads=4, q_lora_rank=40, kv_lora_rank=32,
            qk_nope_head_dim=24, qk_rope_head_dim=8, v_head_dim=24, n_routed_experts=4,
            n_shared_experts=1, num_experts_per_tok=2, n_group=1, topk_group=1,
            topk_method="greedy", routed_scaling_factor=1.0, first_k_dense_replace=3,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        ),
        seed=13, first=8,
    ),
    # Odd widths everywhere, v_head != nope, mscale != mscale_all_dim; experts fused.
    "odd": dict(
        fields=form(
            vocab_size=271, hidden_size=75, intermediate_size=53, moe_intermediate_size=37,
            num_hidden_layers=3, num_attention_heads=3, q_lora_rank=29, kv_lora_rank=41,
            qk_nope_head_dim=20, qk_rope_head_dim=6, v_head_dim=13, n_routed_experts=6,
            n_shared_experts=1, num_experts_per_tok=3, n_group=3, topk_group=2,
            topk_method="group_limited_greedy", routed_scaling_factor=1.5, first_k_dense_replace=1,
            rope_parameters=yarn(1.0, 0.707, 8.0, 512), max_position_embeddings=4096,
            rms_norm_eps=1e-5,
        ),
        experts="fused", seed=14, count=57,
    ),
    # Explicit positions: 32 around 4,352, then 32 near 163,800.
    "far": dict(
        fields=form(**FAR), seed=15,
        positions=list(range(4336, 4368)) + list(range(163784, 163816)),
    ),
    # The same distance as 4,352 alone, where the bound is tighter; mscale 1 as in DeepSeek-V2.5.
    "far-4352": dict(
        fields=form(**FAR, rope_parameters=yarn(1.0, 1.0)), seed=21, layout=2, experts="fused",
        positions=list(range(0, 8)) + list(range(4320, 4376)),
    ),
    # DeepSeek-V3's form: sigmoid gate with correction biases (most of them negative), group scores
    # of two experts, weights normalized and scaled; far positions.
    "v3": dict(
        fields=form(
            vocab_size=256, hidden_size=64, intermediate_size=96, moe_intermediate_size=24,
            num_hidden_layers=3, num_attention_heads=4, q_lora_rank=32, kv_lora_rank=32,
            qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=16, n_routed_experts=12,
            n_shared_experts=1, num_experts_per_tok=4, n_group=4, topk_group=2,
            routed_scaling_factor=2.5, first_k_dense_replace=1, norm_topk_prob=True,
            rope_parameters=yarn(1.0, 1.0),
        ),
        kind="deepseek_v3", seed=31,
        positions=list(range(0, 24)) + list(range(4320, 4360)),
    ),
}


def allow_odd_widths():
    """transformers views the rope part of kv_a as complex numbers, which an odd stride forbids."""
    rotate = modeling_deepseek_v2.apply_rotary_emb
    modeling_deepseek_v2.apply_rotary_emb = lambda q, k, angles: rotate(
        q.contiguous(), k.contiguous(), angles
    )


def random_weights(model, generator):
    """Weights that keep activations near 1 and make routing diverse."""
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        if "norm" in name:
            p.data = 1 + 0.2 * noise
        elif "embed" in name:
            p.data = noise
        elif "mlp.gate.weight" in name:
            p.data = noise * 1.5 * p.shape[-1] ** -0.5
        else:
            p.data = noise * 1.2 * p.shape[-1] ** -0.5
    for name, b in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            # Around -0.8 most choices are negative: masked experts that got 0 would be chosen.
            b.copy_(0.15 * torch.randn(b.shape, generator=generator) - 0.8)


def logits_of(model, tokens, positions):
    """f32 logits [T, vocab]; the mask keeps jumps of the positions from starting a new sequence."""
    with torch.no_grad():
        return model(
            input_ids=torch.tensor(tokens)[None], position_ids=torch.tensor(positions)[None],
            attention_mask=torch.ones(1, len(tokens), dtype=torch.long), use_cache=False,
        ).logits[0]


def shipped_spelling(config):
    """config.json in the spelling and with the keys of DeepSeek's own V2 directories."""
    rope = dict(config.pop("rope_parameters"))
    config["rope_theta"] = int(rope.pop("rope_theta"))
    rope["type"] = rope.pop("rope_type")
    rope.update({key: int(value) for key, value in rope.items()
                 if isinstance(value, float) and value.is_integer()})
    config["rope_scaling"] = rope
    config["torch_dtype"] = config.pop("dtype")
    for key in ("head_dim", "qk_head_dim", "mlp_bias", "output_router_logits"):
        config.pop(key, None)
    config.update(
        scoring_func="softmax", moe_layer_freq=1, aux_loss_alpha=0.001, seq_aux=True, ep_size=1,
        routed_scaling_factor=config["routed_scaling_factor"],
    )
    return config


def write_directory(directory, model, spec):
    """The checkpoint in the form the golden asks for."""
    bf16, layout = spec.get("dtype") == "BF16", spec.get("layout", "single")
    model = model.to(torch.bfloat16) if bf16 else model
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    limit = 1 << 40 if layout == "single" else size * 105 // (100 * layout)
    model.save_pretrained(
        directory, max_shard_size=limit, save_original_format=spec.get("experts") != "fused"
    )
    path = os.path.join(directory, "config.json")
    config = {k: v for k, v in model_files.read_model(directory)[0].items() if k[0] != "_"}
    if spec.get("spelling") == "shipped":
        config = shipped_spelling(config)
    checkpoint_layout.write_json(path, config)
    os.remove(os.path.join(directory, "generation_config.json"))
    for file in os.listdir(directory):
        os.chmod(os.path.join(directory, file), 0o644)


def make(name, spec, directory):
    if os.path.isdir(directory):
        shutil.rmtree(directory)
    generator = torch.Generator().manual_seed(spec["seed"])
    config_class, model_class = KINDS[spec.get("kind", "deepseek_v2")]
    config = config_class(**spec["fields"])
    config.architectures = [model_class.__name__]
    model = model_class(config).float().eval()
    model.set_attn_implementation("eager")
    model.set_experts_implementation("eager")
    random_weights(model, generator)
    positions = spec.get("positions") or list(range(spec.get("count", 64)))
    vocab = spec["fields"]["vocab_size"]
    tokens = torch.randint(0, vocab, (len(positions),), generator=generator).tolist()
    model.lm_head.weight.data *= 2 / logits_of(model, tokens, positions).std()
    write_directory(directory, model, spec)

    # From here on only what was written counts.
    model = model_class.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager"
    ).eval()
    logits = logits_of(model, tokens, positions).numpy()
    reference, routing, gap = reference_numpy.Model.load(directory).forward(tokens, positions)
    largest = np.abs(logits).max()
    difference = np.abs(reference - logits).max() / largest
    ranked = np.sort(logits, -1)
    margin = (ranked[:, -1] - ranked[:, -2]).min()
    print(f"{name}: logits std {logits.std():.2f} max {largest:.2f} margin {margin:.1e}; "
          f"numpy differs by {difference:.1e}; smallest gap {gap.min():.1e}")
    for layer, chosen in routing.items():
        load = np.bincount(chosen.ravel(), minlength=spec["fields"]["n_routed_experts"])
        print(f"  layer {layer} load {load.tolist()}")
        if (load == 0).sum() > 1:
            raise ValueError(f"{name}: layer {layer} leaves more than one expert unused")
    allowed = LARGEST_DIFFERENCE * max(1, max(positions) / 2048)
    if difference > allowed:
        raise ValueError(f"{name}: numpy and transformers differ by {difference}, allowed {allowed}")
    if gap.min() < SMALLEST_GAP:
        raise ValueError(f"{name}: routing gap {gap.min()} is below {SMALLEST_GAP}; change the seed")

    first = spec.get("first", 0)
    golden = {
        "tokens": np.array(tokens, np.int64), "positions": np.array(positions, np.int64),
        "first": np.array([first], np.int64), "logits": logits[first:].astype(np.float32),
    }
    if routing:
        golden["min_gap"] = gap.astype(np.float32)
    model_files.write_safetensors(os.path.join(directory, "golden.safetensors"), golden)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("names", nargs="*", help="default: all")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    allow_odd_widths()
    transformers.utils.logging.disable_progress_bar()
    for name in arguments.names or GOLDENS:
        make(name, GOLDENS[name], os.path.join(arguments.out, name))


if __name__ == "__main__":
    main()
