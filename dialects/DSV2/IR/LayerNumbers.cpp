//===- LayerNumbers.cpp - which layers an index names --------------------------===//
//
// A layer's number is the argument of a loop or prepare body, a constant, or one plus the other
// (`arith.addi`): a body that holds several layers names the second one l + 1.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/ShapeChecks.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

namespace mlir {
namespace dsv2 {

namespace {

/// Numbers begin, begin + step, ..., last. Unlike those of a range they may be below 0.
struct Numbers {
  int64_t begin = 0;
  int64_t last = 0;
  int64_t step = 1;
};

} // namespace

static std::optional<Numbers> numbersOf(RangeAttr range) {
  if (!range) {
    return std::nullopt;
  }
  return Numbers{range.getBegin(), range.getLast(), range.getStep()};
}

static std::optional<Numbers> numbersOf(Value layer) {
  if (auto argument = dyn_cast<BlockArgument>(layer)) {
    Operation *parent = argument.getOwner()->getParentOp();
    if (argument.getArgNumber() != 0) {
      return std::nullopt;
    }
    if (auto layers = dyn_cast_or_null<LayersOp>(parent)) {
      return numbersOf(layers.getRange());
    }
    if (auto prepare = dyn_cast_or_null<PrepareOp>(parent)) {
      return numbersOf(prepare.getLayersAttr());
    }
    return std::nullopt;
  }
  APInt constant;
  if (matchPattern(layer, m_ConstantInt(&constant))) {
    int64_t number = constant.getSExtValue();
    return Numbers{number, number, 1};
  }
  auto sum = layer.getDefiningOp<arith::AddIOp>();
  if (!sum) {
    return std::nullopt;
  }
  for (auto [base, offset] :
       {std::pair(sum.getLhs(), sum.getRhs()), std::pair(sum.getRhs(), sum.getLhs())}) {
    if (!matchPattern(offset, m_ConstantInt(&constant))) {
      continue;
    }
    if (std::optional<Numbers> numbers = numbersOf(base)) {
      numbers->begin += constant.getSExtValue();
      numbers->last += constant.getSExtValue();
      return numbers;
    }
  }
  return std::nullopt;
}

RangeAttr getRangeOfLayer(Value layer) {
  std::optional<Numbers> numbers = numbersOf(layer);
  if (!numbers || numbers->begin < 0) {
    return {};
  }
  return RangeAttr::get(layer.getContext(), numbers->begin, numbers->last + 1, numbers->step);
}

LogicalResult verifyLayerNumbers(Operation *op, Value layer) {
  std::optional<Numbers> numbers = numbersOf(layer);
  if (!numbers || numbers->begin >= 0) {
    return success();
  }
  return op->emitOpError("indexes layer ") << numbers->begin << ", expected at least 0 [layer.1]";
}

} // namespace dsv2
} // namespace mlir
