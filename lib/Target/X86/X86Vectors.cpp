//===- X86Vectors.cpp - vector arithmetic of the emitter ------------------===//
//
// Loads, roundings, dot products and exp2 on one vector. Everything that differs between tiers but
// the shape of blocks is here. All tiers compute the same bits.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/X86/X86Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/X86Vector/X86VectorDialect.h"

using namespace mlir;

namespace dsv2 {

Arithmetic X86Emitter::arithmetic(Type element) const {
  if (element.isF32()) {
    return Arithmetic::F32;
  }
  return tier.bf16Dot ? Arithmetic::Pair : Arithmetic::Widened;
}

VectorType X86Emitter::floats() const {
  return VectorType::get({tier.lanes}, Float32Type::get(loc.getContext()));
}
VectorType X86Emitter::words() const {
  return VectorType::get({tier.lanes}, IntegerType::get(loc.getContext(), 32));
}
VectorType X86Emitter::pairs() const {
  return VectorType::get({2 * tier.lanes}, BFloat16Type::get(loc.getContext()));
}

Value X86Emitter::splatWord(int64_t value) {
  return arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(words(), APInt(32, uint64_t(value), false, true)));
}

Value X86Emitter::constantVector(double value) {
  return arith::ConstantOp::create(b, loc,
                                   DenseElementsAttr::get(floats(), b.getF32FloatAttr(value)));
}

Value X86Emitter::loadVector(VectorType type, Value memory, Value at) {
  return vector::LoadOp::create(b, loc, type, memory, ValueRange{at});
}

void X86Emitter::storeVector(Value vector, Value memory, Value at) {
  vector::StoreOp::create(b, loc, vector, memory, ValueRange{at});
}

Value X86Emitter::bitcast(Type type, Value vector) {
  return vector.getType() == type
             ? vector
             : Value(vector::BitCastOp::create(b, loc, cast<VectorType>(type), vector));
}

Value X86Emitter::fma(Value a, Value c, Value accumulator) {
  return vector::FMAOp::create(b, loc, a, c, accumulator);
}

Value X86Emitter::loadWide(Type element, Value memory, Value at) {
  if (element.isF32()) {
    return loadVector(floats(), memory, at);
  }
  Value narrow = loadVector(VectorType::get({tier.lanes}, element), memory, at);
  Value bits =
      vector::BitCastOp::create(b, loc, VectorType::get({tier.lanes}, b.getI16Type()), narrow);
  Value wide = arith::ExtUIOp::create(b, loc, words(), bits);
  return bitcast(floats(), arith::ShLIOp::create(b, loc, wide, splatWord(16)));
}

Value X86Emitter::roundedWords(Value vector) {
  Value bits = bitcast(words(), vector);
  Value odd = arith::AndIOp::create(b, loc, arith::ShRUIOp::create(b, loc, bits, splatWord(16)),
                                    splatWord(1));
  Value step = arith::AddIOp::create(b, loc, odd, splatWord(0x7fff));
  // Not a number: add nothing and set the quiet bit. A select would be scalarised on some tiers.
  Value isNan = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, vector, vector);
  Value mask = arith::ExtSIOp::create(b, loc, words(), isNan);
  Value keep = arith::XOrIOp::create(b, loc, mask, splatWord(-1));
  Value sum = arith::AddIOp::create(b, loc, bits, arith::AndIOp::create(b, loc, step, keep));
  return arith::OrIOp::create(b, loc, sum,
                              arith::AndIOp::create(b, loc, mask, splatWord(0x400000)));
}

Value X86Emitter::narrow(Value vector, Type element) {
  if (element.isF32()) {
    return vector;
  }
  auto type = VectorType::get({tier.lanes}, element);
  if (tier.bf16Dot && !tier.emulate) {
    return arith::TruncFOp::create(b, loc, type, vector);
  }
  Value upper = arith::ShRUIOp::create(b, loc, roundedWords(vector), splatWord(16));
  Value bits =
      arith::TruncIOp::create(b, loc, VectorType::get({tier.lanes}, b.getI16Type()), upper);
  return bitcast(type, bits);
}

