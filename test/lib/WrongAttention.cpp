//===- WrongAttention.cpp - Wrong edits of attention ----------------------===//
//
// Position 0 hides most of these: every angle is 0 there, and one key has the
// weight 1 whatever its score.
//
//===----------------------------------------------------------------------===//
#include "WrongEdits.h"

#include "dialects/DSV2/Transforms/DerivedWeights.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace dsv2 {

using namespace mlir;
namespace ir = mlir::dsv2;

namespace {

/// The scale as a model without YaRN has it, in either form of attention.
void dropMscaleSquare(ModuleOp module) {
  forEach<ir::AttentionOp, ir::LatentAttentionOp>(module, [](Operation *op) {
    auto scale = op->getAttrOfType<ir::AttentionScaleAttr>("scale");
    op->setAttr("scale", ir::AttentionScaleAttr::get(op->getContext(), scale.getHeadWidth(),
                                                     scale.getFactor(), 0.0));
  });
}

/// A scale by the width of the latent query instead of the query it stands for.
void scaleByLatentWidth(ModuleOp module) {
  forEach<ir::LatentAttentionOp>(module, [](ir::LatentAttentionOp op) {
    auto width = [](Value rows) { return cast<RankedTensorType>(rows.getType()).getDimSize(2); };
    ir::AttentionScaleAttr scale = op.getScale();
    op.setScaleAttr(ir::AttentionScaleAttr::get(op.getContext(),
                                                width(op.getQLatent()) + width(op.getQRope()),
                                                scale.getFactor(), scale.getMscaleAllDim()));
  });
}

/// Halves for adjacent pairs, and the other way round.
void swapPairOrder(ModuleOp module) {
  forEach<ir::RopeOp>(module, [](ir::RopeOp op) {
    ir::RopeAttr rope = op.getRope();
    ir::RopeLayout other = rope.getLayout() == ir::RopeLayout::halves
                               ? ir::RopeLayout::adjacent_pairs
                               : ir::RopeLayout::halves;
    op.setRopeAttr(ir::RopeAttr::get(op.getContext(), rope.getTheta(), other, rope.getMagnitude(),
                                     rope.getInvFreq(), rope.getYarn()));
  });
}

/// The frequencies of a model without YaRN.
void dropYarn(ModuleOp module) {
  forEach<ir::RopeOp>(module, [](ir::RopeOp op) {
    ir::RopeAttr rope = op.getRope();
    op.setRopeAttr(ir::RopeAttr::get(op.getContext(), rope.getWidth(), rope.getTheta(),
                                     rope.getLayout(), ir::YarnAttr()));
  });
}

/// Whether `value` reaches the cache: then it is a key.
bool isCached(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) {
    return isa<ir::CacheAppendOp>(user) ||
           (isa<ir::CastOp, ir::MergeHeadsOp>(user) && isCached(user->getResult(0)));
  });
}

/// Rotates each key by the position of the token after it. Moving both q and k would
/// be seen too, but only because the check's positions are not equally far apart.
void shiftKeyPositions(ModuleOp module) {
  forEach<ir::RopeOp>(module, [](ir::RopeOp op) {
    if (!isCached(op.getResult())) {
      return;
    }
    OpBuilder builder(op);
    op.getXMutable().assign(shiftRows(builder, op.getX(), true));
    builder.setInsertionPointAfter(op);
    Value back = shiftRows(builder, op.getResult());
    op.getResult().replaceUsesWithIf(back, [&](OpOperand &use) {
      return !isa<tensor::TensorDialect>(use.getOwner()->getDialect());
    });
  });
}

/// Queries that are never rotated.
void forgetQueryRope(ModuleOp module) {
  forEach<ir::RopeOp>(module, [](ir::RopeOp op) {
    if (!isCached(op.getResult())) {
      op.getResult().replaceAllUsesWith(op.getX());
      op.erase();
    }
  });
}

/// Each head's rows [W_UV | W_UK] instead of [W_UK | W_UV].
void swapKeyAndValueRows(ModuleOp module) {
  ir::DerivedWeights weights(module);
  forEach<ir::DecompressOp>(module, [&](ir::DecompressOp op) {
    OpBuilder builder(op);
    int64_t nope = op.getWidths()[0], value = op.getWidths()[1];
    Value swapped =
        weights.derive(builder, op.getKvB(), "swapped", [&](OpBuilder &b, ValueRange kvB) -> Value {
          Value heads = ir::splitWeight(b, floatWeight(b, kvB[0]), 0, op.getHeads());
          Value parts =
              tensor::ConcatOp::create(b, op.getLoc(), 1,
                                       ValueRange{ir::sliceWeight(b, heads, 1, nope, value),
                                                  ir::sliceWeight(b, heads, 1, 0, nope)});
          return tensor::CollapseShapeOp::create(b, op.getLoc(), parts,
                                                 SmallVector<ReassociationIndices>{{0, 1}, {2}});
        });
    op.getKvBMutable().assign(swapped);
  });
}

