//===- DeepseekModel.h - import of DeepSeek-V2's architecture ------------------===//
//
// What the importers of deepseek_v2 and deepseek_v3 share: latent attention, and the block of
// multi-token prediction.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_IMPORT_DEEPSEEKMODEL_H
#define DSV2_LIB_IMPORT_DEEPSEEKMODEL_H

#include "lib/Checkpoint/DeepseekConfig.h"
#include "lib/Import/Importer.h"

namespace mlir::dsv2 {

/// Imports what `config` describes. Attention is imported in its naive form (K and V of every
/// head), experts apart from shared ones, no roundings: the passes of the `model` stage choose
/// other forms. The block of multi-token prediction becomes `@mtp` where the checkpoint holds it,
/// and a remark where it does not.
::dsv2::Expected<OwningOpRef<ModuleOp>> importDeepseekModel(MLIRContext &context,
                                                            const ::dsv2::Checkpoint &checkpoint,
                                                            const ::dsv2::DeepseekConfig &config);

} // namespace mlir::dsv2

#endif // DSV2_LIB_IMPORT_DEEPSEEKMODEL_H
