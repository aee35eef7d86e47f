//===- LowerMath.cpp - math operations as instructions --------------------===//
//
// The intrinsics of this vendor: approximations where the unit has nothing exact.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/MathIntrinsics.h"
#include "lib/Target/NVIDIA/Compile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace dsv2 {

LogicalResult lowerMath(gpu::GPUModuleOp device) {
  static constexpr MathIntrinsic kTable[] = {
      {"math.exp", "llvm.nvvm.ex2.approx.ftz.f"},
      {"math.exp2", "llvm.nvvm.ex2.approx.ftz.f"},
      {"math.sqrt", "llvm.nvvm.sqrt.rn.ftz.f"},
      {"math.rsqrt", "llvm.nvvm.rsqrt.approx.ftz.f"},
      {"math.floor", "llvm.nvvm.floor.ftz.f"},
      {"math.ceil", "llvm.nvvm.ceil.ftz.f"},
      {"math.roundeven", "llvm.roundeven.f32"},
      {"math.absf", "llvm.fabs.f32"},
      {"math.copysign", "llvm.copysign.f32"},
      {"math.fma", "llvm.fma.f32"},
  };
  // Division to 2 units in the last place: the exact one is a subroutine.
  device.walk([](arith::DivFOp op) {
    if (getElementTypeOrSelf(op.getType()).isF32()) {
      op.setFastmath(op.getFastmath() | arith::FastMathFlags::afn);
    }
  });
  return lowerMathToIntrinsics(device, kTable);
}

} // namespace dsv2
