//===- GenericVectorize.cpp - Pieces of linalg become vector ops ----------===//
//
// Upstream's vectorizer on static shapes, then the few patterns without which its result is
// scalarised later: a reduction over a dimension of extent one, transfers of one element, leading
// unit dimensions.
//
//===----------------------------------------------------------------------===//

#include "lib/Codegen/Generic/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::dsv2 {
#define GEN_PASS_DEF_GENERICVECTORIZEPASS
#include "lib/Codegen/Generic/Passes.h.inc"

// A reduction over dimensions of extent one is one addition; upstream would take it apart by
// element.
static void rewriteUnitReductions(func::FuncOp function, RewriterBase &rewriter) {
  SmallVector<vector::MultiDimReductionOp> reductions;
  function.walk([&](vector::MultiDimReductionOp op) {
    bool unit = isa<VectorType>(op.getType());
    for (auto [dim, reduced] : llvm::enumerate(op.getReductionMask())) {
      unit = unit && (!reduced || op.getSourceVectorType().getDimSize(dim) == 1);
    }
    if (unit) {
      reductions.push_back(op);
    }
  });
  for (vector::MultiDimReductionOp op : reductions) {
    rewriter.setInsertionPoint(op);
    Value term = vector::ShapeCastOp::create(rewriter, op.getLoc(), op.getType(), op.getSource());
    rewriter.replaceOp(
        op, vector::makeArithReduction(rewriter, op.getLoc(), op.getKind(), op.getAcc(), term));
  }
}

namespace {
struct GenericVectorizePass : impl::GenericVectorizePassBase<GenericVectorizePass> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    IRRewriter rewriter(context);
    SmallVector<linalg::LinalgOp> ops;
    getOperation().walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    for (linalg::LinalgOp op : ops) {
      rewriter.setInsertionPoint(op);
      FailureOr<linalg::VectorizationResult> result = linalg::vectorize(rewriter, op);
      if (failed(result)) {
        op.emitError() << "generic kernel '" << getOperation().getName() << "': '" << op->getName()
                       << "' does not vectorize";
        return signalPassFailure();
      }
      rewriter.replaceOp(op, result->replacements);
      ++numVectorized;
    }
    rewriteUnitReductions(getOperation(), rewriter);

    RewritePatternSet patterns(context);
    vector::populateCastAwayVectorLeadingOneDimPatterns(patterns);
    vector::populateScalarVectorTransferLoweringPatterns(patterns, /*benefit=*/1,
                                                         /*allowMultipleUses=*/true);
    vector::populateVectorMultiReductionLoweringPatterns(
        patterns, vector::VectorMultiReductionLowering::InnerReduction);
    vector::TransferReadOp::getCanonicalizationPatterns(patterns, context);
    vector::TransferWriteOp::getCanonicalizationPatterns(patterns, context);
    vector::ShapeCastOp::getCanonicalizationPatterns(patterns, context);
    vector::BroadcastOp::getCanonicalizationPatterns(patterns, context);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitError("simplification of vectors did not converge");
      signalPassFailure();
    }
  }
};
} // namespace
} // namespace mlir::dsv2
