//===- Passes.h - passes that need more than one room -----------------------------------------===//
//
// Declarations that TableGen writes from Passes.td.
//
//===------------------------------------------------------------------------------------------===//

#ifndef DSV2_LIB_PIPELINES_PASSES_H
#define DSV2_LIB_PIPELINES_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::dsv2 {

#define GEN_PASS_DECL
#include "lib/Pipelines/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "lib/Pipelines/Passes.h.inc"

} // namespace mlir::dsv2

#endif // DSV2_LIB_PIPELINES_PASSES_H
