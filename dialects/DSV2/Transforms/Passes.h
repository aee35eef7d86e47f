//===- Passes.h - rewrites of what the model computes --------------------------===//
//
// The passes of the `model` stage; Passes.td says what each does.
//
//===----------------------------------------------------------------------===//

#ifndef DIALECTS_DSV2_TRANSFORMS_PASSES_H
#define DIALECTS_DSV2_TRANSFORMS_PASSES_H

#include "dialects/DSV2/IR/DSV2.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

#include <memory>
#include <string>

namespace mlir::dsv2 {

#define GEN_PASS_DECL
#include "dialects/DSV2/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "dialects/DSV2/Transforms/Passes.h.inc"

} // namespace mlir::dsv2

#endif // DIALECTS_DSV2_TRANSFORMS_PASSES_H
