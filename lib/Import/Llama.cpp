//===- Llama.cpp - import of model_type llama -----------------------===//
//
// Reads the config by the rules of its model type; the rest is GroupedQueryModel's.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Llama.h"

#include "lib/Checkpoint/LlamaConfig.h"
#include "lib/Import/GroupedQueryModel.h"

namespace mlir::dsv2 {

::dsv2::Expected<OwningOpRef<ModuleOp>> importLlama(MLIRContext &context,
                                                    const ::dsv2::Checkpoint &checkpoint) {
  return readAndImportGroupedQueryModel<::dsv2::LlamaConfig>(context, checkpoint);
}

} // namespace mlir::dsv2
