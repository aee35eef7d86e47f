//===- DeepseekModel.h - import of DeepSeek-V2's architecture ------------------===//
//
// What the importers of deepseek_v2 and deepseek_v3 share: latent attention, dense and MoE layers.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_IMPORT_DEEPSEEKMODEL_H
#define DSV2_LIB_IMPORT_DEEPSEEKMODEL_H

#include "lib/Checkpoint/DeepseekConfig.h"
#include "lib/Import/Importer.h"

namespace mlir::dsv2 {

/// Imports what `config` describes. Attention is imported in its naive form (K and V of every
/// head), experts apart from shared ones, no roundings: the passes of the `model` stage choose
/// other forms. Tensors of the `draftLayers` layers behind the model's are left out, with a remark.
::dsv2::Expected<OwningOpRef<ModuleOp>> importDeepseekModel(MLIRContext &context,
                                                            const ::dsv2::Checkpoint &checkpoint,
                                                            const ::dsv2::DeepseekConfig &config,
                                                            uint64_t draftLayers = 0);

} // namespace mlir::dsv2

#endif // DSV2_LIB_IMPORT_DEEPSEEKMODEL_H
