//===- RowOps.cpp - The row-wise dsv2 ops on rows of a RowKernel ----------===//
//
// Each op in the plainest form that linalg knows. What is fused, tiled and vectorized is decided by
// lib/Codegen/Generic; rope is in RopeRow.cpp.
//
//===----------------------------------------------------------------------===//

#include "lib/Conversion/DSV2ToLinalg/RowOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace mlir::dsv2 {

Value buildEmbed(RowKernel &k, unsigned tokens, unsigned table, Type element, int64_t hidden) {
  Value token = k.loadIndex(tokens, k.builder().getI32Type());
  Value row = k.load(table, RowLayout{element, hidden, hidden}, token);
  return k.convert(row, k.builder().getF32Type());
}

Value buildAdd(RowKernel &k, Value a, Value b) {
  return k.map({a, b}, k.builder().getF32Type(),
               [](OpBuilder &inner, Location loc, ValueRange s) -> Value {
                 return arith::AddFOp::create(inner, loc, s[0], s[1]);
               });
}

Value buildRmsNorm(RowKernel &k, Value x, Value weight, double eps) {
  k.builder().getContext()->loadDialect<math::MathDialect>();
  Value sum = k.reduceSum(x, [](OpBuilder &inner, Location loc, ValueRange s) -> Value {
    return arith::MulFOp::create(inner, loc, s[0], s[0]);
  });
  int64_t width = cast<RankedTensorType>(x.getType()).getDimSize(0);
  OpBuilder &b = k.builder();
  Location loc = k.loc();
  Value mean = arith::DivFOp::create(b, loc, sum, k.constantF32(static_cast<double>(width)));
  Value shifted = arith::AddFOp::create(b, loc, mean, k.constantF32(eps));
  Value root = math::SqrtOp::create(b, loc, shifted);
  Value scale = arith::DivFOp::create(b, loc, k.constantF32(1.0), root);
  return k.map({x, weight}, b.getF32Type(),
               [&](OpBuilder &inner, Location l, ValueRange s) -> Value {
                 Value normal = arith::MulFOp::create(inner, l, s[0], scale);
                 return arith::MulFOp::create(inner, l, normal, s[1]);
               });
}

Value buildSwiGLU(RowKernel &k, Value gate, Value up) {
  k.builder().getContext()->loadDialect<math::MathDialect>();
  Value one = k.constantF32(1.0);
  return k.map({gate, up}, k.builder().getF32Type(),
               [&](OpBuilder &inner, Location loc, ValueRange s) -> Value {
                 Value negative = arith::NegFOp::create(inner, loc, s[0]);
                 Value power = math::ExpOp::create(inner, loc, negative);
                 Value below = arith::AddFOp::create(inner, loc, power, one);
                 Value silu = arith::DivFOp::create(inner, loc, s[0], below);
                 return arith::MulFOp::create(inner, loc, silu, s[1]);
               });
}

Value buildSlotSum(RowKernel &k, unsigned y, const RowLayout &layout, unsigned weights,
                   unsigned position, int64_t slots) {
  Type f32 = k.builder().getF32Type();
  SmallVector<Value> rows, scales;
  for (int64_t slot = 0; slot < slots; ++slot) {
    scales.push_back(k.loadScalar(weights, f32, slots, slot));
    rows.push_back(k.load(y, layout, k.loadIndex(position, k.builder().getI32Type(), slots, slot)));
  }
  return k.map(rows, f32, [&](OpBuilder &inner, Location loc, ValueRange s) -> Value {
    Value sum;
    for (auto [value, scale] : llvm::zip_equal(s, scales)) {
      Value term = arith::MulFOp::create(inner, loc, value, scale);
      sum = sum ? arith::AddFOp::create(inner, loc, sum, term).getResult() : term;
    }
    return sum;
  });
}

void buildCacheAppend(RowKernel &k, Value latent, Value kRope, unsigned cache, Type element,
                      int64_t rowElements, unsigned slotTable) {
  Value row = k.loadIndex(slotTable, k.builder().getI64Type());
  int64_t latentWidth = cast<RankedTensorType>(latent.getType()).getDimSize(0);
  int64_t ropeWidth = cast<RankedTensorType>(kRope.getType()).getDimSize(0);
  int64_t used = latentWidth + ropeWidth;
  k.store(latent, cache, RowLayout{element, latentWidth, rowElements}, row);
  k.store(kRope, cache, RowLayout{element, ropeWidth, rowElements, latentWidth}, row);
  if (used < rowElements) {
    k.storeZero(cache, RowLayout{element, rowElements - used, rowElements, used}, row);
  }
}

Value buildSelectRows(RowKernel &k, unsigned x, const RowLayout &layout, unsigned wanted) {
  return k.load(x, layout, k.loadIndex(wanted, k.builder().getI32Type()));
}

} // namespace mlir::dsv2
