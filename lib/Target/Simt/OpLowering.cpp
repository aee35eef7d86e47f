//===- OpLowering.cpp - threads, barriers, shuffles -----------------------===//
//
// A thread's numbers are fields of what it brings along; whatever it does together with others is a
// call.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Simt/OpLowering.h"

#include "lib/Support/SimtAbi.h"

#include "mlir/Dialect/AMDGPU/IR/AMDGPUDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/LLVMIR/ROCDLDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cstddef>

using namespace mlir;

namespace dsv2 {

Value OpLowering::i32(Location loc, int64_t value) {
  return LLVM::ConstantOp::create(b, loc, b.getI32Type(), b.getI32IntegerAttr(int32_t(value)));
}

Value OpLowering::i64(Location loc, int64_t value) {
  return LLVM::ConstantOp::create(b, loc, b.getI64Type(), b.getI64IntegerAttr(value));
}

Value OpLowering::toI64(Location loc, Value index) {
  return index.getType().isIndex()
             ? Value(arith::IndexCastOp::create(b, loc, b.getI64Type(), index))
             : index;
}

Value OpLowering::byteOffset(Location loc, Value pointer, int64_t bytes) {
  return LLVM::GEPOp::create(b, loc, pointer.getType(), b.getI8Type(), pointer,
                             ArrayRef<LLVM::GEPArg>{int32_t(bytes)});
}

Value OpLowering::field(Location loc, size_t offset) {
  return LLVM::LoadOp::create(b, loc, b.getI64Type(), byteOffset(loc, self, int64_t(offset)));
}

Value OpLowering::slot(Location loc, int64_t bytes) {
  OpBuilder::InsertionGuard guard(b);
  // In the first block: a loop would grow the stack.
  b.setInsertionPointToStart(&entry);
  constexpr unsigned kAlignment = 64;
  return LLVM::AllocaOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext()), b.getI8Type(),
                                i64(loc, bytes), kAlignment);
}

/// The thread's numbers, as index or, after a vendor's conversion, as i32.
bool OpLowering::lowerIndex(Operation *op) {
  Location loc = op->getLoc();
  using gpu::Dimension;
  auto along = [](Dimension dimension, int64_t offset) {
    return dimension == Dimension::x ? offset : int64_t(-1);
  };
  constexpr int64_t kNone = -2, kOtherDimension = -1;
  constexpr int64_t kThread = offsetof(SimtThread, thread),
                    kGroup = offsetof(SimtThread, workgroup),
                    kThreads = offsetof(SimtThread, threads),
                    kGroups = offsetof(SimtThread, workgroups);
  bool counts = isa<gpu::BlockDimOp, gpu::GridDimOp>(op);
  int64_t offset =
      llvm::TypeSwitch<Operation *, int64_t>(op)
          .Case<gpu::ThreadIdOp>([&](auto id) { return along(id.getDimension(), kThread); })
          .Case<gpu::BlockIdOp>([&](auto id) { return along(id.getDimension(), kGroup); })
          .Case<gpu::BlockDimOp>([&](auto id) { return along(id.getDimension(), kThreads); })
          .Case<gpu::GridDimOp>([&](auto id) { return along(id.getDimension(), kGroups); })
          .Case<NVVM::ThreadIdXOp, ROCDL::ThreadIdXOp>([&](auto) { return kThread; })
          .Case<NVVM::BlockIdXOp, ROCDL::BlockIdXOp>([&](auto) { return kGroup; })
          .Case<NVVM::BlockDimXOp>([&](auto) { return kThreads; })
          .Case<NVVM::GridDimXOp>([&](auto) { return kGroups; })
          .Case<gpu::LaneIdOp, gpu::SubgroupIdOp, NVVM::LaneIdOp>([&](auto) { return kThread; })
          .Default([&](Operation *) { return kNone; });
  if (offset == kNone) {
    return false;
  }
  Value value = offset == kOtherDimension ? i64(loc, counts ? 1 : 0) : field(loc, size_t(offset));
  if (isa<gpu::LaneIdOp, NVVM::LaneIdOp>(op)) {
    value = LLVM::URemOp::create(b, loc, value, i64(loc, lanes));
  } else if (isa<gpu::SubgroupIdOp>(op)) {
    value = LLVM::UDivOp::create(b, loc, value, i64(loc, lanes));
  }
  Type type = op->getResult(0).getType();
  if (type.isIndex()) {
    value = arith::IndexCastOp::create(b, loc, type, value);
  } else {
    value = LLVM::TruncOp::create(b, loc, type, value);
  }
  replace(op, value);
  return true;
}

