//===- GenericTree.cpp - Reductions, exponentials and roundings as plain arithmetic -----------------===//
//
// What LLVM would turn into a call, a sequential chain or scalar code is written out here, once for all
// targets. See Passes.td for the three rewrites and why each is needed.
//
//===----------------------------------------------------------------------------------------------===//

#include "lib/Codegen/Generic/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::dsv2 {
#define GEN_PASS_DEF_GENERICTREEPASS
#include "lib/Codegen/Generic/Passes.h.inc"

static void writeAsTree(vector::ReductionOp op) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  Value x = op.getVector();
  int64_t width = op.getSourceVectorType().getNumElements();
  while (width > 1) {
    width /= 2;
    SmallVector<int64_t> low(width), high(width);
    for (int64_t i = 0; i < width; ++i) {
      low[i] = i;
      high[i] = width + i;
    }
    Value a = vector::ShuffleOp::create(b, loc, x, x, low);
    Value c = vector::ShuffleOp::create(b, loc, x, x, high);
    x = vector::makeArithReduction(b, loc, op.getKind(), a, c);
  }
  Value result = vector::ExtractOp::create(b, loc, x, 0);
  if (op.getAcc()) {
    result = vector::makeArithReduction(b, loc, op.getKind(), op.getAcc(), result);
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
  Value last = arith::AndIOp::create(b, loc, arith::ShRUIOp::create(b, loc, bits, constant(16)), constant(1));
  Value sum = arith::AddIOp::create(b, loc, arith::AddIOp::create(b, loc, bits, constant(0x7fff)), last);
  Value rounded = arith::ShRUIOp::create(b, loc, sum, constant(16));
  Value isNan = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, op.getIn(), op.getIn());
  Value quiet = arith::AndIOp::create(b, loc, arith::ExtSIOp::create(b, loc, i32, isNan), constant(0x7fc0));
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
        if (llvm::isPowerOf2_64(reduction.getSourceVectorType().getNumElements())) {
          reductions.push_back(reduction);
        }
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
    populateMathPolynomialApproximationPatterns(patterns, [](StringRef name) { return name == "math.exp"; });
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitError("expansion of exponentials did not converge");
      signalPassFailure();
    }
  }
};
} // namespace
} // namespace mlir::dsv2
