//===- CopyLowering.cpp - asynchronous copies -----------------------------===//
//
// A copy, the end of a group and a wait are one call each; tokens only order operations of one
// thread, which its program order does already.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Simt/OpLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"

using namespace mlir;

namespace dsv2 {

Value OpLowering::addressOf(Location loc, Value memory, ValueRange indices) {
  auto type = cast<MemRefType>(memory.getType());
  auto parts = memref::ExtractStridedMetadataOp::create(b, loc, memory);
  Value offset = parts.getOffset();
  for (auto [index, stride] : llvm::zip_equal(indices, parts.getStrides())) {
    Value scaled = arith::MulIOp::create(b, loc, index, stride);
    offset = arith::AddIOp::create(b, loc, offset, scaled);
  }
  Value bytes = arith::ConstantIndexOp::create(b, loc, type.getElementTypeBitWidth() / 8);
  offset = arith::MulIOp::create(b, loc, offset, bytes);
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, memory);
  Value address = toI64(loc, arith::AddIOp::create(b, loc, base, offset));
  return LLVM::IntToPtrOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext()), address);
}

std::optional<LogicalResult> OpLowering::lowerCopy(Operation *op) {
  Location loc = op->getLoc();
  if (auto copy = dyn_cast<nvgpu::DeviceAsyncCopyOp>(op)) {
    int64_t element = cast<MemRefType>(copy.getDst().getType()).getElementTypeBitWidth() / 8;
    int64_t elements = copy.getDstElements().getSExtValue();
    SmallVector<int64_t> lengths(copy.getDstIndices().size(), 1);
    lengths.back() = elements;
    checkIndex(op, copy.getDst(), copy.getDstIndices(), lengths);
    Value read = i32(loc, elements * element);
    if (Value count = copy.getSrcElements()) {
      Value narrow = LLVM::TruncOp::create(b, loc, b.getI32Type(), toI64(loc, count));
      read = LLVM::MulOp::create(b, loc, narrow, i32(loc, element));
    }
    call(op, RuntimeCall::AsyncCopy,
         {addressOf(loc, copy.getDst(), copy.getDstIndices()),
          addressOf(loc, copy.getSrc(), copy.getSrcIndices()), i32(loc, elements * element), read});
  } else if (isa<nvgpu::DeviceAsyncCreateGroupOp, NVVM::CpAsyncCommitGroupOp>(op)) {
    call(op, RuntimeCall::AsyncCommit, {});
  } else if (auto wait = dyn_cast<nvgpu::DeviceAsyncWaitOp>(op)) {
    call(op, RuntimeCall::AsyncWait, i32(loc, wait.getNumGroups().value_or(0)));
  } else if (auto copy = dyn_cast<NVVM::CpAsyncOp>(op)) {
    Value bytes = i32(loc, copy.getSize());
    call(op, RuntimeCall::AsyncCopy,
         {copy.getDst(), copy.getSrc(), bytes, copy.getCpSize() ? copy.getCpSize() : bytes});
  } else if (auto wait = dyn_cast<NVVM::CpAsyncWaitGroupOp>(op)) {
    call(op, RuntimeCall::AsyncWait, i32(loc, wait.getN()));
  } else {
    return std::nullopt;
  }
  // A token may pass through loops: what takes it is lowered without it.
  if (op->getNumResults() == 1 && !op->use_empty()) {
    Type token = op->getResult(0).getType();
    op->getResult(0).replaceAllUsesWith(
        UnrealizedConversionCastOp::create(b, loc, token, ValueRange{}).getResult(0));
  }
  op->erase();
  return success();
}

} // namespace dsv2
