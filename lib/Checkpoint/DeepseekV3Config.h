//===- DeepseekV3Config.h - config.json of DeepSeek-V3 ----------*- C++ -*-===//
//
// What a `deepseek_v3` config means: V3, R1, as DeepSeek ships and as transformers 5
// writes them.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_DEEPSEEKV3CONFIG_H
#define DSV2_LIB_CHECKPOINT_DEEPSEEKV3CONFIG_H

#include "lib/Checkpoint/DeepseekConfig.h"

namespace dsv2 {

/// The gate's method is always noaux_tc, with at least two experts in a group.
struct DeepseekV3Config : DeepseekConfig {
  /// Reads and checks `config`, the object in the file `path`.
  static Expected<DeepseekV3Config> read(const Json &config, const std::string &path);
};

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_DEEPSEEKV3CONFIG_H
