//===- DeepseekV2.h - import of model_type deepseek_v2 -------------------------===//
//
// DeepSeek-V2, V2.5 and V2-Lite (arXiv:2405.04434).
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_IMPORT_DEEPSEEKV2_H
#define DSV2_LIB_IMPORT_DEEPSEEKV2_H

#include "lib/Import/Importer.h"

namespace mlir::dsv2 {

/// See ImportFunction, and DeepseekModel.h for the form.
::dsv2::Expected<OwningOpRef<ModuleOp>> importDeepseekV2(MLIRContext &context,
                                                         const ::dsv2::Checkpoint &checkpoint);

} // namespace mlir::dsv2

#endif // DSV2_LIB_IMPORT_DEEPSEEKV2_H
