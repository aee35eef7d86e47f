//===- MathLowering.cpp - functions that a CPU has no instruction for -----===//
//
// The driver computes them by the C library: flat code may not import it. Vectors are taken apart.
// Of a vendor's intrinsics those that its conversion of math operations makes are known.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Simt/OpLowering.h"

#include "lib/Support/SimtAbi.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace dsv2 {
namespace {

constexpr int32_t kNone = -1;

int32_t functionOf(Operation *op) {
  StringRef name = op->getName().getStringRef();
  if (auto intrinsic = dyn_cast<LLVM::CallIntrinsicOp>(op)) {
    name = intrinsic.getIntrin();
  }
  return llvm::StringSwitch<int32_t>(name)
      .Case("math.exp", SimtExp)
      .Cases({"math.exp2", "llvm.nvvm.ex2.approx.ftz.f", "llvm.amdgcn.exp2.f32"}, SimtExp2)
      .Case("math.log", SimtLog)
      .Cases({"math.log2", "llvm.nvvm.lg2.approx.ftz.f", "llvm.amdgcn.log.f32"}, SimtLog2)
      .Case("math.sin", SimtSin)
      .Case("math.cos", SimtCos)
      .Case("math.tanh", SimtTanh)
      .Case("math.erf", SimtErf)
      .Default(kNone);
}

/// Intrinsics of a vendor that are plain arithmetic here.
Value plainIntrinsic(OpBuilder &b, LLVM::CallIntrinsicOp op) {
  Location loc = op.getLoc();
  ValueRange in = op.getArgs();
  StringRef name = op.getIntrin();
  Type type = op->getResult(0).getType();
  auto one = [&] { return LLVM::ConstantOp::create(b, loc, type, b.getF32FloatAttr(1.0f)); };
  if (name == "llvm.nvvm.rcp.approx.ftz.f" || name == "llvm.amdgcn.rcp.f32") {
    return LLVM::FDivOp::create(b, loc, one(), in[0]);
  }
  if (name == "llvm.nvvm.sqrt.rn.ftz.f") {
    return LLVM::SqrtOp::create(b, loc, in[0]);
  }
  if (name == "llvm.nvvm.rsqrt.approx.ftz.f" || name == "llvm.amdgcn.rsq.f32") {
    return LLVM::FDivOp::create(b, loc, one(), LLVM::SqrtOp::create(b, loc, in[0]));
  }
  if (name == "llvm.nvvm.floor.ftz.f") {
    return LLVM::FFloorOp::create(b, loc, in[0]);
  }
  if (name == "llvm.nvvm.ceil.ftz.f") {
    return LLVM::FCeilOp::create(b, loc, in[0]);
  }
  return {};
}

} // namespace

LogicalResult OpLowering::lowerMath(Operation *op) {
  Location loc = op->getLoc();
  int32_t function = functionOf(op);
  if (function == kNone) {
    auto intrinsic = dyn_cast<LLVM::CallIntrinsicOp>(op);
    if (!intrinsic) {
      return success(); // an instruction
    }
    StringRef name = intrinsic.getIntrin();
    if (Value value = plainIntrinsic(b, intrinsic)) {
      replace(op, value);
      return success();
    }
    bool isVendors = name.starts_with("llvm.nvvm.") || name.starts_with("llvm.amdgcn.");
    return isVendors ? op->emitError() << "intrinsic '" << name << "' is not modelled by Simt"
                     : success();
  }
  auto compute = [&](Value x) {
    return calls.call(b, loc, RuntimeCall::Math, self, {i32(loc, function), x}, nullptr);
  };
  Value in = op->getOperand(0);
  Type type = in.getType();
  if (!getElementTypeOrSelf(type).isF32()) {
    return op->emitError() << "'" << op->getName() << "' on " << type << " is not modelled by Simt";
  }
  auto vector = dyn_cast<VectorType>(type);
  if (!vector) {
    replace(op, compute(in));
    return success();
  }
  auto flat = VectorType::get({vector.getNumElements()}, vector.getElementType());
  Value elements = flat == vector ? in : vector::ShapeCastOp::create(b, loc, flat, in);
  SmallVector<Value> results;
  for (int64_t i = 0; i < flat.getNumElements(); ++i) {
    results.push_back(compute(vector::ExtractOp::create(b, loc, elements, i)));
  }
  Value joined = vector::FromElementsOp::create(b, loc, flat, results);
  replace(op, flat == vector ? joined : vector::ShapeCastOp::create(b, loc, vector, joined));
  return success();
}

} // namespace dsv2
