//===- DeepseekMoE.cpp - import of model_type deepseek -----------------------===//
//
// Reads the config by the rules of its model type; the rest is GroupedQueryModel's.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/DeepseekMoE.h"

#include "lib/Checkpoint/DeepseekMoEConfig.h"
#include "lib/Import/GroupedQueryModel.h"

namespace mlir::dsv2 {

::dsv2::Expected<OwningOpRef<ModuleOp>> importDeepseekMoE(MLIRContext &context,
                                                          const ::dsv2::Checkpoint &checkpoint) {
  return readAndImportGroupedQueryModel<::dsv2::DeepseekMoEConfig>(context, checkpoint);
}

} // namespace mlir::dsv2
