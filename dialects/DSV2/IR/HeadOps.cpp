//===- HeadOps.cpp - heads, compression to the latent, rope --------------------===//
//
// Shapes of rows of heads, and of what MLA compresses.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/ShapeChecks.h"

namespace mlir {
namespace dsv2 {

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
    return check.error("split_heads.1", "heads is " + Twine(heads) + ", expected at least 1");
  }
  Type element = cast<RankedTensorType>(adaptor.getX().getType()).getElementType();
  int64_t sum = 0;
  for (int64_t width : adaptor.getWidths()) {
    if (width < 0) {
      return check.error("split_heads.2", "a width is " + Twine(width) + ", expected at least 0");
    }
    sum += width;
    types.push_back(rowsOf(element, {heads, width}));
  }
  return check.equal("split_heads.3", "the width of x", dim(adaptor.getX(), 1), heads * sum,
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

LogicalResult SplitHeadsOp::fold(FoldAdaptor, SmallVectorImpl<OpFoldResult> &results) {
  // Heads that were only just merged stand as they were.
  auto merge = getX().getDefiningOp<MergeHeadsOp>();
  if (!merge || getParts().getTypes() != TypeRange(merge.getX().getType())) {
    return failure();
  }
  results.push_back(merge.getX());
  return success();
}

OpFoldResult MergeHeadsOp::fold(FoldAdaptor) {
  // Only of one part: several lie side by side in a row, a merge would put them apart.
  auto split = getX().getDefiningOp<SplitHeadsOp>();
  return split && split.getParts().size() == 1 ? split.getX() : Value();
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
      failed(check.equal("mla_compress.1", "the input width of kv_a", dim(adaptor.getKvA(), 1),
                         dim(adaptor.getX(), 1), "the width of x")) ||
      failed(check.bias("mla_compress.2", "the bias", adaptor.getBias(), dim(adaptor.getKvA(), 0),
                        "the rows of kv_a"))) {
    return failure();
  }
  int64_t latent = dim(adaptor.getNorm(), 0);
  int64_t rope = dim(adaptor.getKvA(), 0) - latent;
  if (rope < 0) {
    return check.error("mla_compress.3", "kv_a has " + Twine(dim(adaptor.getKvA(), 0)) +
                                             " rows, expected at least the " + Twine(latent) +
                                             " of the latent");
  }
  types.push_back(rowsOf(context, {latent}));
  types.push_back(rowsOf(context, {rope}));
  return success();
}

LogicalResult MLACompressOp::verify() { return verifyEps(*this, "mla_compress.4", getEps()); }

LogicalResult RopeOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                       Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "rope");
  auto type = cast<RankedTensorType>(adaptor.getX().getType());
  if (type.getRank() != 2 && type.getRank() != 3) {
    return check.error("rope.1", "x has rank " + Twine(type.getRank()) + ", expected 2 or 3");
  }
  types.push_back(type.clone(Float32Type::get(type.getContext())));
  return check.equal("rope.2", "the width of x", type.getShape().back(),
                     adaptor.getRope().getWidth(), "the width that rope rotates");
}

OpFoldResult RopeOp::fold(FoldAdaptor) {
  // Nothing rotates in a model without rope.
  return getRope().getWidth() == 0 && getX().getType() == getType() ? getX() : Value();
}

} // namespace dsv2
} // namespace mlir
