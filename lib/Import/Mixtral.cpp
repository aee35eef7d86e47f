//===- Mixtral.cpp - import of model_type mixtral -----------------------===//
//
// Reads the config by the rules of its model type; the rest is GroupedQueryModel's.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Mixtral.h"

#include "lib/Checkpoint/MixtralConfig.h"
#include "lib/Import/GroupedQueryModel.h"

namespace mlir::dsv2 {

::dsv2::Expected<OwningOpRef<ModuleOp>> importMixtral(MLIRContext &context,
                                                      const ::dsv2::Checkpoint &checkpoint) {
  // transformers 5 may store stacked experts, and then under the names that its classes use.
  bool stacked = checkpoint.find("model.layers.0.mlp.experts.gate_up_proj");
  ExpertNames names;
  if (!stacked) {
    names = {"block_sparse_moe", "w1", "w3", "w2"};
  }
  return readAndImportGroupedQueryModel<::dsv2::MixtralConfig>(context, checkpoint, names);
}

} // namespace mlir::dsv2
