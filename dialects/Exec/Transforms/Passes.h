//===- Passes.h - passes on programs ----------------------------------------------------------===//
//
// Declarations that TableGen writes from Passes.td.
//
//===------------------------------------------------------------------------------------------===//

#ifndef DSV2_DIALECTS_EXEC_TRANSFORMS_PASSES_H
#define DSV2_DIALECTS_EXEC_TRANSFORMS_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::dsv2_exec {

#define GEN_PASS_DECL
#include "dialects/Exec/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "dialects/Exec/Transforms/Passes.h.inc"

} // namespace mlir::dsv2_exec

#endif // DSV2_DIALECTS_EXEC_TRANSFORMS_PASSES_H
