//===- Llama.h - import of model_type llama -------------------------===//
//
// LLaMA 2 and 3, DeepSeek 67B (arXiv:2401.02954).
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_IMPORT_LLAMA_H
#define DSV2_LIB_IMPORT_LLAMA_H

#include "lib/Import/Importer.h"

namespace mlir::dsv2 {

/// See ImportFunction, and GroupedQueryModel.h for the form.
::dsv2::Expected<OwningOpRef<ModuleOp>> importLlama(MLIRContext &context,
                                                    const ::dsv2::Checkpoint &checkpoint);

} // namespace mlir::dsv2

#endif // DSV2_LIB_IMPORT_LLAMA_H
