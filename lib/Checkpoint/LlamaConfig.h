//===- LlamaConfig.h - config.json of LLaMA -*- C++ -*-===//
//
// What a `llama` config means: LLaMA 2 and 3, DeepSeek 67B.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_LLAMACONFIG_H
#define DSV2_LIB_CHECKPOINT_LLAMACONFIG_H

#include "lib/Checkpoint/GroupedQueryConfig.h"

namespace dsv2 {

struct LlamaConfig : GroupedQueryConfig {
  /// Reads and checks `config`, the object in the file `path`.
  static Expected<LlamaConfig> read(const Json &config, const std::string &path);
};

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_LLAMACONFIG_H
