//===- ExportProgram.h - dsv2_exec IR to the artifact's program ---------------===//
//
// A plain walk: the dialect mirrors lib/Artifact/Program.h op for op.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_TRANSLATION_EXPORTPROGRAM_H
#define DSV2_LIB_TRANSLATION_EXPORTPROGRAM_H

#include "lib/Artifact/Program.h"

#include "mlir/IR/BuiltinOps.h"

namespace mlir::dsv2 {

/// The program of a module that has reached the stage `codegen`. Fails with a diagnostic at the op
/// that is not ready (a kernel without code, a buffer without live interval), or at the module when
/// it is empty or at another stage.
FailureOr<::dsv2::Program> exportProgram(ModuleOp module);

} // namespace mlir::dsv2

#endif // DSV2_LIB_TRANSLATION_EXPORTPROGRAM_H
