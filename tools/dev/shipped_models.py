"""What models of the family hold: every tensor with its type and shape, from config.json alone.

Configs of the shipped ones are in test/Import/Shipped. Standard library only.
"""

import json
import math
import pathlib

CONFIGS = pathlib.Path(__file__).resolve().parents[2] / "test/Import/Shipped"
NAMES = sorted(path.parent.name for path in CONFIGS.glob("*/config.json"))


def config(name):
    """The config.json of a shipped model."""
    with open(CONFIGS / name / "config.json") as file:
        return json.load(file)


def is_latent(model):
    return model["model_type"] in ("deepseek_v2", "deepseek_v3")


def projection(name, shape, bias=False):
    yield f"{name}.weight", shape
    if bias:
        yield f"{name}.bias", shape[:1]


def mlp(model, prefix, width, names=("gate_proj", "up_proj", "down_proj")):
    hidden, bias = model["hidden_size"], model.get("mlp_bias", False)
    for name, shape in zip(names, ((width, hidden), (width, hidden), (hidden, width))):
        yield from projection(f"{prefix}.{name}", shape, bias)


def latent_attention(model, prefix):
    hidden, heads, bias = model["hidden_size"], model["num_attention_heads"], model.get("attention_bias", False)
    nope, rope, value = model["qk_nope_head_dim"], model["qk_rope_head_dim"], model["v_head_dim"]
    q_rank, kv_rank = model["q_lora_rank"], model["kv_lora_rank"]
    if q_rank is None:
        yield f"{prefix}.q_proj.weight", (heads * (nope + rope), hidden)
    else:
        yield from projection(f"{prefix}.q_a_proj", (q_rank, hidden), bias)
        yield f"{prefix}.q_a_layernorm.weight", (q_rank,)
        yield f"{prefix}.q_b_proj.weight", (heads * (nope + rope), q_rank)
    yield from projection(f"{prefix}.kv_a_proj_with_mqa", (kv_rank + rope, hidden), bias)
    yield f"{prefix}.kv_a_layernorm.weight", (kv_rank,)
    yield f"{prefix}.kv_b_proj.weight", (heads * (nope + value), kv_rank)
    yield from projection(f"{prefix}.o_proj", (hidden, heads * value), bias)


def grouped_query_attention(model, prefix):
    hidden, heads = model["hidden_size"], model["num_attention_heads"]
    width = model.get("head_dim") or hidden // heads
    keys = model["num_key_value_heads"] * width
    bias = model.get("attention_bias", False)
    input_bias = bias or model["model_type"] == "qwen2"
    yield from projection(f"{prefix}.q_proj", (heads * width, hidden), input_bias)
    yield from projection(f"{prefix}.k_proj", (keys, hidden), input_bias)
    yield from projection(f"{prefix}.v_proj", (keys, hidden), input_bias)
    yield from projection(f"{prefix}.o_proj", (hidden, heads * width), bias)


def experts(model, name):
    """The gate, the routed and the shared experts of one layer."""
    hidden = model["hidden_size"]
    if model["model_type"] == "mixtral":
        count, block = model["num_local_experts"], f"{name}.block_sparse_moe"
        yield f"{block}.gate.weight", (count, hidden)
        for expert in range(count):
            yield from mlp(model, f"{block}.experts.{expert}", model["intermediate_size"], ("w1", "w3", "w2"))
        return
    count, block, width = model["n_routed_experts"], f"{name}.mlp", model["moe_intermediate_size"]
    yield f"{block}.gate.weight", (count, hidden)
    if model["model_type"] == "deepseek_v3":
        yield f"{block}.gate.e_score_correction_bias", (count,)
    for expert in range(count):
        yield from mlp({**model, "mlp_bias": False}, f"{block}.experts.{expert}", width)
    if model["n_shared_experts"]:
        yield from mlp(model, f"{block}.shared_experts", width * model["n_shared_experts"])


def is_moe(model, layer):
    if model["model_type"] == "mixtral":
        return True
    return bool(model.get("n_routed_experts")) and layer >= model["first_k_dense_replace"] \
        and layer % model.get("moe_layer_freq", 1) == 0


def layer_tensors(model, layer):
    name, hidden = f"model.layers.{layer}", model["hidden_size"]
    attention = latent_attention if is_latent(model) else grouped_query_attention
    yield from attention(model, f"{name}.self_attn")
    if is_moe(model, layer):
        yield from experts(model, name)
    else:
        yield from mlp(model, f"{name}.mlp", model["intermediate_size"])
    yield f"{name}.input_layernorm.weight", (hidden,)
    yield f"{name}.post_attention_layernorm.weight", (hidden,)


def draft_tensors(model):
    """The block of multi-token prediction: one layer behind the model's."""
    number, hidden, vocab = model["num_hidden_layers"], model["hidden_size"], model["vocab_size"]
    name = f"model.layers.{number}"
    yield f"{name}.embed_tokens.weight", (vocab, hidden)
    yield f"{name}.enorm.weight", (hidden,)
    yield f"{name}.hnorm.weight", (hidden,)
    yield f"{name}.eh_proj.weight", (hidden, 2 * hidden)
    yield from layer_tensors(model, number)
    yield f"{name}.shared_head.norm.weight", (hidden,)
    yield f"{name}.shared_head.head.weight", (vocab, hidden)


def shapes(model):
    """(name, shape) of every tensor of the model, without drafts and scales."""
    hidden, vocab = model["hidden_size"], model["vocab_size"]
    yield "model.embed_tokens.weight", (vocab, hidden)
    for layer in range(model["num_hidden_layers"]):
        yield from layer_tensors(model, layer)
    yield "model.norm.weight", (hidden,)
    if not model.get("tie_word_embeddings"):
        yield "lm_head.weight", (vocab, hidden)


def typed(model, tensors):
    """(name, dtype, shape): projections in FP8, with scales, where the config says so."""
    quantized = model.get("quantization_config")
    for name, shape in tensors:
        last = name.split(".")[-2]
        if name.endswith("e_score_correction_bias"):
            yield name, "F32", shape
        elif quantized and len(shape) == 2 and last.endswith("_proj") | last.endswith("_mqa") and last != "eh_proj":
            rows, columns = quantized["weight_block_size"]
            yield name, "F8_E4M3", shape
            yield f"{name}_scale_inv", "F32", (-(-shape[0] // rows), -(-shape[1] // columns))
        else:
            yield name, "BF16", shape


def tensors(model):
    """(name, dtype, shape) of every tensor of the checkpoint."""
    yield from typed(model, shapes(model))
    if model.get("num_nextn_predict_layers"):
        yield from typed(model, draft_tensors(model))


def parameters(model):
    """(total, activated for a token): drafts and scales left out, of routed experts the chosen ones."""
    total = activated = 0
    chosen = model.get("num_experts_per_tok", 0)
    count = model.get("n_routed_experts") or model.get("num_local_experts") or 1
    for name, shape in shapes(model):
        size = math.prod(shape)
        total += size
        # Experts have one width, so a token's share is that of any top_k of them.
        routed = ".experts." in name and "shared_experts" not in name
        activated += size * chosen // count if routed else size
    return total, activated


def cached_values(model):
    """Cached values of a token in one layer."""
    if is_latent(model):
        return model["kv_lora_rank"] + model["qk_rope_head_dim"]
    width = model.get("head_dim") or model["hidden_size"] // model["num_attention_heads"]
    return 2 * model["num_key_value_heads"] * width
