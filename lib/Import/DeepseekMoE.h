//===- DeepseekMoE.h - import of model_type deepseek -------------------------===//
//
// DeepSeekMoE 16B (arXiv:2401.06066).
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_IMPORT_DEEPSEEKMOE_H
#define DSV2_LIB_IMPORT_DEEPSEEKMOE_H

#include "lib/Import/Importer.h"

namespace mlir::dsv2 {

/// See ImportFunction, and GroupedQueryModel.h for the form.
::dsv2::Expected<OwningOpRef<ModuleOp>> importDeepseekMoE(MLIRContext &context,
                                                          const ::dsv2::Checkpoint &checkpoint);

} // namespace mlir::dsv2

#endif // DSV2_LIB_IMPORT_DEEPSEEKMOE_H