/// A head's columns [rope | nope] instead of [nope | rope].
void swapPartsOfHeads(ModuleOp module) {
  forEach<ir::SplitHeadsOp>(module, [](ir::SplitHeadsOp op) {
    if (op.getWidths().size() != 2) {
      return;
    }
    OpBuilder builder(op);
    SmallVector<int64_t> widths{op.getWidths()[1], op.getWidths()[0]};
    auto other = ir::SplitHeadsOp::create(builder, op.getLoc(), op.getX(), op.getHeads(), widths);
    op.getResult(0).replaceAllUsesWith(other.getResult(1));
    op.getResult(1).replaceAllUsesWith(other.getResult(0));
    op.erase();
  });
}

/// Gives an attention other keys and values, row by row of the cached tokens.
void moveKeys(ir::AttentionOp op, bool backwards) {
  OpBuilder builder(op);
  llvm::SmallDenseMap<Value, Value> moved;
  Value q[] = {op.getQNope(), op.getQRope()};
  for (OpOperand &operand : op->getOpOperands()) {
    Value old = operand.get();
    if (!isa<RankedTensorType>(old.getType()) || llvm::is_contained(q, old)) {
      continue;
    }
    Value &rows = moved[old];
    rows = rows ? rows : shiftRows(builder, old, backwards);
    operand.set(rows);
  }
}

/// Token i attends to keys 1 to i + 1 instead of 0 to i: it sees the future.
void maskOffByOne(ModuleOp module) {
  forEach<ir::AttentionOp>(module, [](ir::AttentionOp op) { moveKeys(op, false); });
}

/// Token i attends to keys 0 to i - 1, the first one twice: never to itself.
void maskWithoutItself(ModuleOp module) {
  forEach<ir::AttentionOp>(module, [](ir::AttentionOp op) { moveKeys(op, true); });
}

/// The cache goes on as it came: rows of the layer are never written.
void dropCacheAppend(ModuleOp module) {
  forEach<ir::CacheAppendOp>(module, [](ir::CacheAppendOp op) {
    op.getResult().replaceAllUsesWith(op.getCache());
    op.erase();
  });
}

/// Every layer of a loop writes the rows of the cache's first layer, the first one
/// those of the last.
void appendToWrongLayer(ModuleOp module) {
  forEach<ir::CacheAppendOp>(module, [](ir::CacheAppendOp op) {
    auto layers = op->getParentOfType<ir::LayersOp>();
    int64_t last = op.getCache().getType().getLayers() - 1;
    if (last == 0) {
      return;
    }
    bool isFirst = layers && layers.getRange().getBegin() == 0;
    OpBuilder builder(op);
    Value wrong = arith::ConstantIndexOp::create(builder, op.getLoc(), isFirst ? last : 0);
    op.getLayerMutable().assign(wrong);
  });
}

} // namespace

ArrayRef<WrongEdit> wrongAttentionEdits() {
  static const WrongEdit edits[] = {
      {"test-drop-mscale-square", "the softmax scale of a model without YaRN", dropMscaleSquare},
      {"test-scale-by-latent-width", "the scale of the width after absorption", scaleByLatentWidth},
      {"test-swap-pair-order", "rope in halves for pairs, or pairs for halves", swapPairOrder},
      {"test-drop-yarn", "rope's frequencies without YaRN", dropYarn},
      {"test-shift-key-positions", "keys rotated by the next position", shiftKeyPositions},
      {"test-forget-query-rope", "queries that are not rotated", forgetQueryRope},
      {"test-swap-key-and-value-rows", "W_UV where W_UK belongs", swapKeyAndValueRows},
      {"test-swap-parts-of-heads", "[rope | nope] for [nope | rope]", swapPartsOfHeads},
      {"test-mask-off-by-one", "a token sees the next one", maskOffByOne},
      {"test-mask-without-itself", "a token does not see itself", maskWithoutItself},
      {"test-drop-cache-append", "rows that are never cached", dropCacheAppend},
      {"test-append-to-wrong-layer", "rows cached in another layer", appendToWrongLayer},
  };
  return edits;
}

} // namespace dsv2
