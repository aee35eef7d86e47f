//===- DeepseekV2.cpp - import of model_type deepseek_v2 -----------------------===//
//
// Reads the config by the rules of its model type; the rest is DeepseekModel's.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/DeepseekV2.h"

#include "lib/Checkpoint/DeepseekV2Config.h"
#include "lib/Import/DeepseekModel.h"

namespace mlir::dsv2 {

::dsv2::Expected<OwningOpRef<ModuleOp>> importDeepseekV2(MLIRContext &context,
                                                         const ::dsv2::Checkpoint &checkpoint) {
  ::dsv2::Expected<::dsv2::DeepseekV2Config> config =
      ::dsv2::DeepseekV2Config::read(checkpoint.config(), checkpoint.configPath());
  if (!config) {
    return config.takeError();
  }
  return importDeepseekModel(context, checkpoint, *config);
}

} // namespace mlir::dsv2
