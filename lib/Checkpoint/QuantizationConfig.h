//===- QuantizationConfig.h - quantization_config ---------------*- C++ -*-===//
//
// What the FP8 tensors of a checkpoint mean: values of type e4m3 in blocks, each block
// with a factor in a tensor of its own (X.weight_scale_inv).
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_QUANTIZATIONCONFIG_H
#define DSV2_LIB_CHECKPOINT_QUANTIZATIONCONFIG_H

#include "lib/Support/Json.h"

#include <cstdint>
#include <optional>

namespace dsv2 {

/// A weight of FP8 is its elements times the factor of their block; blocks at the edges
/// may be partial. Activations are not rounded, whatever the config says about them.
struct QuantizationConfig {
  uint64_t blockRows = 0;
  uint64_t blockColumns = 0;
};

/// `quantization_config`, if it is there and not null: DeepSeek-V3's form as DeepSeek and
/// as transformers 5 write it. Other methods, per-tensor and static scales and unknown
/// keys are refused by name. Failures stay in `config`.
std::optional<QuantizationConfig> readQuantizationConfig(FieldReader &config);

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_QUANTIZATIONCONFIG_H
