//===- MathIntrinsics.h - math operations as instructions -----------------===//
//
// Upstream turns math operations into calls of a device library, which is linked only where the
// vendor's toolkit is installed. Here each becomes an intrinsic that a target names, or is refused
// by name.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_GPU_MATHINTRINSICS_H
#define DSV2_LIB_CODEGEN_GPU_MATHINTRINSICS_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/ADT/ArrayRef.h"

namespace dsv2 {

/// "math.sqrt" and the intrinsic that computes it on f32 scalars. That of math.exp takes the power
/// of two: its argument is multiplied first.
struct MathIntrinsic {
  llvm::StringLiteral operation, intrinsic;
};

/// Rewrites every math operation of the module, element by element. One of another type, or one
/// that the table does not hold, is an error at the operation that names it.
mlir::LogicalResult lowerMathToIntrinsics(mlir::gpu::GPUModuleOp device,
                                          llvm::ArrayRef<MathIntrinsic> table);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_GPU_MATHINTRINSICS_H
