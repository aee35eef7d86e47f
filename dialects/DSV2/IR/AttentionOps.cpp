//===- AttentionOps.cpp - multi-head latent attention --------------------------===//
//
// Shapes of heads, latents and caches. Everything that both forms of attention rely on (widths of
// the cache's parts, heads of q against heads of k) is checked here, so a rewrite that mixes them
// up fails.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/ShapeChecks.h"

namespace mlir {
namespace dsv2 {

static CacheType cacheType(Value cache) { return cast<CacheType>(cache.getType()); }

//===----------------------------------------------------------------------===//
// Heads
//===----------------------------------------------------------------------===//

LogicalResult SplitHeadsOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                             Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "split_heads");
  if (failed(check.rows("x", adaptor.getX(), 2))) {
    return failure();
  }
  int64_t heads = adaptor.getHeads();
  if (heads < 1) {
    return check.error("heads is " + Twine(heads) + ", expected at least 1");
  }
  Type element = cast<RankedTensorType>(adaptor.getX().getType()).getElementType();
  int64_t sum = 0;
  for (int64_t width : adaptor.getWidths()) {
    if (width < 0) {
      return check.error("a width is " + Twine(width) + ", expected at least 0");
    }
    sum += width;
    types.push_back(rowsOf(element, {heads, width}));
  }
  return check.equal("the width of x", dim(adaptor.getX(), 1), heads * sum,
                     Twine(heads) + " heads of " + Twine(sum));
}

LogicalResult MergeHeadsOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                             Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "merge_heads");
  if (failed(check.rows("x", adaptor.getX(), 3))) {
    return failure();
  }
  Type element = cast<RankedTensorType>(adaptor.getX().getType()).getElementType();
  types.push_back(rowsOf(element, {dim(adaptor.getX(), 1) * dim(adaptor.getX(), 2)}));
  return success();
}

//===----------------------------------------------------------------------===//
// Compression and rope
//===----------------------------------------------------------------------===//

LogicalResult MLACompressOp::inferReturnTypes(MLIRContext *context,
                                              std::optional<Location> location, Adaptor adaptor,
                                              SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "mla_compress");
  if (failed(check.rows("x", adaptor.getX(), 2)) ||
      failed(check.weight("kv_a", adaptor.getKvA(), 2)) ||
      failed(check.weight("the norm's weight", adaptor.getNorm(), 1)) ||
      failed(check.equal("the input width of kv_a", dim(adaptor.getKvA(), 1),
                         dim(adaptor.getX(), 1), "the width of x"))) {
    return failure();
  }
  int64_t latent = dim(adaptor.getNorm(), 0);
  int64_t rope = dim(adaptor.getKvA(), 0) - latent;
  if (rope < 0) {
    return check.error("kv_a has " + Twine(dim(adaptor.getKvA(), 0)) +
                       " rows, expected at least the " + Twine(latent) + " of the latent");
  }
  types.push_back(rowsOf(context, {latent}));
  types.push_back(rowsOf(context, {rope}));
  return success();
}

LogicalResult MLACompressOp::verify() { return verifyEps(*this, getEps()); }

LogicalResult RopeOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                       Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "rope");
  auto type = cast<RankedTensorType>(adaptor.getX().getType());
  if (type.getRank() != 2 && type.getRank() != 3) {
    return check.error("x has rank " + Twine(type.getRank()) + ", expected 2 or 3");
  }
  types.push_back(type.clone(Float32Type::get(type.getContext())));
  return check.equal("the width of x", type.getShape().back(), adaptor.getRope().getWidth(),
                     "the width that rope rotates");
}

//===----------------------------------------------------------------------===//
// Cache
//===----------------------------------------------------------------------===//

/// Caches of latent attention have two parts: the latent and the shared rope key.
static LogicalResult twoParts(const ShapeChecker &check, CacheType cache) {
  return check.equal("the cache's number of parts", cache.getWidths().size(), 2,
                     "the latent and the rope key");
}

LogicalResult CacheAppendOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                              Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "cache_append");
  CacheType cache = cacheType(adaptor.getCache());
  types.push_back(cache);
  if (failed(twoParts(check, cache)) || failed(check.rows("the latent", adaptor.getLatent(), 2)) ||
      failed(check.rows("the rope key", adaptor.getKRope(), 2)) ||
      failed(check.equal("the width of the latent", dim(adaptor.getLatent(), 1),
                         cache.getWidths()[0], "the cache's first part"))) {
    return failure();
  }
  return check.equal("the width of the rope key", dim(adaptor.getKRope(), 1), cache.getWidths()[1],
                     "the cache's second part");
}

LogicalResult CacheAppendOp::verify() {
  CacheType cache = getCache().getType();
  for (auto [name, value] :
       {std::pair("the latent", getLatent()), std::pair("the rope key", getKRope())}) {
    if (value.getType().getElementType() != cache.getElementType()) {
      return emitOpError() << name << " is of " << value.getType().getElementType() << ", expected "
                           << cache.getElementType() << " as the cache (a rounding is a dsv2.cast)";
    }
  }
  return verifyCacheLayer(*this, cache, getLayer());
}

