//===- AttentionOps.cpp - attention and the joining of its parts ---------------===//
//
// Shapes of both forms of attention: heads of q against heads of k and v, widths against the
// scale, so that a rewrite that mixes them up fails.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/ShapeChecks.h"

namespace mlir {
namespace dsv2 {

LogicalResult AttentionOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "attention");
  Value qNope = adaptor.getQNope(), kNope = adaptor.getKNope(), v = adaptor.getV();
  Value qRope = adaptor.getQRope(), kRope = adaptor.getKRope();
  if (failed(check.rows("q_nope", qNope, 3)) || failed(check.rows("k_nope", kNope, 3)) ||
      failed(check.rows("v", v, 3))) {
    return failure();
  }
  int64_t heads = dim(qNope, 1), keyHeads = dim(kNope, 1);
  types.push_back(rowsOf(context, {heads, dim(v, 2)}));
  if (adaptor.getReturningLse()) {
    types.push_back(rowsOf(context, {heads}));
  }
  if (keyHeads < 1 || heads % keyHeads != 0) {
    return check.error("attention.1", "the number of heads of k_nope is " + Twine(keyHeads) +
                                          ", expected a divisor of the " + Twine(heads) +
                                          " heads of q_nope");
  }
  if (failed(check.equal("attention.2", "the number of heads of v", dim(v, 1), keyHeads,
                         "the heads of k_nope")) ||
      failed(check.equal("attention.3", "the width of k_nope", dim(kNope, 2), dim(qNope, 2),
                         "the width of q_nope"))) {
    return failure();
  }
  if (!qRope != !kRope) {
    return check.error("attention.4", "has " + Twine(qRope ? "q_rope" : "k_rope") + " but no " +
                                          (qRope ? "k_rope" : "q_rope") +
                                          ", expected both or neither");
  }
  if (!qRope) {
    return success();
  }
  if (failed(check.rows("q_rope", qRope, 3)) || failed(check.rows("k_rope", kRope, 2)) ||
      failed(check.equal("attention.5", "the number of heads of q_rope", dim(qRope, 1), heads,
                         "the heads of q_nope"))) {
    return failure();
  }
  return check.equal("attention.6", "the width of k_rope", dim(kRope, 1), dim(qRope, 2),
                     "the width of q_rope");
}

LogicalResult AttentionOp::verify() {
  int64_t width = dim(getQNope(), 2) + (getQRope() ? dim(getQRope(), 2) : 0);
  return ShapeChecker(getLoc(), "attention")
      .equal("attention.7", "head_width of the scale", getScale().getHeadWidth(), width,
             "the widths of q_nope and q_rope");
}

LogicalResult LatentAttentionOp::inferReturnTypes(MLIRContext *context,
                                                  std::optional<Location> location, Adaptor adaptor,
                                                  SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "latent_attention");
  auto cache = cast<CacheType>(adaptor.getCache().getType());
  if (failed(check.latentParts(cache)) || failed(check.rows("q_latent", adaptor.getQLatent(), 3)) ||
      failed(check.rows("q_rope", adaptor.getQRope(), 3))) {
    return failure();
  }
  types.push_back(rowsOf(context, {dim(adaptor.getQLatent(), 1), dim(adaptor.getQLatent(), 2)}));
  if (adaptor.getReturningLse()) {
    types.push_back(rowsOf(context, {dim(adaptor.getQLatent(), 1)}));
  }
  if (failed(check.equal("latent_attention.1", "the number of heads of q_rope",
                         dim(adaptor.getQRope(), 1), dim(adaptor.getQLatent(), 1),
                         "the heads of q_latent")) ||
      failed(check.equal("latent_attention.2", "the width of q_latent",
                         dim(adaptor.getQLatent(), 2), cache.getWidths()[0],
                         "the cache's latent"))) {
    return failure();
  }
  return check.equal("latent_attention.3", "the width of q_rope", dim(adaptor.getQRope(), 2),
                     cache.getWidths()[1], "the cache's rope key");
}

LogicalResult LatentAttentionOp::verify() {
  // The width of q before absorption is not in these types any more, but its rope part is.
  if (getScale().getHeadWidth() < dim(getQRope(), 2)) {
    return emitOpError("head_width of the scale is ")
           << getScale().getHeadWidth() << ", expected at least the " << dim(getQRope(), 2)
           << " of q_rope (it is the width of q before absorption) [latent_attention.4]";
  }
  return verifyCacheLayer(*this, getCache().getType(), getLayer());
}

LogicalResult MergeAttentionOp::inferReturnTypes(MLIRContext *context,
                                                 std::optional<Location> location, Adaptor adaptor,
                                                 SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "merge_attention");
  ValueRange parts = adaptor.getParts(), lses = adaptor.getLses();
  if (parts.empty()) {
    return check.error("merge_attention.1", "has no part, expected at least 1");
  }
  if (failed(check.equal("merge_attention.2", "the number of lse", lses.size(), parts.size(),
                         "one for each part")) ||
      failed(check.rows("part #0", parts.front(), 3))) {
    return failure();
  }
  auto type = cast<RankedTensorType>(parts.front().getType());
  types.push_back(rowsOf(context, type.getShape().drop_front()));
  RankedTensorType lseType = rowsOf(context, {type.getDimSize(1)});
  if (adaptor.getReturningLse()) {
    types.push_back(lseType);
  }
  for (auto [i, part, lse] : llvm::enumerate(parts, lses)) {
    if (part.getType() != type || lse.getType() != lseType) {
      return emitOptionalError(location, "'dsv2.merge_attention' op part #", i, " is ",
                               part.getType(), " with an lse ", lse.getType(), ", expected ", type,
                               " and ", lseType, " [merge_attention.3]");
    }
  }
  return success();
}

LogicalResult MergeAttentionOp::fold(FoldAdaptor, SmallVectorImpl<OpFoldResult> &results) {
  // One part is the whole. Its result is 0 where its lse is -inf, as a merge makes it, only if an
  // attention made both.
  if (getParts().size() != 1) {
    return failure();
  }
  Operation *part = getParts().front().getDefiningOp();
  if (!isa_and_nonnull<AttentionOp, LatentAttentionOp, MergeAttentionOp>(part) ||
      getLses().front().getDefiningOp() != part) {
    return failure();
  }
  results.push_back(getParts().front());
  if (getReturningLse()) {
    results.push_back(getLses().front());
  }
  return success();
}

} // namespace dsv2
} // namespace mlir
