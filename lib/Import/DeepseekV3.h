//===- DeepseekV3.h - import of model_type deepseek_v3 -------------------------===//
//
// DeepSeek-V3 and R1 (arXiv:2412.19437).
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_IMPORT_DEEPSEEKV3_H
#define DSV2_LIB_IMPORT_DEEPSEEKV3_H

#include "lib/Import/Importer.h"

namespace mlir::dsv2 {

/// See ImportFunction, and DeepseekModel.h for the form.
::dsv2::Expected<OwningOpRef<ModuleOp>> importDeepseekV3(MLIRContext &context,
                                                         const ::dsv2::Checkpoint &checkpoint);

} // namespace mlir::dsv2

#endif // DSV2_LIB_IMPORT_DEEPSEEKV3_H
