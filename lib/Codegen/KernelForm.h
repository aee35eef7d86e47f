//===- KernelForm.h - the form of every kernel function -------------------===//
//
// What builders and generic kernels hand to targets: a function without results whose arguments are
// slots (flat memory or launch symbols), then %begin, %end : index and %scratch : memref<Nxi8>.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_KERNELFORM_H
#define DSV2_LIB_CODEGEN_KERNELFORM_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace dsv2 {

/// begin, end and scratch come after the slots.
constexpr unsigned kTrailingArguments = 3;

/// Every argument must be an index or a memref whose address is all that the callee needs.
mlir::LogicalResult checkKernelForm(mlir::func::FuncOp kernel);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_KERNELFORM_H
