//===- Qwen2.cpp - import of model_type qwen2 -----------------------===//
//
// Reads the config by the rules of its model type; the rest is GroupedQueryModel's.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Qwen2.h"

#include "lib/Checkpoint/Qwen2Config.h"
#include "lib/Import/GroupedQueryModel.h"

namespace mlir::dsv2 {

::dsv2::Expected<OwningOpRef<ModuleOp>> importQwen2(MLIRContext &context,
                                                    const ::dsv2::Checkpoint &checkpoint) {
  return readAndImportGroupedQueryModel<::dsv2::Qwen2Config>(context, checkpoint);
}

} // namespace mlir::dsv2
