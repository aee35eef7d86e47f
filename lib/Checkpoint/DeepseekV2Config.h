//===- DeepseekV2Config.h - config.json of DeepSeek-V2 ----------*- C++ -*-===//
//
// What a `deepseek_v2` config means: V2, V2.5, V2-Lite.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_DEEPSEEKV2CONFIG_H
#define DSV2_LIB_CHECKPOINT_DEEPSEEKV2CONFIG_H

#include "lib/Checkpoint/DeepseekConfig.h"

namespace dsv2 {

struct DeepseekV2Config : DeepseekConfig {
  /// Reads and checks `config`, the object in the file `path`.
  static Expected<DeepseekV2Config> read(const Json &config, const std::string &path);
};

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_DEEPSEEKV2CONFIG_H
