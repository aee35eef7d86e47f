//===- Config.h - What the readers of config.json share ---------*- C++ -*-===//
//
// One file per model type turns a config into a checked struct (see
// DeepseekV2Config.h). What several of them need is here: the rules for rope
// parameters in both spellings, features that change the mathematics and are
// refused by name, and the limits on sizes.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_CONFIG_H
#define DSV2_LIB_CHECKPOINT_CONFIG_H

#include "lib/Support/Error.h"
#include "lib/Support/Json.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsv2 {

/// The largest sizes a config may give.
struct ConfigLimits {
  static constexpr uint64_t vocabulary = uint64_t(1) << 24;
  static constexpr uint64_t width = uint64_t(1) << 20; // hidden, intermediate, ranks
  static constexpr uint64_t headWidth = uint64_t(1) << 14;
  static constexpr uint64_t heads = 4096;
  static constexpr uint64_t layers = 4096;
  static constexpr uint64_t experts = 4096;
  static constexpr uint64_t positions = uint64_t(1) << 24;
};

/// YaRN's parameters (Peng et al., 2023), named as in config.json.
struct YarnConfig {
  double factor = 1;
  uint64_t originalMaxPositionEmbeddings = 0;
  double betaFast = 32;
  double betaSlow = 1;
  double mscale = 1;
  double mscaleAllDim = 0;

  bool operator==(const YarnConfig &other) const;
};

struct RopeConfig {
  double theta = 0;
  /// Absent for plain rope.
  std::optional<YarnConfig> yarn;

  bool operator==(const RopeConfig &other) const {
    return theta == other.theta && yarn == other.yarn;
  }
};

/// Reads `rope_parameters` (transformers 5), or `rope_scaling` and `rope_theta`,
/// or both if they agree. Types other than default and yarn, unknown keys, and
/// `attention_factor`, `truncate`, `partial_rotary_factor` with a value that is
/// not their default are refused by name. Failures stay in `config`.
RopeConfig readRopeConfig(FieldReader &config);

/// Refuses keys that change what a model computes and that no reader implements:
/// soft-capping, multipliers, norms of queries and keys, sliding windows.
void refuseUnknownMathematics(FieldReader &config);

/// A boolean feature that is refused when set.
void refuseIfTrue(FieldReader &config, std::string_view key);

/// `dtype` (transformers 5) or `torch_dtype`, without a "torch." prefix; "" if
/// neither is there, a failure if they differ.
std::string readDtypeName(FieldReader &config);

/// The error for a model type that has no reader; names what is supported.
Error unsupportedModelType(const std::string &configPath, std::string_view modelType,
                           const std::vector<std::string> &supported);

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_CONFIG_H
