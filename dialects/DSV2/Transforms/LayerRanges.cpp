//===- LayerRanges.cpp - a loop over layers, cut -------------------------------===//
//
// A cut clones the loop: the first half keeps the numbers before the cut, the second the others.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/Transforms/LayerRanges.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace mlir::dsv2 {

FailureOr<LayerSplit> splitLayers(RewriterBase &rewriter, LayersOp loop, int64_t at) {
  RangeAttr range = loop.getRange();
  if (!range.contains(at) || at == range.getBegin()) {
    return failure();
  }
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(loop);
  auto first = cast<LayersOp>(rewriter.clone(*loop.getOperation()));
  MLIRContext *context = loop.getContext();
  rewriter.modifyOpInPlace(first, [&] {
    first.setRangeAttr(RangeAttr::get(context, range.getBegin(), at, range.getStep()));
  });
  rewriter.modifyOpInPlace(loop, [&] {
    loop.setRangeAttr(RangeAttr::get(context, at, range.getEnd(), range.getStep()));
    loop.getInitsMutable().assign(first.getResults());
  });
  return LayerSplit{first, loop};
}

FailureOr<LayerSplit> peelFirstLayer(RewriterBase &rewriter, LayersOp loop) {
  return splitLayers(rewriter, loop, loop.getRange().getBegin() + loop.getRange().getStep());
}

FailureOr<LayerSplit> peelLastLayer(RewriterBase &rewriter, LayersOp loop) {
  return splitLayers(rewriter, loop, loop.getRange().getLast());
}

LogicalResult inlineOneLayer(RewriterBase &rewriter, LayersOp loop) {
  if (loop.getRange().size() != 1) {
    return failure();
  }
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(loop);
  Block *body = loop.getBody();
  SmallVector<Value> values{
      arith::ConstantIndexOp::create(rewriter, loop.getLoc(), loop.getRange().getBegin())};
  llvm::append_range(values, loop.getInits());
  auto yield = cast<YieldOp>(body->getTerminator());
  rewriter.inlineBlockBefore(body, loop, values);
  rewriter.replaceOp(loop, yield.getValues());
  rewriter.eraseOp(yield);
  return success();
}

} // namespace mlir::dsv2
