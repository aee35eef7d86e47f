//===- RopeRow.cpp - Rotary embedding of one row --------------------------===//
//
// Halves are two slices, so plain linalg. Adjacent pairs are not: slices of stride two are
// scalarised (45 times slower), and pairs taken as 64-bit integers need an even stride. So a head
// is read as one vector, taken apart and put together again by the vector ops made for it, whatever
// the target's width is.
//
//===----------------------------------------------------------------------===//

#include "lib/Conversion/DSV2ToLinalg/RowOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace mlir::dsv2 {

namespace {
/// Vectors of one row's angles.
struct Angles {
  Value cos, sin;
};
} // namespace

static Value toElement(OpBuilder &b, Location loc, Value vector, Type element) {
  auto type = cast<VectorType>(vector.getType());
  if (type.getElementType() == element) {
    return vector;
  }
  VectorType to = type.cloneWith(std::nullopt, element);
  if (type.getElementTypeBitWidth() < to.getElementTypeBitWidth()) {
    return arith::ExtFOp::create(b, loc, to, vector);
  }
  return arith::TruncFOp::create(b, loc, to, vector);
}

static Value readVector(OpBuilder &b, Location loc, Value tensor, ValueRange at, int64_t width) {
  Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
  Value zero = arith::ConstantOp::create(b, loc, cast<TypedAttr>(b.getZeroAttr(element)));
  SmallVector<bool> inBounds{true};
  return vector::TransferReadOp::create(b, loc, VectorType::get({width}, element), tensor, at, zero,
                                        ArrayRef<bool>(inBounds));
}

static Value writeVector(OpBuilder &b, Location loc, Value vector, Value tensor, ValueRange at) {
  SmallVector<bool> inBounds{true};
  return vector::TransferWriteOp::create(b, loc, vector, tensor, at, ArrayRef<bool>(inBounds))
      .getResult();
}

// first * cos - second * sin, second * cos + first * sin
static std::pair<Value, Value> rotate(OpBuilder &b, Location loc, Value first, Value second,
                                      Angles angles) {
  Value fc = arith::MulFOp::create(b, loc, first, angles.cos);
  Value ss = arith::MulFOp::create(b, loc, second, angles.sin);
  Value sc = arith::MulFOp::create(b, loc, second, angles.cos);
  Value fs = arith::MulFOp::create(b, loc, first, angles.sin);
  return {arith::SubFOp::create(b, loc, fc, ss), arith::AddFOp::create(b, loc, sc, fs)};
}

static Value rotateHead(OpBuilder &b, Location loc, Value x, Value into, SmallVector<Value> at,
                        Angles angles, RotationPairs pairs) {
  auto type = cast<RankedTensorType>(x.getType());
  int64_t width = type.getShape().back();
  Type f32 = b.getF32Type();
  Type element = cast<RankedTensorType>(into.getType()).getElementType();
  if (pairs == RotationPairs::Adjacent) {
    Value head = toElement(b, loc, readVector(b, loc, x, at, width), f32);
    auto parts = vector::DeinterleaveOp::create(b, loc, head);
    auto [even, odd] = rotate(b, loc, parts.getRes1(), parts.getRes2(), angles);
    Value both = vector::InterleaveOp::create(b, loc, even, odd);
    return writeVector(b, loc, toElement(b, loc, both, element), into, at);
  }
  SmallVector<Value> later(at);
  later.back() = arith::ConstantIndexOp::create(b, loc, width / 2);
  Value first = toElement(b, loc, readVector(b, loc, x, at, width / 2), f32);
  Value second = toElement(b, loc, readVector(b, loc, x, later, width / 2), f32);
  auto [low, high] = rotate(b, loc, first, second, angles);
  Value half = writeVector(b, loc, toElement(b, loc, low, element), into, at);
  return writeVector(b, loc, toElement(b, loc, high, element), half, later);
}

Value buildRope(RowKernel &k, Value x, Value cos, Value sin, RotationPairs pairs, Type element) {
  OpBuilder &b = k.builder();
  Location loc = k.loc();
  b.getContext()->loadDialect<vector::VectorDialect>();
  auto type = cast<RankedTensorType>(x.getType());
  int64_t width = type.getShape().back();
  Value zero = k.constant(b.getIndexAttr(0));
  Angles angles{readVector(b, loc, cos, ValueRange{zero}, width / 2),
                readVector(b, loc, sin, ValueRange{zero}, width / 2)};
  Value empty = tensor::EmptyOp::create(b, loc, type.getShape(), element);
  if (type.getRank() == 1) {
    // A loop of one trip keeps the two forms alike: its init is the place of the result.
    Value one = k.constant(b.getIndexAttr(1));
    auto once = scf::ForOp::create(
        b, loc, zero, one, one, ValueRange{empty},
        [&](OpBuilder &inner, Location l, Value, ValueRange into) {
          scf::YieldOp::create(inner, l, rotateHead(inner, l, x, into[0], {zero}, angles, pairs));
        });
    return once.getResult(0);
  }
  Value heads = k.constant(b.getIndexAttr(type.getDimSize(0)));
  Value one = k.constant(b.getIndexAttr(1));
  auto loop = scf::ForOp::create(
      b, loc, zero, heads, one, ValueRange{empty},
      [&](OpBuilder &inner, Location l, Value head, ValueRange into) {
        scf::YieldOp::create(inner, l,
                             rotateHead(inner, l, x, into[0], {head, zero}, angles, pairs));
      });
  return loop.getResult(0);
}

} // namespace mlir::dsv2
