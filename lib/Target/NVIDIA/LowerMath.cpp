//===- LowerMath.cpp - math operations as instructions --------------------===//
//
// Upstream turns math operations into calls of a device library, which is linked only where the
// vendor's toolkit is installed. Here each becomes instructions, or is refused by name. Vectors are
// taken apart: the unit is scalar.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/NVIDIA/Compile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace dsv2 {
namespace {

constexpr double kLog2E = 1.4426950408889634;

/// The intrinsic that computes the operation on f32 scalars; empty where there is none.
StringRef intrinsicOf(Operation *op) {
  return llvm::StringSwitch<StringRef>(op->getName().getStringRef())
      .Cases({"math.exp", "math.exp2"}, "llvm.nvvm.ex2.approx.ftz.f")
      .Case("math.sqrt", "llvm.nvvm.sqrt.rn.ftz.f")
      .Case("math.rsqrt", "llvm.nvvm.rsqrt.approx.ftz.f")
      .Case("math.floor", "llvm.nvvm.floor.ftz.f")
      .Case("math.ceil", "llvm.nvvm.ceil.ftz.f")
      .Case("math.roundeven", "llvm.roundeven.f32")
      .Case("math.absf", "llvm.fabs.f32")
      .Case("math.copysign", "llvm.copysign.f32")
      .Case("math.fma", "llvm.fma.f32")
      .Default("");
}

Value scalar(OpBuilder &b, Operation *op, ValueRange operands) {
  Location loc = op->getLoc();
  SmallVector<Value> values(operands);
  if (isa<math::ExpOp>(op)) {
    Value factor = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(kLog2E));
    values[0] = arith::MulFOp::create(b, loc, values[0], factor);
  }
  return LLVM::CallIntrinsicOp::create(b, loc, b.getF32Type(), b.getStringAttr(intrinsicOf(op)),
                                       values)
      .getResult(0);
}

Value elementwise(OpBuilder &b, Operation *op) {
  auto type = dyn_cast<VectorType>(op->getResult(0).getType());
  if (!type) {
    return scalar(b, op, op->getOperands());
  }
  Location loc = op->getLoc();
  auto flat = VectorType::get({type.getNumElements()}, type.getElementType());
  SmallVector<Value> operands, results;
  for (Value operand : op->getOperands()) {
    operands.push_back(type == flat ? operand : vector::ShapeCastOp::create(b, loc, flat, operand));
  }
  for (int64_t i = 0; i < flat.getNumElements(); ++i) {
    SmallVector<Value> elements;
    for (Value operand : operands) {
      elements.push_back(vector::ExtractOp::create(b, loc, operand, i));
    }
    results.push_back(scalar(b, op, elements));
  }
  Value joined = vector::FromElementsOp::create(b, loc, flat, results);
  return type == flat ? joined : Value(vector::ShapeCastOp::create(b, loc, type, joined));
}

} // namespace

LogicalResult lowerMath(gpu::GPUModuleOp device) {
  SmallVector<Operation *> found;
  device.walk([&](Operation *op) {
    if (isa<math::MathDialect>(op->getDialect())) {
      found.push_back(op);
    }
  });
  // Division to 2 units in the last place: the exact one is a subroutine.
  device.walk([](arith::DivFOp op) {
    if (getElementTypeOrSelf(op.getType()).isF32()) {
      op.setFastmath(op.getFastmath() | arith::FastMathFlags::afn);
    }
  });
  for (Operation *op : found) {
    bool single = getElementTypeOrSelf(op->getResult(0).getType()).isF32();
    if (!single || intrinsicOf(op).empty()) {
      return op->emitError() << "'" << op->getName() << "' on " << op->getResult(0).getType()
                             << " has no instruction on this target";
    }
    OpBuilder b(op);
    op->getResult(0).replaceAllUsesWith(elementwise(b, op));
    op->erase();
  }
  return success();
}

} // namespace dsv2
