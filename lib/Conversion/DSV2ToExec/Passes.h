//===- Passes.h - From the model to programs --------------------------------------------------===//
//
// Declarations that TableGen writes from Passes.td.
//
//===------------------------------------------------------------------------------------------===//

#ifndef DSV2_CONVERSION_DSV2TOEXEC_PASSES_H
#define DSV2_CONVERSION_DSV2TOEXEC_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::dsv2 {

#define GEN_PASS_DECL
#include "lib/Conversion/DSV2ToExec/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "lib/Conversion/DSV2ToExec/Passes.h.inc"

} // namespace mlir::dsv2

#endif // DSV2_CONVERSION_DSV2TOEXEC_PASSES_H
