//===- Mixtral.h - import of model_type mixtral -------------------------===//
//
// Mixtral 8x7B and 8x22B (arXiv:2401.04088).
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_IMPORT_MIXTRAL_H
#define DSV2_LIB_IMPORT_MIXTRAL_H

#include "lib/Import/Importer.h"

namespace mlir::dsv2 {

/// See ImportFunction, and GroupedQueryModel.h for the form.
::dsv2::Expected<OwningOpRef<ModuleOp>> importMixtral(MLIRContext &context,
                                                      const ::dsv2::Checkpoint &checkpoint);

} // namespace mlir::dsv2

#endif // DSV2_LIB_IMPORT_MIXTRAL_H
