//===- DeepseekV3.cpp - import of model_type deepseek_v3 -----------------------===//
//
// Reads the config by the rules of its model type; the rest is DeepseekModel's.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/DeepseekV3.h"

#include "lib/Checkpoint/DeepseekV3Config.h"
#include "lib/Import/DeepseekModel.h"

namespace mlir::dsv2 {

::dsv2::Expected<OwningOpRef<ModuleOp>> importDeepseekV3(MLIRContext &context,
                                                         const ::dsv2::Checkpoint &checkpoint) {
  ::dsv2::Expected<::dsv2::DeepseekV3Config> config =
      ::dsv2::DeepseekV3Config::read(checkpoint.config(), checkpoint.configPath());
  if (!config) {
    return config.takeError();
  }
  return importDeepseekModel(context, checkpoint, *config);
}

} // namespace mlir::dsv2
