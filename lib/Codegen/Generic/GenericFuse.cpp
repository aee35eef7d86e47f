//===- GenericFuse.cpp - Fuse elementwise ops of one row ------------------===//
//
// A thin driver of upstream's elementwise fusion. The control function is the point: a producer is
// fused only into its single reader and only when both loop over as many dimensions, so that a
// scalar computed once per row is not computed again for every element.
//
//===----------------------------------------------------------------------===//

#include "lib/Codegen/Generic/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::dsv2 {
#define GEN_PASS_DEF_GENERICFUSEPASS
#include "lib/Codegen/Generic/Passes.h.inc"

namespace {
struct GenericFusePass : impl::GenericFusePassBase<GenericFusePass> {
  void runOnOperation() override {
    auto mayFuse = [](OpOperand *read) {
      auto producer = read->get().getDefiningOp<linalg::LinalgOp>();
      auto reader = dyn_cast<linalg::LinalgOp>(read->getOwner());
      return producer && reader && producer->hasOneUse() &&
             producer.getNumLoops() == reader.getNumLoops();
    };
    int64_t before = countLinalgOps();
    RewritePatternSet patterns(&getContext());
    linalg::populateElementwiseOpsFusionPatterns(patterns, mayFuse);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitError("fusion of elementwise ops did not converge");
      return signalPassFailure();
    }
    numFused += before - countLinalgOps();
  }

  int64_t countLinalgOps() {
    int64_t count = 0;
    getOperation().walk([&](linalg::LinalgOp) { ++count; });
    return count;
  }
};
} // namespace
} // namespace mlir::dsv2
