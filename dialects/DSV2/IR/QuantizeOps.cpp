//===- QuantizeOps.cpp - quantized weights and their values --------------------===//
//
// The element type of quantized weights, and the two ops between it and numbers.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/ShapeChecks.h"

#include "llvm/Support/MathExtras.h"

namespace mlir {
namespace dsv2 {

LogicalResult ScaledType::verify(function_ref<InFlightDiagnostic()> emitError, Type stored,
                                 ArrayRef<int64_t> block, Type scale) {
  if (!isa<Float8E4M3FNType>(stored) && !stored.isSignlessInteger(8) &&
      !stored.isSignlessInteger(4)) {
    return emitError() << "elements stored as " << stored
                       << ", expected f8E4M3FN, i8 or i4 [scaled.1]";
  }
  if (block.size() != 2 || block[0] < 0 || block[1] < 0) {
    InFlightDiagnostic error = emitError() << "a block of [";
    llvm::interleaveComma(block, error);
    return error << "], expected two numbers of at least 0 [scaled.2]";
  }
  if (!scale.isF32() && !scale.isBF16() && !scale.isF16()) {
    return emitError() << "scales of " << scale << ", expected f32, bf16 or f16 [scaled.3]";
  }
  return success();
}

SmallVector<int64_t> ScaledType::getScaleShape(ArrayRef<int64_t> shape) const {
  SmallVector<int64_t> blocks(shape);
  for (auto [size, block] : llvm::zip(MutableArrayRef<int64_t>(blocks).take_back(2), getBlock())) {
    size = block == 0 ? 1 : llvm::divideCeil(size, block);
  }
  return blocks;
}

double ScaledType::getStoredMax() const {
  if (getStored().isInteger()) {
    return getStored().isInteger(8) ? 127 : 7;
  }
  return 448;
}

/// Both sides of a quantization have one shape.
static LogicalResult verifyShapes(Operation *op, StringRef rule, RankedTensorType from,
                                  RankedTensorType to) {
  if (from.getShape() == to.getShape()) {
    return success();
  }
  return op->emitOpError("makes ")
         << to << " of " << from << ", expected the same shape [" << rule << "]";
}

LogicalResult DequantizeOp::verify() {
  return verifyShapes(*this, "dequantize.1", getWeight().getType(), getResult().getType());
}

LogicalResult QuantizeOp::verify() {
  return verifyShapes(*this, "quantize.1", getWeight().getType(), getResult().getType());
}

} // namespace dsv2
} // namespace mlir
