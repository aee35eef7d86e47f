//===- MixtralConfig.h - config.json of Mixtral -*- C++ -*-===//
//
// What a `mixtral` config means: Mixtral 8x7B and 8x22B (arXiv:2401.04088).
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_MIXTRALCONFIG_H
#define DSV2_LIB_CHECKPOINT_MIXTRALCONFIG_H

#include "lib/Checkpoint/GroupedQueryConfig.h"

namespace dsv2 {

struct MixtralConfig : GroupedQueryConfig {
  /// Reads and checks `config`, the object in the file `path`.
  static Expected<MixtralConfig> read(const Json &config, const std::string &path);
};

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_MIXTRALCONFIG_H
