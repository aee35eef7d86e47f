//===- IndexChecks.cpp - indices of workgroup memory ----------------------===//
//
// All tiles of a workgroup lie in one range, so an index that leaves its own tile may still be a
// valid address: the shape of the memref says what the address cannot.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Simt/OpLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dsv2 {

void OpLowering::checkIndex(Operation *op, Value memory, ValueRange indices,
                            ArrayRef<int64_t> lengths) {
  auto type = cast<MemRefType>(memory.getType());
  auto space = dyn_cast_or_null<gpu::AddressSpaceAttr>(type.getMemorySpace());
  if (!space || space.getValue() != gpu::AddressSpace::Workgroup) {
    return;
  }
  Location loc = op->getLoc();
  for (auto [dimension, index] : llvm::enumerate(indices)) {
    int64_t extent = type.getDimSize(unsigned(dimension)), length = lengths[dimension];
    if (ShapedType::isDynamic(extent)) {
      continue;
    }
    // Unsigned: a negative index is a large one.
    Value last = arith::ConstantIndexOp::create(b, loc, extent - length);
    Value outside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ugt, index, last);
    auto branch = scf::IfOp::create(b, loc, outside, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&branch.getThenRegion().front());
    call(op, RuntimeCall::OutOfRange,
         {toI64(loc, index), i64(loc, length), i64(loc, extent), i32(loc, int64_t(dimension))});
  }
}

void OpLowering::checkIndices(Operation *op) {
  auto single = [](ValueRange indices) { return SmallVector<int64_t>(indices.size(), 1); };
  auto trailing = [&](ValueRange indices, VectorType vector) {
    SmallVector<int64_t> lengths = single(indices);
    for (int64_t i = 0; i < vector.getRank(); ++i) {
      lengths[lengths.size() - size_t(vector.getRank() - i)] = vector.getDimSize(unsigned(i));
    }
    return lengths;
  };
  if (auto load = dyn_cast<memref::LoadOp>(op)) {
    checkIndex(op, load.getMemref(), load.getIndices(), single(load.getIndices()));
  } else if (auto store = dyn_cast<memref::StoreOp>(op)) {
    checkIndex(op, store.getMemref(), store.getIndices(), single(store.getIndices()));
  } else if (auto load = dyn_cast<vector::LoadOp>(op)) {
    checkIndex(op, load.getBase(), load.getIndices(),
               trailing(load.getIndices(), load.getVectorType()));
  } else if (auto store = dyn_cast<vector::StoreOp>(op)) {
    checkIndex(op, store.getBase(), store.getIndices(),
               trailing(store.getIndices(), store.getVectorType()));
  }
}

} // namespace dsv2
