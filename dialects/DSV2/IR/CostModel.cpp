//===- CostModel.cpp - what each op costs --------------------------------------===//
//
// Bytes follow from types; an op states its arithmetic, and where it reads or writes less than the
// whole of an operand or result.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/ShapeChecks.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

#include "dialects/DSV2/IR/CostInterface.cpp.inc"

namespace mlir {
namespace dsv2 {

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

/// Rows of a value: of the step, of its wanted tokens, or of everything cached.
static int64_t countRows(Value value, const StepShape &shape) {
  auto result = dyn_cast<OpResult>(value);
  if (!result) {
    return shape.rows;
  }
  Operation *op = result.getOwner();
  if (isa<SelectRowsOp>(op)) {
    return shape.wanted;
  }
  if (isa<DecompressOp, CacheReadOp>(op)) {
    return shape.cached;
  }
  if (auto layers = dyn_cast<LayersOp>(op)) {
    return countRows(layers.getInits()[result.getResultNumber()], shape);
  }
  // Any other op keeps the rows of its first operand that has some.
  for (Value operand : op->getOperands()) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (type && !type.hasStaticShape()) {
      return countRows(operand, shape);
    }
  }
  return shape.rows;
}

static int64_t bytesOfElements(int64_t count, Type element) {
  return llvm::divideCeil(count * int64_t(element.getIntOrFloatBitWidth()), 8);
}

/// Bytes of a tensor with this many rows; a quantized weight counts its scales too.
static int64_t bytesOf(RankedTensorType type, int64_t rows) {
  int64_t count = 1;
  for (int64_t size : type.getShape()) {
    count *= ShapedType::isDynamic(size) ? rows : size;
  }
  auto scaled = dyn_cast<ScaledType>(type.getElementType());
  if (!scaled) {
    return bytesOfElements(count, type.getElementType());
  }
  int64_t scales = 1;
  for (int64_t size : scaled.getScaleShape(type.getShape())) {
    scales *= size;
  }
  return bytesOfElements(count, scaled.getStored()) + bytesOfElements(scales, scaled.getScale());
}

static int64_t bytesOf(CacheType cache, int64_t tokens) {
  return bytesOfElements(tokens * cache.getRowWidth(), cache.getElementType());
}

/// All of every operand and result, and no arithmetic.
static Cost moves(Operation *op, const StepShape &shape) {
  auto bytes = [&](Value value, int64_t tokens) -> int64_t {
    if (auto cache = dyn_cast<CacheType>(value.getType())) {
      return bytesOf(cache, tokens);
    }
    auto type = dyn_cast<RankedTensorType>(value.getType());
    return type ? bytesOf(type, countRows(value, shape)) : 0;
  };
  Cost cost;
  for (Value operand : op->getOperands()) {
    cost.operandBytes.push_back(bytes(operand, shape.cached));
  }
  for (Value result : op->getResults()) {
    cost.resultBytes.push_back(bytes(result, shape.rows));
  }
  return cost;
}

/// As `moves`, and one operation for each element of the results.
static Cost elementwise(Operation *op, const StepShape &shape) {
  Cost cost = moves(op, shape);
  for (Value result : op->getResults()) {
    auto type = cast<RankedTensorType>(result.getType());
    cost.flops += bytesOf(type, countRows(result, shape)) * 8 / type.getElementTypeBitWidth();
  }
  return cost;
}

/// As `moves`, and this many multiplications with their additions.
static Cost contraction(Operation *op, const StepShape &shape, int64_t products) {
  Cost cost = moves(op, shape);
  cost.flops = 2 * products;
  return cost;
}

static int64_t elementsOf(Value weight) {
  return cast<RankedTensorType>(weight.getType()).getNumElements();
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

Cost RMSNormOp::getCost(const StepShape &shape) { return elementwise(*this, shape); }
Cost AddOp::getCost(const StepShape &shape) { return elementwise(*this, shape); }
Cost RopeOp::getCost(const StepShape &shape) { return elementwise(*this, shape); }
Cost CastOp::getCost(const StepShape &shape) { return moves(*this, shape); }
Cost SplitHeadsOp::getCost(const StepShape &shape) { return moves(*this, shape); }
Cost MergeHeadsOp::getCost(const StepShape &shape) { return moves(*this, shape); }

Cost EmbedOp::getCost(const StepShape &shape) {
  Cost cost = moves(*this, shape);
  RankedTensorType type = getWeight().getType();
  // A looked up row each, with its share of scales.
  cost.operandBytes[1] = llvm::divideCeil(bytesOf(type, 0), type.getDimSize(0)) * shape.rows;
  return cost;
}

Cost SelectRowsOp::getCost(const StepShape &shape) {
  Cost cost = moves(*this, shape);
  cost.operandBytes[0] = cost.resultBytes[0];
  return cost;
}

Cost LinearOp::getCost(const StepShape &shape) {
  Cost cost = contraction(*this, shape, countRows(getX(), shape) * elementsOf(getWeight()));
  int64_t added = countRows(getX(), shape) * dim(getWeight(), 0);
  cost.flops += (getBias() ? added : 0) + (getAdd() ? added : 0);
  return cost;
}

Cost HeadLinearOp::getCost(const StepShape &shape) {
  return contraction(*this, shape, countRows(getX(), shape) * elementsOf(getWeight()));
}

Cost MLACompressOp::getCost(const StepShape &shape) {
  Cost cost = contraction(*this, shape, shape.rows * elementsOf(getKvA()));
  // The norm, an operation for each element of the latent; the bias, one for each row of kv_a.
  cost.flops += shape.rows * dim(getNorm(), 0) + (getBias() ? shape.rows * dim(getKvA(), 0) : 0);
  return cost;
}

//===----------------------------------------------------------------------===//
// Cache and attention
//===----------------------------------------------------------------------===//

Cost CacheAppendOp::getCost(const StepShape &shape) {
  Cost cost = moves(*this, shape);
  cost.operandBytes[0] = 0; // written, not read
  return cost;
}

Cost CacheReadOp::getCost(const StepShape &shape) { return moves(*this, shape); }

Cost DecompressOp::getCost(const StepShape &shape) {
  return contraction(*this, shape, shape.cached * elementsOf(getKvB()));
}

/// Cached tokens that all rows see of a part of the context: at most what the part holds, and not
/// more than what is left behind its begin.
static int64_t seenOf(std::optional<ContextAttr> part, const StepShape &shape) {
  if (!part) {
    return shape.seen;
  }
  int64_t seen = std::max<int64_t>(0, shape.seen - shape.rows * part->getBegin());
  if (std::optional<int64_t> end = part->getEnd()) {
    seen = std::min(seen, shape.rows * (*end - part->getBegin()));
  }
  return seen;
}

Cost AttentionOp::getCost(const StepShape &shape) {
  int64_t width = dim(getQNope(), 2) + (getQRope() ? dim(getQRope(), 2) : 0) + dim(getV(), 2);
  return contraction(*this, shape, seenOf(getPart(), shape) * dim(getQNope(), 1) * width);
}

Cost LatentAttentionOp::getCost(const StepShape &shape) {
  int64_t width = 2 * dim(getQLatent(), 2) + dim(getQRope(), 2);
  return contraction(*this, shape, seenOf(getPart(), shape) * dim(getQLatent(), 1) * width);
}

Cost MergeAttentionOp::getCost(const StepShape &shape) {
  Cost cost = elementwise(*this, shape);
  cost.flops *= int64_t(getParts().size());
  return cost;
}

//===----------------------------------------------------------------------===//
// Experts
//===----------------------------------------------------------------------===//

Cost GateOp::getCost(const StepShape &shape) {
  return contraction(*this, shape, shape.rows * elementsOf(getWeight()));
}

/// Three contractions of each row with the matrices of an MLP, and its biases.
template <typename OpT> static Cost costOfMLP(OpT op, const StepShape &shape) {
  int64_t products = elementsOf(op.getGate()) + elementsOf(op.getUp()) + elementsOf(op.getDown());
  Cost cost = contraction(op, shape, shape.rows * products);
  if (op.getBiasGate()) {
    cost.flops += shape.rows * (elementsOf(op.getBiasGate()) + elementsOf(op.getBiasUp()) +
                                elementsOf(op.getBiasDown()));
  }
  return cost;
}

Cost MLPOp::getCost(const StepShape &shape) { return costOfMLP(*this, shape); }
Cost SharedExpertsOp::getCost(const StepShape &shape) { return costOfMLP(*this, shape); }

/// Each row passes `perRow` of the experts that `matrices` stack; at most `used` of them are read.
static Cost costOfExperts(Operation *op, const StepShape &shape, OperandRange matrices,
                          int64_t perRow, int64_t used) {
  Cost cost = moves(op, shape);
  for (auto [i, matrix] : llvm::enumerate(matrices)) {
    int64_t experts = dim(matrix, 0);
    cost.flops += 2 * shape.rows * perRow * (elementsOf(matrix) / experts);
    int64_t &bytes = cost.operandBytes[matrices.getBeginOperandIndex() + i];
    bytes = llvm::divideCeil(bytes, experts) * used;
  }
  return cost;
}

Cost RoutedExpertsOp::getCost(const StepShape &shape) {
  int64_t chosen = dim(getIds(), 1);
  return costOfExperts(*this, shape, getOperands().slice(3, 3), chosen,
                       std::min(dim(getGate(), 0), shape.rows * chosen));
}

Cost FusedExpertsOp::getCost(const StepShape &shape) {
  int64_t chosen = dim(getIds(), 1), shared = getShared();
  int64_t routed = dim(getGateUp(), 0) - shared;
  return costOfExperts(*this, shape, getOperands().slice(3, 2), chosen + shared,
                       std::min(routed, shape.rows * chosen) + shared);
}

} // namespace dsv2
} // namespace mlir
