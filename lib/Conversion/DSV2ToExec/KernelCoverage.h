//===- KernelCoverage.h - Which ops of a step have kernels ------------------------------------===//
//
// Asked once, before anything is lowered, so that a model that cannot be compiled is refused by the
// op that has no kernel and not by what a half-lowered step runs into first.
//
//===------------------------------------------------------------------------------------------===//

#ifndef DSV2_CONVERSION_DSV2TOEXEC_KERNELCOVERAGE_H
#define DSV2_CONVERSION_DSV2TOEXEC_KERNELCOVERAGE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::dsv2 {

/// One error, at the first op of the step that has no kernel, or none in the form that it has.
LogicalResult checkKernelCoverage(func::FuncOp step);

} // namespace mlir::dsv2

#endif // DSV2_CONVERSION_DSV2TOEXEC_KERNELCOVERAGE_H
