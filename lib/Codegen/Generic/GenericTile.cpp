//===- GenericTile.cpp - Cut linalg ops into pieces of one vector ---------===//
//
// Parallel tails are peeled from the loop, reduction tails are split off before tiling: splitting a
// parallel dimension would copy the output, and peeling cannot cut a reduction whose partial sums
// are a whole piece wide.
//
//===----------------------------------------------------------------------===//

#include "lib/Codegen/Generic/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/Transforms/TileUsingInterface.h"
#include "mlir/Dialect/SCF/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::dsv2 {
#define GEN_PASS_DEF_GENERICTILEPASS
#include "lib/Codegen/Generic/Passes.h.inc"

// The dimension whose elements share a vector: the last parallel one, else the last.
static unsigned vectorDimension(linalg::LinalgOp op) {
  SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
  for (unsigned i = iterators.size(); i > 0; --i) {
    if (iterators[i - 1] == utils::IteratorType::parallel) {
      return i - 1;
    }
  }
  return iterators.size() - 1;
}

namespace {
struct GenericTilePass : impl::GenericTilePassBase<GenericTilePass> {
  using Base::Base;

  // The piece for a width: one piece for the whole where it fits, else the largest that divides it.
  int64_t pieceOf(int64_t width) const {
    for (int64_t piece = tile; piece >= lanes; piece -= lanes) {
      if (width % piece == 0) {
        return piece;
      }
    }
    return std::min<int64_t>(width, tile);
  }

  LogicalResult tileParallel(IRRewriter &rewriter, linalg::LinalgOp op, int64_t piece) {
    unsigned vector = vectorDimension(op);
    SmallVector<OpFoldResult> sizes(op.getNumLoops(), rewriter.getIndexAttr(1));
    sizes[vector] = rewriter.getIndexAttr(piece);
    SmallVector<int64_t> order{vector};
    for (unsigned i = 0; i < op.getNumLoops(); ++i) {
      if (i != vector) {
        order.push_back(i);
      }
    }
    scf::SCFTilingOptions options;
    options.setTileSizes(sizes).setInterchange(order);
    int64_t width = op.getStaticLoopRanges()[vector];
    rewriter.setInsertionPoint(op);
    FailureOr<scf::SCFTilingResult> tiled =
        scf::tileUsingSCF(rewriter, cast<TilingInterface>(op.getOperation()), options);
    if (failed(tiled)) {
      return failure();
    }
    rewriter.replaceOp(op, tiled->replacements);
    if (width % piece == 0) {
      return success();
    }
    auto loop = cast<scf::ForOp>(tiled->loops.front().getOperation());
    scf::ForOp rest;
    rewriter.setInsertionPoint(loop);
    return scf::peelForLoopAndSimplifyBounds(rewriter, loop, rest);
  }

  // Partial sums of one piece, added up after the loop. A single piece needs no loop.
  LogicalResult tileReduction(IRRewriter &rewriter, linalg::LinalgOp op, int64_t piece) {
    unsigned vector = vectorDimension(op);
    if (op.getStaticLoopRanges()[vector] <= piece) {
      return success();
    }
    SmallVector<OpFoldResult> sizes(op.getNumLoops(), rewriter.getIndexAttr(0));
    sizes[vector] = rewriter.getIndexAttr(piece);
    rewriter.setInsertionPoint(op);
    FailureOr<scf::SCFTilingResult> tiled = scf::tileReductionUsingScf(
        rewriter, cast<PartialReductionOpInterface>(op.getOperation()), sizes);
    if (failed(tiled)) {
      return failure();
    }
    rewriter.replaceOp(op, tiled->replacements);
    return success();
  }

  // Splits off what a whole number of pieces leaves, as one piece of its own. The cuts are those of
  // a parallel op of this width, so that what such an op has just stored is read back from
  // registers.
  LogicalResult splitReduction(IRRewriter &rewriter, linalg::LinalgOp op, int64_t piece) {
    unsigned vector = vectorDimension(op);
    int64_t covered = op.getStaticLoopRanges()[vector] / piece * piece;
    rewriter.setInsertionPoint(op);
    auto parts = linalg::splitOp(rewriter, cast<TilingInterface>(op.getOperation()), vector,
                                 rewriter.getIndexAttr(covered));
    if (!parts.first || !parts.second) {
      return failure();
    }
    return tileReduction(rewriter, cast<linalg::LinalgOp>(parts.first.getOperation()), piece);
  }

  LogicalResult cut(IRRewriter &rewriter, linalg::LinalgOp op) {
    unsigned vector = vectorDimension(op);
    int64_t width = op.getStaticLoopRanges()[vector];
    if (op.getIteratorTypesArray()[vector] == utils::IteratorType::parallel) {
      return tileParallel(rewriter, op, pieceOf(width));
    }
    if (op.getNumLoops() != 1) {
      return failure();
    }
    int64_t piece = pieceOf(width);
    return width % piece == 0 ? tileReduction(rewriter, op, piece)
                              : splitReduction(rewriter, op, piece);
  }

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<linalg::LinalgOp> ops;
    getOperation().walk([&](linalg::LinalgOp op) {
      if (op.getNumLoops() > 0) {
        ops.push_back(op);
      }
    });
    for (linalg::LinalgOp op : ops) {
      if (llvm::any_of(op.getStaticLoopRanges(), ShapedType::isDynamic)) {
        op.emitError() << "generic kernel '" << getOperation().getName()
                       << "': expected static loop ranges of '" << op->getName()
                       << "', found a dynamic one";
        return signalPassFailure();
      }
      Location loc = op->getLoc();
      std::string name = op->getName().getStringRef().str();
      if (failed(cut(rewriter, op))) {
        emitError(loc) << "generic kernel '" << getOperation().getName() << "': '" << name
                       << "' cannot be cut into vectors";
        return signalPassFailure();
      }
      ++numTiled;
    }
  }
};
} // namespace
} // namespace mlir::dsv2
