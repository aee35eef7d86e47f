"""What a checkpoint holds, with the standard library alone: configs, headers, shards."""

import json
import math
import struct

import shipped_models

WIDTHS = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "I64": 8, "I32": 4, "F8_E4M3": 1}


def shipped_config(**fields):
    """A config.json as DeepSeek ships it for V2; fields are what differs between its models."""
    shared = {
        "architectures": ["DeepseekV2ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "auto_map": {
            "AutoConfig": "configuration_deepseek.DeepseekV2Config",
            "AutoModel": "modeling_deepseek.DeepseekV2Model",
            "AutoModelForCausalLM": "modeling_deepseek.DeepseekV2ForCausalLM",
        },
        "aux_loss_alpha": 0.001,
        "bos_token_id": 100000,
        "eos_token_id": 100001,
        "first_k_dense_replace": 1,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "kv_lora_rank": 512,
        "max_position_embeddings": 163840,
        "model_type": "deepseek_v2",
        "moe_layer_freq": 1,
        "n_shared_experts": 2,
        "norm_topk_prob": False,
        "num_experts_per_tok": 6,
        "pretraining_tp": 1,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "rms_norm_eps": 1e-06,
        "rope_scaling": {
            "beta_fast": 32,
            "beta_slow": 1,
            "factor": 40,
            "mscale": 0.707,
            "mscale_all_dim": 0.707,
            "original_max_position_embeddings": 4096,
            "type": "yarn",
        },
        "rope_theta": 10000,
        "scoring_func": "softmax",
        "seq_aux": True,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.39.3",
        "use_cache": True,
        "v_head_dim": 128,
        "vocab_size": 102400,
    }
    return dict(sorted({**shared, **fields}.items()))


def tensors(config):
    """(name, shape) of every tensor, in the order of the layers."""
    return shipped_models.shapes(config)


def elements(shape):
    return math.prod(shape)


def shards(config, limit):
    """File name to [(name, shape)], each file at most limit bytes of bf16 (or one tensor)."""
    groups, size = [[]], 0
    for name, shape in tensors(config):
        added = 2 * elements(shape)
        if groups[-1] and size + added > limit:
            groups.append([])
            size = 0
        groups[-1].append((name, shape))
        size += added
    return {
        f"model-{number:05d}-of-{len(groups):06d}.safetensors": group
        for number, group in enumerate(groups, 1)
    }


def index(files):
    """The content of model.safetensors.index.json for what shards() returned."""
    total = sum(2 * elements(shape) for group in files.values() for _, shape in group)
    weight_map = {name: file for file, group in files.items() for name, _ in group}
    return {"metadata": {"total_size": total}, "weight_map": weight_map}


def header_bytes(entries, metadata=None):
    """A safetensors file up to its data, and the data's length; entries: (name, dtype, shape)."""
    header, offset = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, dtype, shape in entries:
        end = offset + WIDTHS[dtype] * elements(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text, offset


def write_json(path, value):
    with open(path, "w") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
