//===- GenericTree.cpp - Reductions, exponentials and roundings as plain arithmetic ---===//
//
// What LLVM would turn into a call, a sequential chain or scalar code is written out here, once for
// all targets. See Passes.td for the three rewrites and why each is needed.
//
//===----------------------------------------------------------------------===//

#include "lib/Codegen/Generic/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/bit.h"

#include <numeric>

namespace mlir::dsv2 {
#define GEN_PASS_DEF_GENERICTREEPASS
#include "lib/Codegen/Generic/Passes.h.inc"

static Value lanes(OpBuilder &b, Location loc, Value x, int64_t from, int64_t count) {
  SmallVector<int64_t> mask(count);
  std::iota(mask.begin(), mask.end(), from);
  return vector::ShuffleOp::create(b, loc, x, x, mask);
}

// Halves onto halves for the largest power of two, then the rest likewise; the parts in ascending
// order.
static void writeAsTree(vector::ReductionOp op) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  int64_t width = op.getSourceVectorType().getNumElements();
  Value result = op.getAcc();
  for (int64_t at = 0; at < width;) {
    int64_t count = llvm::bit_floor(static_cast<uint64_t>(width - at));
    Value part =
        at == 0 && count == width ? op.getVector() : lanes(b, loc, op.getVector(), at, count);
    at += count;
    while (count > 1) {
      count /= 2;
      part = vector::makeArithReduction(b, loc, op.getKind(), lanes(b, loc, part, 0, count),
                                        lanes(b, loc, part, count, count));
    }
    Value sum = vector::ExtractOp::create(b, loc, part, 0);
    result = result ? vector::makeArithReduction(b, loc, op.getKind(), result, sum) : sum;
  }
  op.replaceAllUsesWith(result);
  op.erase();
}

// Round to nearest even in i32: add half of the last kept bit less one, plus that bit.
static void writeAsIntegers(arith::TruncFOp op) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  Type from = op.getIn().getType();
  auto like = [&](Type element) -> Type {
    auto vector = dyn_cast<VectorType>(from);
    return vector ? Type(vector.cloneWith(std::nullopt, element)) : element;
  };
  Type i32 = like(b.getI32Type());
  auto constant = [&](int32_t value) -> Value {
    TypedAttr attr = b.getI32IntegerAttr(value);
    if (auto vector = dyn_cast<VectorType>(i32)) {
      attr = DenseElementsAttr::get(vector, cast<Attribute>(attr));
    }
    return arith::ConstantOp::create(b, loc, attr);
  };
  Value bits = arith::BitcastOp::create(b, loc, i32, op.getIn());
  Value last = arith::AndIOp::create(b, loc, arith::ShRUIOp::create(b, loc, bits, constant(16)),
                                     constant(1));
  Value sum =
      arith::AddIOp::create(b, loc, arith::AddIOp::create(b, loc, bits, constant(0x7fff)), last);
  Value rounded = arith::ShRUIOp::create(b, loc, sum, constant(16));
  Value isNan = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, op.getIn(), op.getIn());
  Value quiet =
      arith::AndIOp::create(b, loc, arith::ExtSIOp::create(b, loc, i32, isNan), constant(0x7fc0));
  Value kept = arith::OrIOp::create(b, loc, rounded, quiet);
  Value half = arith::TruncIOp::create(b, loc, like(b.getIntegerType(16)), kept);
  Value result = arith::BitcastOp::create(b, loc, op.getType(), half);
  op.replaceAllUsesWith(result);
  op.erase();
}

namespace {
struct GenericTreePass : impl::GenericTreePassBase<GenericTreePass> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<vector::ReductionOp> reductions;
    SmallVector<arith::TruncFOp> roundings;
    getOperation().walk([&](Operation *op) {
      if (auto reduction = dyn_cast<vector::ReductionOp>(op)) {
        reductions.push_back(reduction);
      } else if (auto rounding = dyn_cast<arith::TruncFOp>(op)) {
        if (getElementTypeOrSelf(rounding.getType()).isBF16() &&
            getElementTypeOrSelf(rounding.getIn().getType()).isF32()) {
          roundings.push_back(rounding);
        }
      }
    });
    for (vector::ReductionOp op : reductions) {
      writeAsTree(op);
      ++numTrees;
    }
    if (!keepBF16) {
      for (arith::TruncFOp op : roundings) {
        writeAsIntegers(op);
      }
    }
    RewritePatternSet patterns(&getContext());
    populateMathPolynomialApproximationPatterns(patterns,
                                                [](StringRef name) { return name == "math.exp"; });
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitError("expansion of exponentials did not converge");
      signalPassFailure();
    }
  }
};
} // namespace
} // namespace mlir::dsv2
