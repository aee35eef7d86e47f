//===- Config.cpp - What the readers of config.json share -----------------===//
//
// A model that runs with a key ignored that changes its mathematics gives wrong
// text without an error, so such keys are refused by name, and inside the rope
// parameters every key that is not known.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/Config.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace dsv2 {
namespace {

/// Keys of other architectures, each with the value that means "not used" there.
struct ForeignKey {
  std::string_view name;
  double neutral;
};

constexpr ForeignKey foreignNumbers[] = {
    {"attention_multiplier", 1},
    {"attn_logit_softcapping", 0},
    {"embedding_multiplier", 1},
    {"final_logit_softcapping", 0},
    {"logit_scale", 1},
    {"logits_scaling", 1},
    {"partial_rotary_factor", 1},
    {"residual_multiplier", 1},
    {"rotary_pct", 1},
    {"scale_depth", 1},
    {"scale_emb", 1},
};

constexpr std::string_view foreignFlags[] = {
    "add_bias_linear",       "alibi",       "parallel_attn", "qk_norm", "use_mrope",
    "use_parallel_residual", "use_qk_norm",
};

/// Keys that mean another architecture whenever they are there.
constexpr std::string_view foreignKeys[] = {
    "attention_chunk_size", "clip_qkv", "index_topk", "layers_block_type", "no_rope_layers",
};

constexpr std::string_view ropeKeys[] = {
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "factor",
    "finetuned",
    "mscale",
    "mscale_all_dim",
    "original_max_position_embeddings",
    "partial_rotary_factor",
    "rope_theta",
    "rope_type",
    "truncate",
    "type",
};

/// attention_factor says what cosine and sine are multiplied by; the other keys imply it.
void refuseAttentionFactor(FieldReader &rope, double implied) {
  if (rope.has("attention_factor") &&
      std::fabs(rope.number("attention_factor", 0, 1e6) - implied) > 1e-9 * implied) {
    rope.fail(ErrorKind::Unsupported, "attention_factor", "is not supported unless ", implied,
              ", which the other keys imply, found ", rope.value("attention_factor")->describe());
  }
}

/// One of the two spellings: the object's own keys, theta excepted.
std::optional<YarnConfig> readScaling(FieldReader &rope, const Json &object) {
  std::string type = rope.stringOr("rope_type", rope.has("type") ? rope.string("type") : "");
  if (rope.has("type") && rope.has("rope_type") && rope.string("type") != type) {
    rope.fail(ErrorKind::Mismatch, "type", "is ", quote(rope.string("type")), ", but rope_type is ",
              quote(type));
  }
  // The type before its keys: those of a foreign one are foreign too.
  if (!type.empty() && type != "default" && type != "yarn") {
    rope.fail(ErrorKind::Unsupported, rope.has("rope_type") ? "rope_type" : "type",
              "must be 'default' or 'yarn', found ", quote(type));
    return std::nullopt;
  }
  if (object.object()) {
    for (const auto &[key, value] : object.object()->members) {
      if (std::find(std::begin(ropeKeys), std::end(ropeKeys), key) == std::end(ropeKeys)) {
        rope.fail(ErrorKind::Unsupported, key, "is not supported");
      }
    }
  }
  if (!rope.booleanOr("truncate", true)) {
    rope.fail(ErrorKind::Unsupported, "truncate", "is not supported unless true, found false");
  }
  if (rope.numberOr("partial_rotary_factor", 1, 0, 1) != 1) {
    rope.fail(ErrorKind::Unsupported, "partial_rotary_factor", "is not supported unless 1, found ",
              rope.value("partial_rotary_factor")->describe());
  }
  if (type == "default") {
    refuseAttentionFactor(rope, 1);
    return std::nullopt;
  }
  if (type.empty()) {
    rope.fail(ErrorKind::InvalidFile, "rope_type", "is missing, expected 'default' or 'yarn'");
    return std::nullopt;
  }
  YarnConfig yarn;
  yarn.factor = rope.number("factor", 1, 1e6);
  yarn.originalMaxPositionEmbeddings =
      rope.natural("original_max_position_embeddings", 1, ConfigLimits::positions);
  yarn.betaFast = rope.number("beta_fast", 1e-3, 1e6);
  yarn.betaSlow = rope.number("beta_slow", 1e-3, 1e6);
  yarn.mscale = rope.number("mscale", 0, 100);
  yarn.mscaleAllDim = rope.number("mscale_all_dim", 0, 100);
  if (!rope.failed() && yarn.betaFast < yarn.betaSlow) {
    rope.fail(ErrorKind::InvalidFile, "beta_fast", "is ", yarn.betaFast, ", below beta_slow ",
              yarn.betaSlow);
  }
  if (!rope.failed()) {
    auto temperature = [&](double mscale) { return 0.1 * mscale * std::log(yarn.factor) + 1; };
    refuseAttentionFactor(rope, temperature(yarn.mscale) / temperature(yarn.mscaleAllDim));
  }
  return yarn;
}

double readTheta(FieldReader &reader) { return reader.number("rope_theta", 1.001, 1e12); }

} // namespace