LogicalResult DecompressOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                             Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "decompress");
  CacheType cache = cacheType(adaptor.getCache());
  if (failed(twoParts(check, cache)) || failed(check.weight("kv_b", adaptor.getKvB(), 2)) ||
      failed(check.equal("the number of widths", adaptor.getWidths().size(), 2,
                         "K without rope, and V"))) {
    return failure();
  }
  int64_t heads = adaptor.getHeads();
  int64_t nope = adaptor.getWidths()[0];
  int64_t value = adaptor.getWidths()[1];
  if (heads < 1 || nope < 0 || value < 1) {
    return check.error("has " + Twine(heads) + " heads of widths " + Twine(nope) + " and " +
                       Twine(value) + ", expected at least 1 head, 0 for K and 1 for V");
  }
  types.push_back(rowsOf(context, {heads, nope}));
  types.push_back(rowsOf(context, {cache.getWidths()[1]}));
  types.push_back(rowsOf(context, {heads, value}));
  if (failed(check.equal("the input width of kv_b", dim(adaptor.getKvB(), 1), cache.getWidths()[0],
                         "the cache's latent"))) {
    return failure();
  }
  return check.equal("the number of rows of kv_b", dim(adaptor.getKvB(), 0), heads * (nope + value),
                     Twine(heads) + " heads of " + Twine(nope) + " and " + Twine(value));
}

LogicalResult DecompressOp::verify() {
  return verifyCacheLayer(*this, getCache().getType(), getLayer());
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

LogicalResult AttentionOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "attention");
  if (failed(check.rows("q_nope", adaptor.getQNope(), 3)) ||
      failed(check.rows("q_rope", adaptor.getQRope(), 3)) ||
      failed(check.rows("k_nope", adaptor.getKNope(), 3)) ||
      failed(check.rows("k_rope", adaptor.getKRope(), 2)) ||
      failed(check.rows("v", adaptor.getV(), 3))) {
    return failure();
  }
  int64_t heads = dim(adaptor.getQNope(), 1);
  types.push_back(rowsOf(context, {heads, dim(adaptor.getV(), 2)}));
  for (auto [name, value] :
       {std::pair("q_rope", adaptor.getQRope()), std::pair("k_nope", adaptor.getKNope()),
        std::pair("v", adaptor.getV())}) {
    if (failed(check.equal(Twine("the number of heads of ") + name, dim(value, 1), heads,
                           "the heads of q_nope"))) {
      return failure();
    }
  }
  if (failed(check.equal("the width of k_nope", dim(adaptor.getKNope(), 2),
                         dim(adaptor.getQNope(), 2), "the width of q_nope"))) {
    return failure();
  }
  return check.equal("the width of k_rope", dim(adaptor.getKRope(), 1), dim(adaptor.getQRope(), 2),
                     "the width of q_rope");
}

LogicalResult AttentionOp::verify() {
  int64_t width = dim(getQNope(), 2) + dim(getQRope(), 2);
  return ShapeChecker(getLoc(), "attention")
      .equal("head_width of the scale", getScale().getHeadWidth(), width,
             "the widths of q_nope and q_rope");
}

LogicalResult LatentAttentionOp::inferReturnTypes(MLIRContext *context,
                                                  std::optional<Location> location, Adaptor adaptor,
                                                  SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "latent_attention");
  CacheType cache = cacheType(adaptor.getCache());
  if (failed(twoParts(check, cache)) || failed(check.rows("q_latent", adaptor.getQLatent(), 3)) ||
      failed(check.rows("q_rope", adaptor.getQRope(), 3))) {
    return failure();
  }
  types.push_back(rowsOf(context, {dim(adaptor.getQLatent(), 1), dim(adaptor.getQLatent(), 2)}));
  if (failed(check.equal("the number of heads of q_rope", dim(adaptor.getQRope(), 1),
                         dim(adaptor.getQLatent(), 1), "the heads of q_latent")) ||
      failed(check.equal("the width of q_latent", dim(adaptor.getQLatent(), 2),
                         cache.getWidths()[0], "the cache's latent"))) {
    return failure();
  }
  return check.equal("the width of q_rope", dim(adaptor.getQRope(), 2), cache.getWidths()[1],
                     "the cache's rope key");
}

LogicalResult LatentAttentionOp::verify() {
  // The width of q before absorption is not in these types any more, but its rope part is.
  if (getScale().getHeadWidth() < dim(getQRope(), 2)) {
    return emitOpError("head_width of the scale is ")
           << getScale().getHeadWidth() << ", expected at least the " << dim(getQRope(), 2)
           << " of q_rope (it is the width of q before absorption)";
  }
  return verifyCacheLayer(*this, getCache().getType(), getLayer());
}

} // namespace dsv2
} // namespace mlir
