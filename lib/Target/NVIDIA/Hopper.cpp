//===- Hopper.cpp - instructions that sm_90a has and sm_80 has not --------===//
//
// A group of multiplications is one block from its fence to its wait: nothing of it is in flight
// where control flow, or another use of its registers, could come between.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/NVIDIA/Hopper.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace dsv2::hopper {
namespace {

/// Of NVIDIA's address spaces.
constexpr unsigned kSharedSpace = 3, kClusterSpace = 7;
/// Nanoseconds (at most) that a wait sleeps before it looks again.
constexpr int64_t kWaitTicks = 10000000;
constexpr int64_t kAllLanes = -1, kLastLane = 31;

Value i64(OpBuilder &b, Location loc, int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
}

Value pointer(OpBuilder &b, Location loc, Value address) {
  Value number = arith::IndexCastOp::create(b, loc, b.getI64Type(), address);
  return LLVM::IntToPtrOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext(), kSharedSpace),
                                  number);
}

/// Descriptors count in units of so many bytes.
constexpr int64_t kUnit = 16;

/// Where an operand lies: its address and the distances between its atoms, in units; the top bits
/// say 128-byte swizzle. Bytes are added to the address by adding units: it ends below 256 KB.
Value descriptor(OpBuilder &b, Location loc, Value address, int64_t leading) {
  constexpr int64_t kAddressBits = 0x3FFFF;
  int64_t layout =
      (leading / kUnit) << 16 | (kAtomBytes / kUnit) << 32 | int64_t(uint64_t(1) << 62);
  Value number = arith::IndexCastOp::create(b, loc, b.getI64Type(), address);
  number = arith::AndIOp::create(b, loc, number, i64(b, loc, kAddressBits));
  number = arith::ShRUIOp::create(b, loc, number, i64(b, loc, 4));
  return arith::OrIOp::create(b, loc, number, i64(b, loc, layout));
}

} // namespace

Value i32(OpBuilder &b, Location loc, int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(int32_t(value)));
}

Value toI32(OpBuilder &b, Location loc, Value index) {
  return arith::IndexCastOp::create(b, loc, b.getI32Type(), index);
}

void initBarrier(OpBuilder &b, Location loc, Value barrier, int64_t arrivals) {
  NVVM::MBarrierInitOp::create(b, loc, pointer(b, loc, barrier), i32(b, loc, arrivals), Value());
}

void arrive(OpBuilder &b, Location loc, Value barrier) {
  NVVM::MBarrierArriveOp::create(b, loc, b.getI64Type(), pointer(b, loc, barrier), Value());
}

void arriveExpecting(OpBuilder &b, Location loc, Value barrier, Value bytes) {
  NVVM::MBarrierArriveExpectTxOp::create(b, loc, Type(), pointer(b, loc, barrier),
                                         toI32(b, loc, bytes), NVVM::MemScopeKind::CTA,
                                         /*relaxed=*/false, Value());
}

void waitFor(OpBuilder &b, Location loc, Value barrier, Value parity) {
  NVVM::MBarrierTryWaitParityOp::create(b, loc, pointer(b, loc, barrier), toI32(b, loc, parity),
                                        i32(b, loc, kWaitTicks));
}

void fenceAsync(OpBuilder &b, Location loc) {
  NVVM::FenceProxyOp::create(
      b, loc, NVVM::ProxyKind::async_shared,
      NVVM::SharedSpaceAttr::get(b.getContext(), NVVM::SharedSpace::shared_cta));
}

void copyBox(OpBuilder &b, Location loc, Value to, Value map, Value row, Value column,
             Value barrier) {
  auto cluster = LLVM::LLVMPointerType::get(b.getContext(), kClusterSpace);
  Value place = LLVM::AddrSpaceCastOp::create(b, loc, cluster, pointer(b, loc, to));
  NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
      b, loc, place, map, ValueRange{toI32(b, loc, column), toI32(b, loc, row)},
      pointer(b, loc, barrier), ValueRange(), Value(), Value(), NVVM::TMALoadMode::TILE,
      /*isCTAOnly=*/false, NVVM::CTAGroupKindAttr(), Value());
}

Value uniform(OpBuilder &b, Location loc, Value index) {
  Value same =
      NVVM::ShflOp::create(b, loc, b.getI32Type(), i32(b, loc, kAllLanes), toI32(b, loc, index),
                           i32(b, loc, 0), i32(b, loc, kLastLane), NVVM::ShflKind::idx, UnitAttr());
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), same);
}

void multiply(OpBuilder &b, Location loc, MutableArrayRef<Accumulation> all) {
  // Everything that is no multiplication stands before the group or after it.
  struct Ready {
    LLVM::LLVMStructType type;
    Value sums;
    SmallVector<std::pair<Value, Value>> steps;
  };
  SmallVector<Ready> ready;
  for (const Accumulation &one : all) {
    SmallVector<Type> types(one.operands.columns / 2, b.getF32Type());
    Ready &out = ready.emplace_back();
    out.type = LLVM::LLVMStructType::getLiteral(b.getContext(), types);
    out.sums = LLVM::UndefOp::create(b, loc, out.type);
    for (auto [i, sum] : llvm::enumerate(one.sums)) {
      out.sums = LLVM::InsertValueOp::create(b, loc, out.sums, sum, ArrayRef<int64_t>{int64_t(i)});
    }
    bool columns = one.operands.lines == Lines::Columns;
    Value first = descriptor(b, loc, one.operands.first, kUnit);
    Value second = descriptor(b, loc, one.operands.second, columns ? one.operands.stride : kUnit);
    auto after = [&](Value base, int64_t bytes) {
      return b.createOrFold<arith::AddIOp>(loc, base, i64(b, loc, bytes / kUnit));
    };
    for (auto [ofFirst, ofSecond] : one.operands.steps) {
      out.steps.push_back({after(first, ofFirst), after(second, ofSecond)});
    }
  }
  NVVM::WgmmaFenceAlignedOp::create(b, loc);
  for (auto [one, out] : llvm::zip(all, ready)) {
    auto shape =
        NVVM::MMAShapeAttr::get(b.getContext(), kGroupRows, one.operands.columns, kGroupDepth);
    NVVM::MMALayout lines =
        one.operands.lines == Lines::Columns ? NVVM::MMALayout::row : NVVM::MMALayout::col;
    bool zero = one.sums.empty();
    for (auto [first, second] : out.steps) {
      out.sums = NVVM::WgmmaMmaAsyncOp::create(
          b, loc, out.type, out.sums, first, second, shape, NVVM::WGMMATypes::bf16,
          NVVM::WGMMATypes::bf16, NVVM::WGMMATypes::f32,
          zero ? NVVM::WGMMAScaleOut::zero : NVVM::WGMMAScaleOut::one, NVVM::WGMMAScaleIn::one,
          NVVM::WGMMAScaleIn::one, NVVM::MMALayout::row, lines, NVVM::MMAIntOverflowAttr());
      zero = false;
    }
  }
  NVVM::WgmmaGroupSyncAlignedOp::create(b, loc);
  NVVM::WgmmaWaitGroupSyncOp::create(b, loc, uint64_t(0));
  for (auto [one, out] : llvm::zip(all, ready)) {
    one.sums.clear();
    for (int64_t i = 0; i < one.operands.columns / 2; ++i) {
      one.sums.push_back(LLVM::ExtractValueOp::create(b, loc, out.sums, i));
    }
  }
}

} // namespace dsv2::hopper
