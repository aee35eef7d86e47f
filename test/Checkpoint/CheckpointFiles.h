//===- CheckpointFiles.h - Small model directories for tests ----*- C++ -*-===//
//
// Bytes of safetensors files by header, and configs of tiny models.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_CHECKPOINT_CHECKPOINTFILES_H
#define DSV2_TEST_CHECKPOINT_CHECKPOINTFILES_H

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace dsv2 {

/// Length, header and data, as they are.
inline std::string safetensorsBytes(std::string_view header, std::string_view data) {
  std::string bytes(8, '\0');
  for (unsigned i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(static_cast<uint64_t>(header.size()) >> (8 * i));
  }
  return bytes.append(header).append(data);
}

/// A file with one U8 tensor of one byte for each name.
inline std::string shardOf(std::initializer_list<std::string_view> names) {
  std::string header = "{";
  size_t offset = 0;
  for (std::string_view name : names) {
    header += offset == 0 ? "\"" : ",\"";
    header.append(name);
    header += "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[" + std::to_string(offset) +
              "," + std::to_string(offset + 1) + "]}";
    ++offset;
  }
  return safetensorsBytes(header + "}", std::string(offset, 'x'));
}

/// As transformers 5 writes it.
inline constexpr std::string_view smallConfig = R"({
  "architectures": ["DeepseekV2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "bos_token_id": 0, "dtype": "bfloat16", "eos_token_id": 1, "first_k_dense_replace": 1,
  "head_dim": 8, "hidden_act": "silu", "hidden_size": 64, "intermediate_size": 96,
  "kv_lora_rank": 16, "max_position_embeddings": 163840, "mlp_bias": false,
  "model_type": "deepseek_v2", "moe_intermediate_size": 32, "n_group": 4, "n_routed_experts": 8,
  "n_shared_experts": 2, "norm_topk_prob": false, "num_attention_heads": 4,
  "num_experts_per_tok": 3, "num_hidden_layers": 2, "num_key_value_heads": 4,
  "pad_token_id": null, "q_lora_rank": 24, "qk_head_dim": 24, "qk_nope_head_dim": 16,
  "qk_rope_head_dim": 8, "rms_norm_eps": 1e-06,
  "rope_parameters": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 0.707,
    "mscale_all_dim": 0.707, "original_max_position_embeddings": 4096, "rope_theta": 10000.0,
    "rope_type": "yarn", "type": "yarn"},
  "routed_scaling_factor": 16.0, "tie_word_embeddings": false, "topk_group": 2,
  "topk_method": "group_limited_greedy", "use_cache": true, "v_head_dim": 12, "vocab_size": 512})";

/// DeepSeek-V3's form, as transformers 5 writes it.
inline constexpr std::string_view smallV3Config = R"({
  "architectures": ["DeepseekV3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "bos_token_id": 0, "dtype": "bfloat16", "eos_token_id": 1, "first_k_dense_replace": 1,
  "head_dim": 8, "hidden_act": "silu", "hidden_size": 64, "intermediate_size": 96,
  "kv_lora_rank": 16, "max_position_embeddings": 163840, "model_type": "deepseek_v3",
  "moe_intermediate_size": 32, "n_group": 4, "n_routed_experts": 8, "n_shared_experts": 1,
  "norm_topk_prob": true, "num_attention_heads": 4, "num_experts_per_tok": 3,
  "num_hidden_layers": 2, "num_key_value_heads": 4, "num_nextn_predict_layers": 1,
  "pretraining_tp": 1, "q_lora_rank": 24, "qk_head_dim": 24, "qk_nope_head_dim": 16,
  "qk_rope_head_dim": 8, "rms_norm_eps": 1e-06, "rope_interleave": true,
  "rope_parameters": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0,
    "mscale_all_dim": 1.0, "original_max_position_embeddings": 4096, "rope_theta": 10000.0,
    "rope_type": "yarn"},
  "routed_scaling_factor": 2.5, "tie_word_embeddings": false, "topk_group": 2, "use_cache": true,
  "v_head_dim": 16, "vocab_size": 512})";

