//===- Qwen2.h - import of model_type qwen2 -------------------------===//
//
// The dense models of Qwen 1.5 and 2.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_IMPORT_QWEN2_H
#define DSV2_LIB_IMPORT_QWEN2_H

#include "lib/Import/Importer.h"

namespace mlir::dsv2 {

/// See ImportFunction, and GroupedQueryModel.h for the form.
::dsv2::Expected<OwningOpRef<ModuleOp>> importQwen2(MLIRContext &context,
                                                    const ::dsv2::Checkpoint &checkpoint);

} // namespace mlir::dsv2

#endif // DSV2_LIB_IMPORT_QWEN2_H
