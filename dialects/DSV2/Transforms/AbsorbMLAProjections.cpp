//===- AbsorbMLAProjections.cpp - choose the form of latent attention ----------===//
//
// Attention over K and V of every head becomes attention over the latents, with K's projection
// moved to q and V's to the result (arXiv:2405.04434, section 2.1.2). Which form is cheaper depends
// on how many rows share a context, so it is a choice for each attention, made here and visible in
// the IR.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/Transforms/DerivedWeights.h"
#include "dialects/DSV2/Transforms/Passes.h"

namespace mlir::dsv2 {
#define GEN_PASS_DEF_ABSORBMLAPROJECTIONSPASS
#include "dialects/DSV2/Transforms/Passes.h.inc"
} // namespace mlir::dsv2

using namespace mlir;
using namespace mlir::dsv2;

namespace {

struct AbsorbMLAProjectionsPass
    : public mlir::dsv2::impl::AbsorbMLAProjectionsPassBase<AbsorbMLAProjectionsPass> {
  using AbsorbMLAProjectionsPassBase::AbsorbMLAProjectionsPassBase;

  void runOnOperation() override {
    if (mode != "auto" && mode != "naive" && mode != "reassociated") {
      getOperation().emitError("absorb mode is '")
          << mode << "', expected auto, naive or reassociated";
      return signalPassFailure();
    }
    if (mode == "naive") {
      return;
    }
    DerivedWeights weights(getOperation());
    SmallVector<AttentionOp> attentions;
    getOperation().walk([&](AttentionOp op) { attentions.push_back(op); });
    for (AttentionOp attention : attentions) {
      reassociate(attention, weights);
    }
    weights.eraseUnused();
  }

  void reassociate(AttentionOp attention, DerivedWeights &weights);
};

/// K and V that were cached as they are: nothing projects them, so nothing can be absorbed.
bool readsCachedHeads(AttentionOp attention) {
  return isa_and_nonnull<CacheReadOp>(stripCasts(attention.getKNope()).getDefiningOp()) ||
         isa_and_nonnull<CacheReadOp>(stripCasts(attention.getV()).getDefiningOp());
}

/// The `decompress` that all of K and V come from, through roundings; null if there is none.
DecompressOp findDecompress(AttentionOp attention) {
  auto decompress = stripCasts(attention.getV()).getDefiningOp<DecompressOp>();
  if (!decompress || !attention.getQRope() ||
      stripCasts(attention.getKNope()) != decompress.getKNope() ||
      stripCasts(attention.getKRope()) != decompress.getKRope() ||
      stripCasts(attention.getV()) != decompress.getV() ||
      decompress.getBatch() != attention.getBatch()) {
    return {};
  }
  return decompress;
}

/// kv_b [A*(d+v),R], seen as [A,d+v,R].
Value headsOf(OpBuilder &builder, DecompressOp decompress, Value kvB) {
  return splitWeight(builder, kvB, 0, decompress.getHeads());
}

/// Erases `value`'s op and what only it needed, back through casts.
void eraseDeadCasts(Value value) {
  while (auto cast = value.getDefiningOp<CastOp>()) {
    if (!cast->use_empty()) {
      return;
    }
    value = cast.getX();
    cast.erase();
  }
}

} // namespace

void AbsorbMLAProjectionsPass::reassociate(AttentionOp attention, DerivedWeights &weights) {
  if (readsCachedHeads(attention)) {
    return;
  }
  DecompressOp decompress = findDecompress(attention);
  if (!decompress) {
    attention.emitRemark("stays naive: its K and V do not come from one dsv2.decompress");
    return;
  }
  if (!weights.familyOf(decompress.getKvB())) {
    attention.emitRemark("stays naive: kv_b of its dsv2.decompress is no dsv2.weight");
    return;
  }
  int64_t nope = decompress.getWidths()[0];
  int64_t value = decompress.getWidths()[1];
  Type element = attention.getQNope().getType().getElementType();
  Location location = attention.getLoc();
  OpBuilder builder(attention);
  /// Rounds an operand of a contraction as the attention's own operands are rounded.
  auto rounded = [&](Value operand) -> Value {
    auto type = cast<RankedTensorType>(operand.getType());
    return type.getElementType() == element
               ? operand
               : CastOp::create(builder, location, type.clone(element), operand);
  };

  // W_UK as [A,R,d]: a projection from q's width to the latent's.
  Value keyWeight =
      weights.derive(builder, decompress.getKvB(), "q_latent", [&](OpBuilder &b, ValueRange kvB) {
        Value keys = sliceWeight(b, headsOf(b, decompress, kvB[0]), 1, 0, nope);
        return TransposeOp::create(b, location, keys, ArrayRef<int64_t>{0, 2, 1}).getResult();
      });
  Value query = HeadLinearOp::create(builder, location, attention.getQNope(), keyWeight);
  auto latent = LatentAttentionOp::create(
      builder, location, rounded(query), attention.getQRope(), decompress.getCache(),
      decompress.getLayer(), attention.getBatch(), attention.getScale(), attention.getInnerAttr(),
      attention.getPartAttr(), attention.getReturningLseAttr());
  // W_UV as [A,v,R]: a projection from the latent's width to V's.
  Value valueWeight =
      weights.derive(builder, decompress.getKvB(), "v_up", [&](OpBuilder &b, ValueRange kvB) {
        return sliceWeight(b, headsOf(b, decompress, kvB[0]), 1, nope, value);
      });
  Value result = HeadLinearOp::create(builder, location, rounded(latent.getResult()), valueWeight);
  attention.getResult().replaceAllUsesWith(result);
  if (attention.getLse()) {
    // Scores are the same numbers in both forms.
    attention.getLse().replaceAllUsesWith(latent.getLse());
  }

  Value operands[] = {attention.getKNope(), attention.getKRope(), attention.getV()};
  attention.erase();
  for (Value operand : operands) {
    eraseDeadCasts(operand);
  }
  if (decompress->use_empty()) {
    decompress.erase();
  }
  ++numReassociated;
}
