//===- LinearOps.cpp - norms, projections, residuals ---------------------------===//
//
// Shapes of the ops that treat each row alone.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/ShapeChecks.h"

namespace mlir {
namespace dsv2 {

LogicalResult RMSNormOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                          Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "rms_norm");
  if (failed(check.rows("x", adaptor.getX(), 2)) ||
      failed(check.weight("the weight", adaptor.getWeight(), 1))) {
    return failure();
  }
  int64_t width = dim(adaptor.getX(), 1);
  types.push_back(rowsOf(context, {width}));
  return check.equal("rms_norm.1", "the weight's length", dim(adaptor.getWeight(), 0), width,
                     "the width of x");
}

LogicalResult RMSNormOp::verify() { return verifyEps(*this, "rms_norm.2", getEps()); }

LogicalResult LinearOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                         Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "linear");
  if (failed(check.rows("x", adaptor.getX(), 2)) ||
      failed(check.weight("the weight", adaptor.getWeight(), 2))) {
    return failure();
  }
  int64_t width = dim(adaptor.getWeight(), 0);
  types.push_back(rowsOf(context, {width}));
  if (failed(check.equal("linear.1", "the weight's input width", dim(adaptor.getWeight(), 1),
                         dim(adaptor.getX(), 1), "the width of x")) ||
      failed(
          check.bias("linear.2", "the bias", adaptor.getBias(), width, "the rows of the weight"))) {
    return failure();
  }
  Value add = adaptor.getAdd();
  if (!add) {
    return success();
  }
  if (failed(check.rows("add", add, 2))) {
    return failure();
  }
  return check.equal("linear.3", "the width of add", dim(add, 1), width, "the rows of the weight");
}

LogicalResult HeadLinearOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                             Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "head_linear");
  if (failed(check.rows("x", adaptor.getX(), 3)) ||
      failed(check.weight("the weight", adaptor.getWeight(), 3))) {
    return failure();
  }
  types.push_back(rowsOf(context, {dim(adaptor.getX(), 1), dim(adaptor.getWeight(), 1)}));
  if (failed(check.equal("head_linear.1", "the weight's number of heads",
                         dim(adaptor.getWeight(), 0), dim(adaptor.getX(), 1), "the heads of x"))) {
    return failure();
  }
  return check.equal("head_linear.2", "the weight's input width", dim(adaptor.getWeight(), 2),
                     dim(adaptor.getX(), 2), "the width of a head of x");
}

LogicalResult AddOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                      SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getLhs().getType());
  return success();
}

LogicalResult CastOp::verify() {
  RankedTensorType from = getX().getType();
  RankedTensorType to = getResult().getType();
  if (from.getShape() != to.getShape()) {
    return emitOpError("makes ") << to << " of " << from << ", expected the same shape [cast.1]";
  }
  if (from.getElementType() == to.getElementType()) {
    return emitOpError("casts ") << from << " to itself, expected another element type [cast.2]";
  }
  return success();
}

OpFoldResult CastOp::fold(FoldAdaptor) {
  // Widening and rounding back gives the value itself; the other way round it does not.
  auto inner = getX().getDefiningOp<CastOp>();
  if (inner && inner.getX().getType() == getType() && getType().getElementType().isBF16()) {
    return inner.getX();
  }
  return {};
}

} // namespace dsv2
} // namespace mlir
