//===- WrongEdits.cpp - What the wrong edits share ------------------------===//
//
// Rows of the step are moved by upstream ops, which the oracle knows.
//
//===----------------------------------------------------------------------===//
#include "WrongEdits.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace dsv2 {

using namespace mlir;
namespace ir = mlir::dsv2;

Value floatWeight(OpBuilder &builder, Value weight) {
  auto type = cast<RankedTensorType>(weight.getType());
  if (!isa<ir::ScaledType>(type.getElementType())) {
    return weight;
  }
  return ir::DequantizeOp::create(builder, weight.getLoc(), type.clone(builder.getF32Type()),
                                  weight);
}

Value sliceRows(OpBuilder &builder, Value rows, unsigned dim, OpFoldResult begin, OpFoldResult size,
                int64_t step) {
  auto type = cast<RankedTensorType>(rows.getType());
  Location location = rows.getLoc();
  SmallVector<OpFoldResult> offsets(type.getRank(), builder.getIndexAttr(0)), sizes;
  SmallVector<OpFoldResult> strides(type.getRank(), builder.getIndexAttr(1));
  for (int64_t i = 0; i < type.getRank(); ++i) {
    if (type.isDynamicDim(i) && i != dim) {
      Value number = arith::ConstantIndexOp::create(builder, location, i);
      sizes.push_back(tensor::DimOp::create(builder, location, rows, number).getResult());
    } else {
      sizes.push_back(builder.getIndexAttr(type.getDimSize(i)));
    }
  }
  offsets[dim] = begin;
  sizes[dim] = size;
  strides[dim] = builder.getIndexAttr(step);
  return tensor::ExtractSliceOp::create(builder, location, rows, offsets, sizes, strides);
}

Value shiftRows(OpBuilder &builder, Value rows, bool backwards) {
  Location location = rows.getLoc();
  Value zero = arith::ConstantIndexOp::create(builder, location, 0);
  Value one = arith::ConstantIndexOp::create(builder, location, 1);
  Value count = tensor::DimOp::create(builder, location, rows, zero);
  Value rest = arith::SubIOp::create(builder, location, count, one);
  OpFoldResult first = builder.getIndexAttr(0), size = builder.getIndexAttr(1);
  SmallVector<Value> parts;
  if (backwards) {
    parts = {sliceRows(builder, rows, 0, first, size), sliceRows(builder, rows, 0, first, rest)};
  } else {
    parts = {sliceRows(builder, rows, 0, size, rest), sliceRows(builder, rows, 0, rest, size)};
  }
  return tensor::ConcatOp::create(builder, location, cast<RankedTensorType>(rows.getType()), 0,
                                  parts);
}

} // namespace dsv2