/// LLaMA's form, as transformers 4 writes it.
inline constexpr std::string_view smallLlamaConfig = R"({
  "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "bos_token_id": 0, "eos_token_id": 1, "hidden_act": "silu", "hidden_size": 64,
  "initializer_range": 0.02, "intermediate_size": 96, "max_position_embeddings": 8192,
  "mlp_bias": false, "model_type": "llama", "num_attention_heads": 8, "num_hidden_layers": 2,
  "num_key_value_heads": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null,
  "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
  "use_cache": true, "vocab_size": 512})";

/// DeepSeekMoE's form, as it ships.
inline constexpr std::string_view smallDeepseekMoEConfig = R"({
  "architectures": ["DeepseekForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "aux_loss_alpha": 0.001, "bos_token_id": 0, "eos_token_id": 1, "first_k_dense_replace": 1,
  "hidden_act": "silu", "hidden_size": 64, "intermediate_size": 96,
  "max_position_embeddings": 4096, "model_type": "deepseek", "moe_intermediate_size": 32,
  "moe_layer_freq": 1, "n_routed_experts": 8, "n_shared_experts": 2, "norm_topk_prob": false,
  "num_attention_heads": 8, "num_experts_per_tok": 3, "num_hidden_layers": 2,
  "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-06, "rope_scaling": null,
  "rope_theta": 10000, "scoring_func": "softmax", "seq_aux": true, "tie_word_embeddings": false,
  "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 512})";

/// Qwen 2's form, as transformers 5 writes it.
inline constexpr std::string_view smallQwen2Config = R"({
  "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 0,
  "dtype": "bfloat16", "eos_token_id": 1, "hidden_act": "silu", "hidden_size": 64,
  "intermediate_size": 96, "layer_types": ["full_attention", "full_attention"],
  "max_position_embeddings": 32768, "max_window_layers": 1, "model_type": "qwen2",
  "num_attention_heads": 8, "num_hidden_layers": 2, "num_key_value_heads": 8,
  "rms_norm_eps": 1e-06, "rope_parameters": {"rope_theta": 1000000.0, "rope_type": "default"},
  "sliding_window": null, "tie_word_embeddings": true, "use_cache": true,
  "use_sliding_window": false, "vocab_size": 512})";

/// Mixtral's form, as it ships.
inline constexpr std::string_view smallMixtralConfig = R"({
  "architectures": ["MixtralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 0,
  "eos_token_id": 1, "hidden_act": "silu", "hidden_size": 64, "intermediate_size": 96,
  "max_position_embeddings": 65536, "model_type": "mixtral", "num_attention_heads": 8,
  "num_experts_per_tok": 2, "num_hidden_layers": 2, "num_key_value_heads": 2,
  "num_local_experts": 8, "output_router_logits": false, "rms_norm_eps": 1e-05,
  "rope_theta": 1000000, "router_aux_loss_coef": 0.001, "router_jitter_noise": 0.0,
  "sliding_window": null, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
  "use_cache": true, "vocab_size": 512})";

/// A config with members removed, then others added at the front.
inline std::string changeConfig(std::string_view config,
                                std::initializer_list<std::string_view> removed,
                                std::string_view added) {
  std::string text(config);
  for (std::string_view key : removed) {
    size_t begin = text.find(concat("\"", key, "\":"));
    if (begin == std::string::npos) {
      continue;
    }
    size_t depth = 0;
    size_t end = begin;
    for (; depth > 0 || (text[end] != ',' && text[end] != '}'); ++end) {
      depth += text[end] == '{' || text[end] == '[';
      depth -= text[end] == '}' || text[end] == ']';
    }
    if (text[end] == ',') {
      text.erase(begin, end + 1 - begin);
    } else {
      text.erase(begin, end - begin);
      text.erase(text.rfind(',', begin), 1);
    }
  }
  return added.empty() ? text : concat("{", added, ",", std::string_view(text).substr(1));
}

} // namespace dsv2

#endif // DSV2_TEST_CHECKPOINT_CHECKPOINTFILES_H
