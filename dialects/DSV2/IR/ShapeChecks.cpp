//===- ShapeChecks.cpp - what verifiers and type inference share ---------------===//
//
// Checks of shapes with one form of message.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/ShapeChecks.h"

namespace mlir {
namespace dsv2 {

bool isRowsType(Type type, int64_t rank) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == rank && tensor.isDynamicDim(0) &&
         llvm::none_of(tensor.getShape().drop_front(), ShapedType::isDynamic);
}

bool isWeightType(Type type, int64_t rank) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape() || (rank >= 0 && tensor.getRank() != rank)) {
    return false;
  }
  // Blocks cut the last two dimensions.
  return tensor.getRank() >= 2 || !isa<ScaledType>(tensor.getElementType());
}

LogicalResult ShapeChecker::error(StringRef rule, const Twine &message) const {
  return emitOptionalError(location, "'dsv2.", opName, "' op ", message, " [", rule, "]");
}

LogicalResult ShapeChecker::equal(StringRef rule, const Twine &what, int64_t actual,
                                  int64_t expected, const Twine &why) const {
  if (actual == expected) {
    return success();
  }
  return error(rule,
               what + " is " + Twine(actual) + ", expected " + Twine(expected) + " (" + why + ")");
}

LogicalResult ShapeChecker::rows(StringRef what, Value value, int64_t rank) const {
  if (isRowsType(value.getType(), rank)) {
    return success();
  }
  return emitOptionalError(location, "'dsv2.", opName, "' op ", what, " is ", value.getType(),
                           ", expected rows of rank ", rank,
                           " (a dynamic dimension, then static ones) [type.17]");
}

LogicalResult ShapeChecker::weight(StringRef what, Value value, int64_t rank) const {
  if (isWeightType(value.getType(), rank)) {
    return success();
  }
  return emitOptionalError(location, "'dsv2.", opName, "' op ", what, " is ", value.getType(),
                           ", expected a static shape of rank ", rank, " [type.18]");
}

LogicalResult ShapeChecker::bias(StringRef rule, StringRef what, Value value, int64_t width,
                                 const Twine &why) const {
  if (!value) {
    return success();
  }
  if (failed(weight(what, value, 1))) {
    return failure();
  }
  return equal(rule, "the width of " + what, dim(value, 0), width, why);
}

RankedTensorType rowsOf(Type element, ArrayRef<int64_t> dims) {
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  shape.append(dims.begin(), dims.end());
  return RankedTensorType::get(shape, element);
}

RankedTensorType rowsOf(MLIRContext *context, ArrayRef<int64_t> dims) {
  return rowsOf(Float32Type::get(context), dims);
}

LogicalResult verifyEps(Operation *op, StringRef rule, const APFloat &eps) {
  if (eps.isFinite() && !eps.isNegative() && !eps.isZero()) {
    return success();
  }
  return op->emitOpError("eps is ")
         << eps.convertToDouble() << ", expected a positive number [" << rule << "]";
}

LogicalResult verifyCacheLayer(Operation *op, CacheType cache, Value layer) {
  if (failed(verifyLayerNumbers(op, layer))) {
    return failure();
  }
  RangeAttr range = getRangeOfLayer(layer);
  if (!range || range.getLast() < cache.getLayers()) {
    return success();
  }
  return op->emitOpError("layers ")
         << range.getBegin() << " to " << range.getEnd() << " index a cache of "
         << cache.getLayers() << " layers [layer.2]";
}

} // namespace dsv2

} // namespace mlir
