//===- CacheOps.cpp - rows into the cache and out of it ------------------------===//
//
// Widths of the cache's parts against the values that fill them, and layers against the cache.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/ShapeChecks.h"

namespace mlir {
namespace dsv2 {

LogicalResult ShapeChecker::latentParts(CacheType cache) const {
  return equal("cache.4", "the cache's number of parts", cache.getWidths().size(), 2,
               "the latent and the rope key");
}

LogicalResult CacheAppendOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                              Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "cache_append");
  auto cache = cast<CacheType>(adaptor.getCache().getType());
  types.push_back(cache);
  if (failed(check.equal("cache_append.1", "the number of values", adaptor.getParts().size(),
                         cache.getWidths().size(), "the parts of the cache"))) {
    return failure();
  }
  for (auto [i, part] : llvm::enumerate(adaptor.getParts())) {
    std::string name = "part #" + std::to_string(i);
    if (failed(check.rows(name, part, 2)) ||
        failed(check.equal("cache_append.2", "the width of " + name, dim(part, 1),
                           cache.getWidths()[i], "as the cache"))) {
      return failure();
    }
  }
  return success();
}

LogicalResult CacheAppendOp::verify() {
  CacheType cache = getCache().getType();
  for (auto [i, part] : llvm::enumerate(getParts())) {
    Type element = cast<RankedTensorType>(part.getType()).getElementType();
    if (element != cache.getElementType()) {
      return emitOpError("part #")
             << i << " is of " << element << ", expected " << cache.getElementType()
             << " as the cache (a rounding is a dsv2.cast) [cache_append.3]";
    }
  }
  return verifyCacheLayer(*this, cache, getLayer());
}

LogicalResult CacheReadOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "cache_read");
  auto cache = cast<CacheType>(adaptor.getCache().getType());
  int64_t heads = adaptor.getHeads();
  if (heads < 1) {
    return check.error("cache_read.1", "heads is " + Twine(heads) + ", expected at least 1");
  }
  for (int64_t width : cache.getWidths()) {
    if (width % heads != 0) {
      return check.error("cache_read.2", "a part of width " + Twine(width) +
                                             " does not divide into " + Twine(heads) + " heads");
    }
    types.push_back(rowsOf(context, {heads, width / heads}));
  }
  return success();
}

LogicalResult CacheReadOp::verify() {
  return verifyCacheLayer(*this, getCache().getType(), getLayer());
}

LogicalResult DecompressOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                             Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "decompress");
  auto cache = cast<CacheType>(adaptor.getCache().getType());
  if (failed(check.latentParts(cache)) || failed(check.weight("kv_b", adaptor.getKvB(), 2)) ||
      failed(check.equal("decompress.1", "the number of widths", adaptor.getWidths().size(), 2,
                         "K without rope, and V"))) {
    return failure();
  }
  int64_t heads = adaptor.getHeads();
  int64_t nope = adaptor.getWidths()[0];
  int64_t value = adaptor.getWidths()[1];
  if (heads < 1 || nope < 0 || value < 1) {
    return check.error("decompress.2", "has " + Twine(heads) + " heads of widths " + Twine(nope) +
                                           " and " + Twine(value) +
                                           ", expected at least 1 head, 0 for K and 1 for V");
  }
  types.push_back(rowsOf(context, {heads, nope}));
  types.push_back(rowsOf(context, {cache.getWidths()[1]}));
  types.push_back(rowsOf(context, {heads, value}));
  if (failed(check.equal("decompress.3", "the input width of kv_b", dim(adaptor.getKvB(), 1),
                         cache.getWidths()[0], "the cache's latent"))) {
    return failure();
  }
  return check.equal("decompress.4", "the number of rows of kv_b", dim(adaptor.getKvB(), 0),
                     heads * (nope + value),
                     Twine(heads) + " heads of " + Twine(nope) + " and " + Twine(value));
}

LogicalResult DecompressOp::verify() {
  return verifyCacheLayer(*this, getCache().getType(), getLayer());
}

} // namespace dsv2
} // namespace mlir