bool YarnConfig::operator==(const YarnConfig &other) const {
  return factor == other.factor &&
         originalMaxPositionEmbeddings == other.originalMaxPositionEmbeddings &&
         betaFast == other.betaFast && betaSlow == other.betaSlow && mscale == other.mscale &&
         mscaleAllDim == other.mscaleAllDim;
}

RopeConfig readRopeConfig(FieldReader &config) {
  RopeConfig result;
  bool newSpelling = config.has("rope_parameters");
  bool oldSpelling = config.has("rope_scaling");
  auto read = [&](std::string_view key) {
    RopeConfig rope;
    const Json &object = config.object(key);
    FieldReader reader(object, config.file(), concat(config.prefix(), key, "."));
    rope.yarn = readScaling(reader, object);
    if (reader.has("rope_theta")) {
      rope.theta = readTheta(reader);
    }
    if (reader.failed()) {
      config.fail(*reader.error());
    }
    return rope;
  };
  if (newSpelling) {
    result = read("rope_parameters");
  }
  if (oldSpelling) {
    RopeConfig old = read("rope_scaling");
    if (newSpelling && !(old.yarn == result.yarn)) {
      config.fail(ErrorKind::Mismatch, "rope_scaling", "contradicts rope_parameters");
    }
    result.yarn = old.yarn;
    if (result.theta == 0) {
      result.theta = old.theta;
    } else if (old.theta != 0 && old.theta != result.theta) {
      config.fail(ErrorKind::Mismatch, "rope_scaling.rope_theta", "is ", old.theta,
                  ", but rope_parameters.rope_theta is ", result.theta);
    }
  }
  if (config.has("rope_theta") || result.theta == 0) {
    double theta = readTheta(config);
    if (result.theta != 0 && result.theta != theta) {
      config.fail(ErrorKind::Mismatch, "rope_theta", "is ", theta, ", but the rope parameters say ",
                  result.theta);
    }
    result.theta = theta;
  }
  return result;
}

void refuseIfTrue(FieldReader &config, std::string_view key) {
  if (config.booleanOr(key, false)) {
    config.fail(ErrorKind::Unsupported, key, "is true, which is not supported");
  }
}

void refuseUnknownMathematics(FieldReader &config) {
  for (const ForeignKey &key : foreignNumbers) {
    const Json *value = config.value(key.name);
    if (value && value->number() != key.neutral) {
      config.fail(ErrorKind::Unsupported, key.name, "is not supported, found ", value->describe());
    }
  }
  for (std::string_view key : foreignFlags) {
    refuseIfTrue(config, key);
  }
  for (std::string_view key : foreignKeys) {
    if (config.has(key)) {
      config.fail(ErrorKind::Unsupported, key, "is not supported, found ",
                  config.value(key)->describe());
    }
  }
  // Configs of full-attention models carry a window that use_sliding_window turns
  // off; transformers 5 says the same layer by layer.
  refuseIfTrue(config, "use_sliding_window");
  if (const Json *types = config.value("layer_types")) {
    if (!types->array()) {
      config.fail(ErrorKind::InvalidFile, "layer_types", "must be an array, found ",
                  types->describe());
      return;
    }
    for (const Json &type : *types->array()) {
      if (!type.string() || *type.string() != "full_attention") {
        config.fail(ErrorKind::Unsupported, "layer_types",
                    "must hold 'full_attention' only, found ", type.describe());
      }
    }
  }
}

std::string readDtypeName(FieldReader &config) {
  auto read = [&](std::string_view key) {
    std::string name = config.stringOr(key, "");
    return name.rfind("torch.", 0) == 0 ? name.substr(6) : name;
  };
  std::string name = read("dtype");
  std::string old = read("torch_dtype");
  if (!name.empty() && !old.empty() && name != old) {
    config.fail(ErrorKind::Mismatch, "torch_dtype", "is ", quote(old), ", but dtype is ",
                quote(name));
  }
  return name.empty() ? old : name;
}

Error unsupportedModelType(const std::string &configPath, std::string_view modelType,
                           const std::vector<std::string> &supported) {
  std::string list;
  for (const std::string &name : supported) {
    list += concat(list.empty() ? "" : ", ", quote(name));
  }
  std::string_view reason = "is not supported";
  if (modelType.empty()) {
    reason = "is missing or no string";
  } else if (modelType == "deepseek_v32" || modelType == "deepseek_v4") {
    reason = "is a different architecture (sparse attention), which is not supported";
  }
  return Error(modelType.empty() ? ErrorKind::InvalidFile : ErrorKind::Unsupported, configPath,
               ": field 'model_type' ", modelType.empty() ? "" : quote(modelType) + " ", reason,
               ", expected one of ", list);
}

} // namespace dsv2
