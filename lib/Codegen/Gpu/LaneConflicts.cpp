//===- LaneConflicts.cpp - where lanes of a distributed row meet ----------===//
//
// Two accesses stay with their lane when their loops go round the lanes alike and their places are
// written alike; they are apart when they touch other memory, other columns or, from row to row,
// other rows.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/LaneConflicts.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

#include <optional>

using namespace mlir;

namespace dsv2 {
namespace {

Value slotOf(Value memory) {
  while (auto view = memory.getDefiningOp<ViewLikeOpInterface>()) {
    memory = view.getViewSource();
  }
  return memory;
}

/// Columns that an access may touch, over all trips of its loop: [first, second); nothing where
/// they are not constant.
std::optional<std::pair<int64_t, int64_t>> columnsOf(const LaneAccess &access) {
  if (access.indices.empty()) {
    return std::nullopt;
  }
  Value last = access.indices.back();
  if (std::optional<int64_t> constant = getConstantIntValue(last)) {
    return std::pair(*constant, *constant + access.elements);
  }
  scf::ForOp pieces = access.pieces;
  if (!pieces || last != pieces.getInductionVar()) {
    return std::nullopt;
  }
  std::optional<int64_t> begin = getConstantIntValue(pieces.getLowerBound()),
                         end = getConstantIntValue(pieces.getUpperBound()),
                         step = getConstantIntValue(pieces.getStep());
  if (!begin || !end || !step || *step != access.elements) {
    return std::nullopt;
  }
  return std::pair(*begin, *end);
}

/// Whether the loops hand out the same trips to the same lanes.
bool goAlike(scf::ForOp a, scf::ForOp c) {
  auto same = [](Value x, Value y) {
    std::optional<int64_t> left = getConstantIntValue(x), right = getConstantIntValue(y);
    return x == y || (left && right && *left == *right);
  };
  return same(a.getLowerBound(), c.getLowerBound()) && same(a.getStep(), c.getStep());
}

bool sameIndex(const LaneAccess &a, const LaneAccess &c, size_t i) {
  Value x = a.indices[i], y = c.indices[i];
  scf::ForOp left = a.pieces, right = c.pieces;
  bool bothMove = left && right && x == left.getInductionVar() && y == right.getInductionVar();
  std::optional<int64_t> first = getConstantIntValue(x), second = getConstantIntValue(y);
  return x == y || bothMove || (first && second && *first == *second);
}

} // namespace

SmallVector<LaneAccess> laneAccesses(Operation *root, scf::ForOp pieces) {
  SmallVector<LaneAccess> out;
  auto add = [&](Value memory, OperandRange indices, int64_t elements, bool write) {
    out.push_back({memory, SmallVector<Value>(indices), elements, write, pieces});
  };
  root->walk([&](Operation *op) {
    if (auto load = dyn_cast<memref::LoadOp>(op)) {
      add(load.getMemref(), load.getIndices(), 1, false);
    } else if (auto store = dyn_cast<memref::StoreOp>(op)) {
      add(store.getMemref(), store.getIndices(), 1, true);
    } else if (auto load = dyn_cast<vector::LoadOp>(op)) {
      add(load.getBase(), load.getIndices(), load.getVectorType().getNumElements(), false);
    } else if (auto store = dyn_cast<vector::StoreOp>(op)) {
      add(store.getBase(), store.getIndices(), store.getVectorType().getNumElements(), true);
    } else if (auto read = dyn_cast<vector::TransferReadOp>(op)) {
      add(read.getBase(), read.getIndices(), read.getVectorType().getNumElements(), false);
    } else if (auto write = dyn_cast<vector::TransferWriteOp>(op)) {
      add(write.getBase(), write.getIndices(), write.getVectorType().getNumElements(), true);
    }
  });
  return out;
}

bool lanesConflict(const LaneAccess &a, const LaneAccess &c, scf::ForOp laterRow) {
  if ((!a.write && !c.write) || slotOf(a.memory) != slotOf(c.memory)) {
    return false;
  }
  if (a.write && c.write && !a.pieces && !c.pieces) {
    return false; // the same one lane
  }
  if (a.memory != c.memory || a.indices.size() != c.indices.size()) {
    return true;
  }
  size_t count = a.indices.size();
  if (laterRow) {
    for (size_t i = 0; i < count; ++i) {
      if (a.indices[i] == laterRow.getInductionVar() && c.indices[i] == a.indices[i]) {
        return false;
      }
    }
  }
  auto left = columnsOf(a), right = columnsOf(c);
  bool sameLines = true;
  for (size_t i = 0; i + 1 < count; ++i) {
    sameLines &= sameIndex(a, c, i);
  }
  if (sameLines && left && right &&
      (left->second <= right->first || right->second <= left->first)) {
    return false;
  }
  bool samePlace = count > 0 && sameLines && sameIndex(a, c, count - 1);
  return !(samePlace && a.elements == c.elements && a.pieces && c.pieces &&
           goAlike(a.pieces, c.pieces));
}

} // namespace dsv2
