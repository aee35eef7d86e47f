//===- Qwen2Config.h - config.json of Qwen 1.5 and 2 -*- C++ -*-===//
//
// What a `qwen2` config means: the dense models of Qwen 1.5 and 2.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_QWEN2CONFIG_H
#define DSV2_LIB_CHECKPOINT_QWEN2CONFIG_H

#include "lib/Checkpoint/GroupedQueryConfig.h"

namespace dsv2 {

struct Qwen2Config : GroupedQueryConfig {
  /// Reads and checks `config`, the object in the file `path`.
  static Expected<Qwen2Config> read(const Json &config, const std::string &path);
};

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_QWEN2CONFIG_H
