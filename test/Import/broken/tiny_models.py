"""Tiny models of every model type, made from the shipped configs, and what is broken in them.

    python3 test/Import/broken/tiny_models.py tiny-llama OUT [FIELD=VALUE ...]    # one that is whole

Their shards hold headers and no data, so a case changes a list of tensors. Standard library only.
"""

import copy
import json
import os
import sys

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "tools", "dev")
sys.path.insert(0, TOOLS)
import checkpoint_layout  # noqa: E402
import shipped_models  # noqa: E402

COMMON = {"vocab_size": 256, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
          "intermediate_size": 96}
LATENT = {**COMMON, "num_key_value_heads": 4, "q_lora_rank": 48, "kv_lora_rank": 32, "qk_nope_head_dim": 16,
          "qk_rope_head_dim": 8, "v_head_dim": 12, "moe_intermediate_size": 24, "n_routed_experts": 8,
          "first_k_dense_replace": 1, "num_experts_per_tok": 3, "n_group": 4, "topk_group": 2}

checkpoint_layout.WIDTHS["F8_E5M2"] = 1  # only a broken model has it

# Name to (shipped model, what makes it tiny).
BASES = {
    "tiny-llama": ("llama-3-70b", {**COMMON, "num_key_value_heads": 2}),
    "tiny-llama-tied": ("llama-3-70b", {**COMMON, "num_key_value_heads": 1, "tie_word_embeddings": True}),
    "tiny-llama-bias": ("llama-3-70b", {**COMMON, "num_key_value_heads": 4, "attention_bias": True, "mlp_bias": True}),
    "tiny-qwen2": ("qwen1.5-72b", {**COMMON, "num_key_value_heads": 4}),
    "tiny-deepseek": ("deepseek-moe-16b", {**COMMON, "num_key_value_heads": 4, "moe_intermediate_size": 24,
                                           "n_routed_experts": 8, "num_experts_per_tok": 3}),
    "tiny-mixtral": ("mixtral-8x22b", {**COMMON, "num_key_value_heads": 2}),
    "tiny-v2-bias": ("v2", {**LATENT, "attention_bias": True, "mlp_bias": True}),
    "tiny-v2-period": ("v2", {**LATENT, "moe_layer_freq": 2, "num_hidden_layers": 7}),
    "tiny-v3": ("v3", {**LATENT, "quantization_config": {
        "activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [32, 32]}}),
}


# Name to (base, what becomes of its tensors, by the method's name).
VARIANTS = {
    "tiny-mixtral-stacked": ("tiny-mixtral", "stack"),
    "tiny-v3-stacked": ("tiny-v3", "stack"),
    "tiny-llama-tied-copy": ("tiny-llama-tied", "copy_head"),
}


class TinyModel:
    """A config, and tensors by name: [dtype, shape]."""

    def __init__(self, base, fields=()):
        shipped, changes = BASES[VARIANTS[base][0] if base in VARIANTS else base]
        self.config = copy.deepcopy({**shipped_models.config(shipped), **changes, **dict(fields)})
        self.tensors = {name: [dtype, list(shape)] for name, dtype, shape in shipped_models.tensors(self.config)}

        if base in VARIANTS:
            getattr(self, VARIANTS[base][1])()

    def copy_head(self):
        """Tied embeddings with a copy under the head's name, as some checkpoints have it."""
        self.tensors["lm_head.weight"] = self.tensors["model.embed_tokens.weight"]

    def stack(self):
        """The experts of a layer as two tensors, as transformers 5 may store them."""
        apart = [name for name in self.tensors if ".experts." in name and "shared_experts" not in name]
        for name in apart:
            dtype, shape = self.tensors.pop(name)
            block = name.split(".experts.")[0].replace("block_sparse_moe", "mlp")
            count = self.config.get("n_routed_experts") or self.config["num_local_experts"]
            if name.endswith((".gate_proj.weight", ".w1.weight")):
                self.tensors[f"{block}.experts.gate_up_proj"] = [dtype, [count, 2 * shape[0], shape[1]]]
            elif name.endswith((".down_proj.weight", ".w2.weight")):
                self.tensors[f"{block}.experts.down_proj"] = [dtype, [count, *shape]]
        self.tensors = {name.replace("block_sparse_moe", "mlp"): entry for name, entry in self.tensors.items()}

    def write(self, directory):
        os.makedirs(directory, exist_ok=True)
        entries = [(name, dtype, shape) for name, (dtype, shape) in self.tensors.items()]
        with open(os.path.join(directory, "model.safetensors"), "wb") as out:
            out.write(checkpoint_layout.header_bytes(entries)[0])
        checkpoint_layout.write_json(os.path.join(directory, "config.json"), self.config)


CASES = {}


def case(base, *expected):
    """Registers a function that breaks a TinyModel, under the function's name."""

    def register(function):
        CASES[function.__name__.replace("_", "-")] = (base, list(expected), function)
        return function

    return register


ATTENTION = "model.layers.1.self_attn."
MLP = "model.layers.1.mlp."
DRAFT = "model.layers.3."
SCALE = ATTENTION + "o_proj.weight_scale_inv"

# Grouped-query attention: llama.


@case("tiny-llama", "config.json", "num_key_value_heads", "missing")
def llama_without_key_heads(model):
    del model.config["num_key_value_heads"]


@case("tiny-llama", "config.json", "num_key_value_heads", "3")
def llama_heads_do_not_divide(model):
    model.config["num_key_value_heads"] = 3


@case("tiny-llama", "config.json", "rope_scaling.rope_type", "llama3")
def llama_rope_of_llama3(model):
    model.config["rope_scaling"] = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                    "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}


@case("tiny-llama", "config.json", "rope_scaling.type", "linear")
def llama_linear_rope(model):
    model.config["rope_scaling"] = {"type": "linear", "factor": 4.0}


@case("tiny-llama", "config.json", "head_dim", "15")
def llama_odd_head(model):
    model.config["head_dim"] = 15


@case("tiny-llama", "model.layers.0.self_attn.k_proj.weight", "[32, 64]", "[64, 64]")
def llama_more_key_heads_than_tensors(model):
    model.config["num_key_value_heads"] = 4


@case("tiny-llama", "model.layers.0.self_attn.q_proj.bias", "missing", "attention_bias")
def llama_bias_without_tensors(model):
    model.config["attention_bias"] = True


@case("tiny-llama", "model.layers.0.mlp.gate_proj.bias", "missing", "mlp_bias")
def llama_mlp_bias_without_tensors(model):
    model.config["mlp_bias"] = True


@case("tiny-llama-bias", "self_attn.", ".bias", "no part of the model")
def llama_bias_that_no_config_says(model):
    model.config["attention_bias"] = False


@case("tiny-llama-bias", MLP + "down_proj.bias", "[96]", "[64]")
def llama_bias_of_another_width(model):
    model.tensors[MLP + "down_proj.bias"][1] = [96]


@case("tiny-llama-bias", ATTENTION + "o_proj.bias", "I32")
def llama_integer_bias(model):
    model.tensors[ATTENTION + "o_proj.bias"][0] = "I32"


@case("tiny-llama", "lm_head.weight", "missing")
def llama_without_a_head(model):
    del model.tensors["lm_head.weight"]


@case("tiny-llama-tied", "lm_head.weight", "[255, 64]", "[256, 64]")
def llama_tied_head_of_another_shape(model):
    model.tensors["lm_head.weight"] = ["BF16", [255, 64]]


@case("tiny-llama", ATTENTION + "v_proj.weight", "F16", "BF16")
def llama_half_precision(model):
    model.tensors[ATTENTION + "v_proj.weight"][0] = "F16"


@case("tiny-llama", "config.json", "num_nextn_predict_layers", "1")
def llama_with_drafts(model):
    model.config["num_nextn_predict_layers"] = 1


# qwen2.


@case("tiny-qwen2", ATTENTION + "k_proj.bias", "missing")
def qwen2_without_a_bias(model):
    del model.tensors[ATTENTION + "k_proj.bias"]


@case("tiny-qwen2", ATTENTION + "o_proj.bias", "no part of the model")
def qwen2_output_bias(model):
    model.tensors[ATTENTION + "o_proj.bias"] = ["BF16", [64]]


@case("tiny-qwen2", "config.json", "use_sliding_window", "true")
def qwen2_sliding_window(model):
    model.config["use_sliding_window"] = True


@case("tiny-qwen2", "config.json", "layer_types", "sliding_attention")
def qwen2_sliding_layers(model):
    model.config["layer_types"] = ["full_attention", "full_attention", "sliding_attention"]


@case("tiny-qwen2", "config.json", "model_type", "qwen2_moe")
def qwen2_with_experts(model):
    model.config["model_type"] = "qwen2_moe"


# deepseek (DeepSeekMoE).


@case("tiny-deepseek", "config.json", "scoring_func", "missing")
def deepseek_without_scoring(model):
    del model.config["scoring_func"]


@case("tiny-deepseek", "config.json", "routed_scaling_factor", "16")
def deepseek_scaled_weights(model):
    model.config["routed_scaling_factor"] = 16.0


@case("tiny-deepseek", "model.layers.1.mlp.gate_proj.weight", "missing")
def deepseek_period_against_tensors(model):
    model.config["moe_layer_freq"] = 2


@case("tiny-deepseek", MLP + "shared_experts.gate_proj.weight", "[48, 64]", "[72, 64]")
def deepseek_shared_width(model):
    model.config["n_shared_experts"] = 3


# mixtral.


@case("tiny-mixtral", "config.json", "sliding_window", "4096")
def mixtral_sliding_window(model):
    model.config["sliding_window"] = 4096


@case("tiny-mixtral", "model.layers.2.block_sparse_moe.experts.7.w2.weight", "missing")
def mixtral_missing_expert(model):
    del model.tensors["model.layers.2.block_sparse_moe.experts.7.w2.weight"]


@case("tiny-mixtral", "model.layers.0.block_sparse_moe.gate.weight", "[8, 64]", "[9, 64]")
def mixtral_more_experts_than_tensors(model):
    model.config["num_local_experts"] = 9


@case("tiny-mixtral", "config.json", "num_experts_per_tok", "1")
def mixtral_one_expert_a_token(model):
    model.config["num_experts_per_tok"] = 1


@case("tiny-mixtral-stacked", "model.layers.2.mlp.experts.down_proj", "[8, 96, 64]", "[8, 64, 96]")
def mixtral_stacked_down_of_another_shape(model):
    model.tensors["model.layers.2.mlp.experts.down_proj"][1] = [8, 96, 64]


@case("tiny-mixtral", "model.layers.0.block_sparse_moe.experts.0.w3.weight", "[64, 96]", "[96, 64]")
def mixtral_up_for_down(model):
    model.tensors["model.layers.0.block_sparse_moe.experts.0.w3.weight"][1] = [64, 96]


# Biases and periods of latent attention.


@case("tiny-v2-bias", ATTENTION + "kv_a_proj_with_mqa.bias", "missing")
def v2_without_a_bias(model):
    del model.tensors[ATTENTION + "kv_a_proj_with_mqa.bias"]


@case("tiny-v2-bias", ATTENTION + "q_b_proj.bias", "no part of the model")
def v2_bias_of_a_projection_that_has_none(model):
    model.tensors[ATTENTION + "q_b_proj.bias"] = ["BF16", [96]]


@case("tiny-v2-bias", MLP + "experts.2.up_proj.bias", "no part of the model")
def v2_bias_of_a_routed_expert(model):
    model.tensors[MLP + "experts.2.up_proj.bias"] = ["BF16", [24]]


@case("tiny-v2-period", "model.layers.3.mlp.gate.weight", "missing")
def v2_period_that_no_config_says(model):
    model.config["moe_layer_freq"] = 1
    model.config["first_k_dense_replace"] = 2


@case("tiny-v2-period", "model.layers.5.mlp.up_proj.weight", "missing")
def v2_missing_layer_of_the_period(model):
    del model.tensors["model.layers.5.mlp.up_proj.weight"]


@case("tiny-v2-bias", "config.json", "head_dim", "16", "8")
def v2_contradicting_head_dim(model):
    model.config["head_dim"] = 16


@case("tiny-v2-bias", "config.json", "num_nextn_predict_layers", "1")
def v2_with_drafts(model):
    model.config["num_nextn_predict_layers"] = 1


# FP8.


@case("tiny-v3", SCALE, "missing")
def fp8_without_a_scale(model):
    del model.tensors[SCALE]


@case("tiny-v3", SCALE, "[2, 3]", "[2, 2]")
def fp8_scale_of_another_shape(model):
    model.tensors[SCALE][1] = [2, 3]


@case("tiny-v3", SCALE, "BF16", "F32")
def fp8_scale_of_another_type(model):
    model.tensors[SCALE][0] = "BF16"


@case("tiny-v3", "quantization_config", "F8_E4M3")
def fp8_that_no_config_says(model):
    del model.config["quantization_config"]


@case("tiny-v3", ".weight_scale_inv", "expected [3, 4]")
def fp8_blocks_of_another_size(model):
    model.config["quantization_config"]["weight_block_size"] = [16, 16]


@case("tiny-v3", "config.json", "quantization_config.activation_scheme", "static")
def fp8_static(model):
    model.config["quantization_config"]["activation_scheme"] = "static"


@case("tiny-v3", "config.json", "quantization_config.weight_block_size", "missing")
def fp8_without_blocks(model):
    model.config["quantization_config"]["weight_block_size"] = None


@case("tiny-v3", "config.json", "quantization_config.quant_method", "gptq")
def fp8_of_another_method(model):
    model.config["quantization_config"]["quant_method"] = "gptq"


@case("tiny-v3", MLP + "gate.weight", "F8_E4M3", "F32 or BF16")
def fp8_gate(model):
    model.tensors[MLP + "gate.weight"][0] = "F8_E4M3"


@case("tiny-v3", MLP + "experts.3.up_proj.weight", "BF16", "expected the type of")
def fp8_and_bf16_in_one_family(model):
    model.tensors[MLP + "experts.3.up_proj.weight"][0] = "BF16"


@case("tiny-v3", ATTENTION + "kv_b_proj.weight", "F8_E5M2")
def fp8_of_another_format(model):
    model.tensors[ATTENTION + "kv_b_proj.weight"][0] = "F8_E5M2"


@case("tiny-v3", "quantization_config", "config.json")
def fp8_config_of_a_bf16_checkpoint(model):
    model.tensors = {name: ["BF16" if dtype == "F8_E4M3" else dtype, shape]
                     for name, (dtype, shape) in model.tensors.items() if not name.endswith("_scale_inv")}


@case("tiny-v3-stacked", "mlp.experts.gate_up_proj", "F8_E4M3", "F32 or BF16")
def fp8_experts_in_one_tensor(model):
    pass


@case("tiny-v3", "lm_head.weight_scale_inv", "no part of the model")
def fp8_scale_of_a_bf16_tensor(model):
    model.tensors["lm_head.weight_scale_inv"] = ["F32", [8, 2]]


# Multi-token prediction.


@case("tiny-v3", DRAFT + "eh_proj.weight", "missing")
def draft_without_a_projection(model):
    del model.tensors[DRAFT + "eh_proj.weight"]


@case("tiny-v3", DRAFT + "eh_proj.weight", "[128, 64]", "[64, 128]")
def draft_transposed_projection(model):
    model.tensors[DRAFT + "eh_proj.weight"][1] = [128, 64]


@case("tiny-v3", DRAFT + "mlp.experts.7.down_proj.weight", "missing")
def draft_without_an_expert(model):
    del model.tensors[DRAFT + "mlp.experts.7.down_proj.weight"]


@case("tiny-v3", DRAFT + "embed_tokens.weight", "missing")
def draft_of_one_tensor(model):
    model.tensors = {name: entry for name, entry in model.tensors.items()
                     if not name.startswith(DRAFT) or name.endswith("enorm.weight")}


@case("tiny-v3", DRAFT, "no part of the model")
def draft_that_no_config_says(model):
    model.config["num_nextn_predict_layers"] = 0


@case("tiny-v3", "config.json", "num_nextn_predict_layers", "2")
def drafts_of_two_layers(model):
    model.config["num_nextn_predict_layers"] = 2


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in {**BASES, **VARIANTS}:
        sys.exit(__doc__)
    FIELDS = [argument.split("=", 1) for argument in sys.argv[3:]]
    TinyModel(sys.argv[1], [(name, json.loads(value)) for name, value in FIELDS]).write(sys.argv[2])