Value X86Emitter::spreadFloat(Value memory, Value at) {
  Value scalar = memref::LoadOp::create(b, loc, memory, ValueRange{at});
  return vector::BroadcastOp::create(b, loc, floats(), scalar);
}

Value X86Emitter::spreadPair(Value memory, Value at) {
  Type element = cast<MemRefType>(memory.getType()).getElementType();
  Value pair = loadVector(VectorType::get({2}, element), memory, at);
  Value word = vector::BitCastOp::create(b, loc, VectorType::get({1}, b.getI32Type()), pair);
  return bitcast(pairs(), vector::BroadcastOp::create(b, loc, words(), word));
}

Value X86Emitter::loadPairs(Value memory, Value at) {
  Type element = cast<MemRefType>(memory.getType()).getElementType();
  return bitcast(pairs(), loadVector(VectorType::get({2 * tier.lanes}, element), memory, at));
}

Value X86Emitter::half(Value pairVector, bool odd) {
  Value bits = bitcast(words(), pairVector);
  Value wide = odd ? Value(arith::AndIOp::create(b, loc, bits, splatWord(0xffff0000)))
                   : Value(arith::ShLIOp::create(b, loc, bits, splatWord(16)));
  return bitcast(floats(), wide);
}

Value X86Emitter::dotPairs(Value accumulator, Value a, Value c) {
  if (!tier.emulate) {
    return x86vector::DotBF16Op::create(b, loc, accumulator, a, c);
  }
  // The instruction's own order: the odd elements first.
  Value odd = fma(half(a, true), half(c, true), accumulator);
  return fma(half(a, false), half(c, false), odd);
}

void X86Emitter::prefetch(Value memory, Value at) {
  memref::PrefetchOp::create(b, loc, memory, ValueRange{at}, /*isWrite=*/false, /*localityHint=*/2,
                             /*isDataCache=*/true);
}

X86Emitter::Accumulators
X86Emitter::loopCarrying(Value end, ArrayRef<Value> init,
                         const std::function<Accumulators(Value, ArrayRef<Value>)> &body) {
  auto op = scf::ForOp::create(b, loc, index(0), end, index(1), init,
                               [&](OpBuilder &inner, Location, Value iv, ValueRange carried) {
                                 OpBuilder::InsertionGuard guard(b);
                                 b.setInsertionPoint(inner.getInsertionBlock(),
                                                     inner.getInsertionPoint());
                                 SmallVector<Value> values(carried);
                                 scf::YieldOp::create(b, loc, body(iv, values));
                               });
  return Accumulators(op.getResults());
}

Value X86Emitter::exp2(Value x) {
  // 2^x = 2^n * 2^f with n the nearest integer, |f| <= 1/2; the Taylor series of 2^f to degree 7 is
  // good to 6e-9.
  static constexpr double coefficients[] = {
      1.525273380405984e-5, 1.540353039338161e-4, 1.333355814642844e-3, 9.618129107628477e-3,
      5.550410866482158e-2, 2.402265069591007e-1, 6.931471805599453e-1, 1.0};
  Value clamped = maxf(x, constantLike(x, -126.0)); // below lie denormals
  Value most = constantLike(x, 127.0);              // above lies infinity
  clamped = whereGreater(most, clamped, clamped, most);
  Value whole = math::RoundEvenOp::create(b, loc, clamped);
  Value fraction = subf(clamped, whole);
  Value series = constantLike(x, coefficients[0]);
  for (double coefficient : ArrayRef(coefficients).drop_front()) {
    series = math::FmaOp::create(b, loc, series, fraction, constantLike(x, coefficient));
  }
  Type integers = b.getI32Type();
  Value twentyThree = arith::ConstantIntOp::create(b, loc, 23, 32);
  if (auto type = dyn_cast<VectorType>(x.getType())) {
    integers = type.clone(integers);
    twentyThree = splatWord(23);
  }
  Value exponent =
      arith::ShLIOp::create(b, loc, arith::FPToSIOp::create(b, loc, integers, whole), twentyThree);
  Value bits =
      arith::AddIOp::create(b, loc, arith::BitcastOp::create(b, loc, integers, series), exponent);
  return arith::BitcastOp::create(b, loc, x.getType(), bits);
}

} // namespace dsv2
