//===- DeepseekMoEConfig.h - config.json of DeepSeekMoE -*- C++ -*-===//
//
// What a `deepseek` config means: DeepSeekMoE 16B (arXiv:2401.06066).
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_DEEPSEEKMOECONFIG_H
#define DSV2_LIB_CHECKPOINT_DEEPSEEKMOECONFIG_H

#include "lib/Checkpoint/GroupedQueryConfig.h"

namespace dsv2 {

struct DeepseekMoEConfig : GroupedQueryConfig {
  /// Reads and checks `config`, the object in the file `path`.
  static Expected<DeepseekMoEConfig> read(const Json &config, const std::string &path);
};

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_DEEPSEEKMOECONFIG_H
