//===- LinearCache.cpp - a cache is used once ----------------------------------===//
//
// A cache value stands for memory that is updated in place, so using it twice would read the future
// or fork it. Every dsv2 op checks the caches that it takes and makes; together they see every
// cache.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/DSV2.h"

namespace mlir {
namespace dsv2 {

static bool consumesCache(Operation *op) {
  return isa<CacheAppendOp, LayersOp, YieldOp>(op) || op->hasTrait<OpTrait::ReturnLike>();
}

/// Checks all uses of one cache value; errors stand at `op`, which takes or makes it.
static LogicalResult verifyOneCache(Operation *op, Value cache) {
  OpOperand *consumer = nullptr;
  for (OpOperand &use : cache.getUses()) {
    if (!consumesCache(use.getOwner())) {
      continue;
    }
    if (consumer) {
      InFlightDiagnostic error =
          op->emitOpError("a cache is consumed twice, expected once [linear_cache.1]");
      error.attachNote(use.getOwner()->getLoc()) << "consumed here";
      error.attachNote(consumer->getOwner()->getLoc()) << "and here";
      return error;
    }
    consumer = &use;
  }
  if (!consumer) {
    return op->emitOpError("a cache is never consumed, expected one cache_append, layers, yield or "
                           "return to take it [linear_cache.2]");
  }
  Operation *last = consumer->getOwner();
  if (last->getBlock() != cache.getParentBlock()) {
    InFlightDiagnostic error =
        op->emitOpError("a cache is consumed in another block than it is made in [linear_cache.3]");
    error.attachNote(last->getLoc()) << "consumed here";
    return error;
  }
  for (OpOperand &use : cache.getUses()) {
    Operation *reader = use.getOwner();
    if (reader == last) {
      continue;
    }
    if (reader->getBlock() != last->getBlock() || !reader->isBeforeInBlock(last)) {
      InFlightDiagnostic error =
          op->emitOpError("a cache is read after or beside the op that consumes it, expected every "
                          "read before it in its block [linear_cache.4]");
      error.attachNote(reader->getLoc()) << "read here";
      error.attachNote(last->getLoc()) << "consumed here";
      return error;
    }
  }
  return success();
}

LogicalResult verifyLinearCache(Operation *op) {
  auto check = [&](Value value) {
    return isa<CacheType>(value.getType()) ? verifyOneCache(op, value) : success();
  };
  for (Value operand : op->getOperands()) {
    if (failed(check(operand))) {
      return failure();
    }
  }
  for (Value result : op->getResults()) {
    if (failed(check(result))) {
      return failure();
    }
  }
  for (Region &region : op->getRegions()) {
    for (BlockArgument argument : region.getArguments()) {
      if (failed(check(argument))) {
        return failure();
      }
    }
  }
  return success();
}

} // namespace dsv2
} // namespace mlir
