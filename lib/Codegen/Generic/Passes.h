//===- Passes.h - The linalg route of generic kernels ---------------------===//
//
// Declarations that TableGen writes from Passes.td.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_CODEGEN_GENERIC_PASSES_H
#define DSV2_CODEGEN_GENERIC_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::dsv2 {

#define GEN_PASS_DECL
#include "lib/Codegen/Generic/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "lib/Codegen/Generic/Passes.h.inc"

} // namespace mlir::dsv2

#endif // DSV2_CODEGEN_GENERIC_PASSES_H