LogicalResult OpLowering::lowerShuffle(Operation *op, Value value, Value offset, Value width,
                                       int32_t mode) {
  Location loc = op->getLoc();
  Type type = value.getType();
  if (!type.isF32() && !type.isInteger(32)) {
    return op->emitError() << "a shuffle of " << type << " is not modelled by Simt";
  }
  Value bits = type.isF32() ? Value(LLVM::BitcastOp::create(b, loc, b.getI32Type(), value)) : value;
  Value result =
      call(op, RuntimeCall::Shuffle, {i32(loc, lanes), i32(loc, mode), bits, offset, width});
  Value other = LLVM::TruncOp::create(b, loc, b.getI32Type(), result);
  if (type.isF32()) {
    other = LLVM::BitcastOp::create(b, loc, type, other);
  }
  Value valid = LLVM::TruncOp::create(b, loc, b.getI1Type(),
                                      LLVM::LShrOp::create(b, loc, result, i64(loc, 32)));
  if (auto both = dyn_cast<LLVM::LLVMStructType>(op->getResult(0).getType())) {
    Value pair = LLVM::UndefOp::create(b, loc, both);
    pair = LLVM::InsertValueOp::create(b, loc, pair, other, ArrayRef<int64_t>{0});
    replace(op, LLVM::InsertValueOp::create(b, loc, pair, valid, ArrayRef<int64_t>{1}).getResult());
  } else if (op->getNumResults() == 2) {
    replace(op, {other, valid});
  } else {
    replace(op, other);
  }
  return success();
}

std::optional<LogicalResult> OpLowering::lowerCommon(Operation *op) {
  Location loc = op->getLoc();
  if (isa<gpu::BarrierOp, NVVM::Barrier0Op>(op)) {
    call(op, RuntimeCall::Barrier, {i32(loc, 0), i32(loc, 0)});
    op->erase();
  } else if (auto barrier = dyn_cast<NVVM::BarrierOp>(op)) {
    if (barrier.getReductionOp()) {
      return op->emitError("a barrier with a reduction is not modelled by Simt");
    }
    Value id = barrier.getBarrierId() ? barrier.getBarrierId() : i32(loc, 0);
    Value count = barrier.getNumberOfThreads() ? barrier.getNumberOfThreads() : i32(loc, 0);
    call(op, RuntimeCall::Barrier, {id, count});
    op->erase();
  } else if (isa<NVVM::SyncWarpOp>(op)) {
    call(op, RuntimeCall::WarpBarrier, i32(loc, lanes));
    op->erase();
  } else if (auto shuffle = dyn_cast<gpu::ShuffleOp>(op)) {
    int32_t mode = 0;
    switch (shuffle.getMode()) {
    case gpu::ShuffleMode::XOR:
      mode = SimtShuffleXor;
      break;
    case gpu::ShuffleMode::UP:
      mode = SimtShuffleUp;
      break;
    case gpu::ShuffleMode::DOWN:
      mode = SimtShuffleDown;
      break;
    case gpu::ShuffleMode::IDX:
      mode = SimtShuffleIndex;
      break;
    }
    return lowerShuffle(op, shuffle.getValue(), shuffle.getOffset(), shuffle.getWidth(), mode);
  } else if (auto vendor = dyn_cast<NVVM::ShflOp>(op)) {
    int32_t mode = 0;
    switch (vendor.getKind()) {
    case NVVM::ShflKind::bfly:
      mode = SimtShuffleXor;
      break;
    case NVVM::ShflKind::up:
      mode = SimtShuffleUp;
      break;
    case NVVM::ShflKind::down:
      mode = SimtShuffleDown;
      break;
    case NVVM::ShflKind::idx:
      mode = SimtShuffleIndex;
      break;
    }
    // The segment mask stands in bits 8 and up: 32 - width, in the low five of them.
    Value mask = LLVM::LShrOp::create(b, loc, vendor.getMaskAndClamp(), i32(loc, 8));
    Value width = LLVM::SubOp::create(b, loc, i32(loc, 32), mask);
    return lowerShuffle(op, vendor.getVal(), vendor.getOffset(), width, mode);
  } else {
    return std::nullopt;
  }
  return success();
}

LogicalResult OpLowering::lower(Operation *op) {
  b.setInsertionPoint(op);
  if (isa<math::MathDialect>(op->getDialect()) || isa<LLVM::CallIntrinsicOp>(op)) {
    return lowerMath(op);
  }
  if (isa<memref::MemRefDialect>(op->getDialect()) ||
      op->getName().getDialectNamespace() == "vector") {
    checkIndices(op);
    return success();
  }
  if (!isa<gpu::GPUDialect, nvgpu::NVGPUDialect, NVVM::NVVMDialect, amdgpu::AMDGPUDialect,
           ROCDL::ROCDLDialect>(op->getDialect())) {
    return success();
  }
  if (lowerIndex(op)) {
    return success();
  }
  for (auto step : {&OpLowering::lowerCommon, &OpLowering::lowerCopy, &OpLowering::lowerMatrix,
                    &OpLowering::lowerMbarrier, &OpLowering::lowerWarpgroup}) {
    if (std::optional<LogicalResult> done = (this->*step)(op)) {
      return *done;
    }
  }
  return op->emitError() << "'" << op->getName() << "' is not modelled by Simt";
}

} // namespace dsv2
