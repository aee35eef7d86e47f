//===- ImportProgram.h - the artifact's program to dsv2_exec IR ---------------===//
//
// The way back of ExportProgram.h: exporting the module again gives the program it came from.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_TRANSLATION_IMPORTPROGRAM_H
#define DSV2_LIB_TRANSLATION_IMPORTPROGRAM_H

#include "lib/Artifact/Program.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

namespace mlir::dsv2 {

/// The module of a verified program, at the stage `codegen` and marked as from an artifact. Kernels
/// have their code but neither spec nor body, which an artifact does not hold. The context must
/// know dsv2_exec.
OwningOpRef<ModuleOp> importProgram(MLIRContext &context, const ::dsv2::Program &program);

} // namespace mlir::dsv2

#endif // DSV2_LIB_TRANSLATION_IMPORTPROGRAM_H
