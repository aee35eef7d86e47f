//===- MathIntrinsics.cpp - math operations as instructions ---------------===//
//
// Vectors are taken apart: the unit that computes these functions is scalar.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/MathIntrinsics.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dsv2 {
namespace {

constexpr double kLog2E = 1.4426950408889634;

Value scalar(OpBuilder &b, Operation *op, StringRef intrinsic, ValueRange operands) {
  Location loc = op->getLoc();
  SmallVector<Value> values(operands);
  if (isa<math::ExpOp>(op)) {
    Value factor = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(kLog2E));
    values[0] = arith::MulFOp::create(b, loc, values[0], factor);
  }
  return LLVM::CallIntrinsicOp::create(b, loc, b.getF32Type(), b.getStringAttr(intrinsic), values)
      .getResult(0);
}

Value elementwise(OpBuilder &b, Operation *op, StringRef intrinsic) {
  auto type = dyn_cast<VectorType>(op->getResult(0).getType());
  if (!type) {
    return scalar(b, op, intrinsic, op->getOperands());
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
    results.push_back(scalar(b, op, intrinsic, elements));
  }
  Value joined = vector::FromElementsOp::create(b, loc, flat, results);
  return type == flat ? joined : Value(vector::ShapeCastOp::create(b, loc, type, joined));
}

} // namespace

LogicalResult lowerMathToIntrinsics(gpu::GPUModuleOp device, ArrayRef<MathIntrinsic> table) {
  SmallVector<Operation *> found;
  device.walk([&](Operation *op) {
    if (isa<math::MathDialect>(op->getDialect())) {
      found.push_back(op);
    }
  });
  for (Operation *op : found) {
    const auto *row = llvm::find_if(table, [&](const MathIntrinsic &candidate) {
      return candidate.operation == op->getName().getStringRef();
    });
    bool single = getElementTypeOrSelf(op->getResult(0).getType()).isF32();
    if (!single || row == table.end()) {
      return op->emitError() << "'" << op->getName() << "' on " << op->getResult(0).getType()
                             << " has no instruction on this target";
    }
    OpBuilder b(op);
    op->getResult(0).replaceAllUsesWith(elementwise(b, op, row->intrinsic));
    op->erase();
  }
  return success();
}

} // namespace dsv2
