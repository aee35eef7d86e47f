"""What a DeepSeek-V2 checkpoint holds, with the standard library alone: configs, shapes, headers."""

import json
import struct

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


V2 = shipped_config(
    hidden_size=5120, intermediate_size=12288, moe_intermediate_size=1536, n_group=8,
    n_routed_experts=160, num_attention_heads=128, num_hidden_layers=60, num_key_value_heads=128,
    q_lora_rank=1536, routed_scaling_factor=16.0, topk_group=3, topk_method="group_limited_greedy",
)
V2_LITE = shipped_config(
    hidden_size=2048, intermediate_size=10944, moe_intermediate_size=1408, n_group=1,
    n_routed_experts=64, num_attention_heads=16, num_hidden_layers=27, num_key_value_heads=16,
    q_lora_rank=None, routed_scaling_factor=1.0, topk_group=1, topk_method="greedy",
)


def tensors(config):
    """(name, shape) of every tensor, in the order of the layers."""
    hidden, heads, vocab = config["hidden_size"], config["num_attention_heads"], config["vocab_size"]
    nope, rope, value = config["qk_nope_head_dim"], config["qk_rope_head_dim"], config["v_head_dim"]
    q_rank, kv_rank = config["q_lora_rank"], config["kv_lora_rank"]

    def projection(name, shape, bias):
        yield f"{name}.weight", shape
        if bias:
            yield f"{name}.bias", shape[:1]

    def mlp(prefix, width, bias=False):
        yield from projection(f"{prefix}.gate_proj", (width, hidden), bias)
        yield from projection(f"{prefix}.up_proj", (width, hidden), bias)
        yield from projection(f"{prefix}.down_proj", (hidden, width), bias)

    attention_bias, mlp_bias = config.get("attention_bias"), config.get("mlp_bias")

    yield "model.embed_tokens.weight", (vocab, hidden)
    for layer in range(config["num_hidden_layers"]):
        name = f"model.layers.{layer}"
        attention = f"{name}.self_attn"
        if q_rank is None:
            yield f"{attention}.q_proj.weight", (heads * (nope + rope), hidden)
        else:
            yield from projection(f"{attention}.q_a_proj", (q_rank, hidden), attention_bias)
            yield f"{attention}.q_a_layernorm.weight", (q_rank,)
            yield f"{attention}.q_b_proj.weight", (heads * (nope + rope), q_rank)
        yield from projection(f"{attention}.kv_a_proj_with_mqa", (kv_rank + rope, hidden), attention_bias)
        yield f"{attention}.kv_a_layernorm.weight", (kv_rank,)
        yield f"{attention}.kv_b_proj.weight", (heads * (nope + value), kv_rank)
        yield from projection(f"{attention}.o_proj", (hidden, heads * value), attention_bias)
        if layer < config["first_k_dense_replace"] or layer % config["moe_layer_freq"]:
            yield from mlp(f"{name}.mlp", config["intermediate_size"], mlp_bias)
        else:
            width = config["moe_intermediate_size"]
            yield f"{name}.mlp.gate.weight", (config["n_routed_experts"], hidden)
            for expert in range(config["n_routed_experts"]):
                yield from mlp(f"{name}.mlp.experts.{expert}", width)
            yield from mlp(f"{name}.mlp.shared_experts", width * config["n_shared_experts"], mlp_bias)
        yield f"{name}.input_layernorm.weight", (hidden,)
        yield f"{name}.post_attention_layernorm.weight", (hidden,)
    yield "model.norm.weight", (hidden,)
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", (vocab, hidden)


def elements(shape):
    count = 1
    for extent in shape:
        count *= extent
    return count


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
