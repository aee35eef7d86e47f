//===- Sm80Emitter.cpp - asynchronous copies and mma.sync -----------------===//
//
// Which lane gives which address to a matrix load follows from the chunks' order in workgroup
// memory; which register then holds what is the instruction's layout (m16n8k16 in
// FragmentLayouts.h).
//
//===----------------------------------------------------------------------===//
#include "lib/Target/NVIDIA/Sm80Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dsv2 {
namespace {

/// k of one multiplication, and columns of its second operand.
constexpr int64_t kDepth = 16, kColumns = 8;

GpuPlan planOf(int64_t manyRows) {
  GpuPlan plan;
  plan.manyRows = manyRows;
  return plan;
}

} // namespace

Sm80Emitter::Sm80Emitter(MLIRContext *context, int64_t manyRows)
    : GpuEmitter(context, planOf(manyRows)) {
  context->loadDialect<LLVM::LLVMDialect, NVVM::NVVMDialect, nvgpu::NVGPUDialect>();
}

void Sm80Emitter::copyChunk(Value from, Value fromAt, Value to, Value toAt, Value valid) {
  int64_t elements = chunkElements(cast<MemRefType>(from.getType()).getElementType());
  Value read;
  if (valid) {
    // What is not read is zero.
    read = arith::SelectOp::create(b, loc, valid, index(elements), index(0));
  }
  nvgpu::DeviceAsyncCopyOp::create(b, loc, nvgpu::DeviceAsyncTokenType::get(b.getContext()), to,
                                   ValueRange{toAt}, from, ValueRange{fromAt},
                                   b.getIndexAttr(elements), read, /*bypassL1=*/b.getUnitAttr());
}

Value Sm80Emitter::commitCopies() {
  return nvgpu::DeviceAsyncCreateGroupOp::create(
      b, loc, nvgpu::DeviceAsyncTokenType::get(b.getContext()), ValueRange{});
}

void Sm80Emitter::waitForCopies(Value token, int64_t pending) {
  nvgpu::DeviceAsyncWaitOp::create(b, loc, token, b.getI32IntegerAttr(int32_t(pending)));
}

GpuEmitter::Fragments Sm80Emitter::loadMatrices(const StagedOperand &from, Value chunk, Value row,
                                                bool transpose) {
  int64_t ce = chunkElements(from.element);
  Value at = add(add(from.base, mul(chunk, from.chunkStride)), mul(row, ce));
  auto type = VectorType::get({4, 2}, from.element);
  Value loaded = nvgpu::LdMatrixOp::create(b, loc, type, from.memory, ValueRange{at}, transpose,
                                           /*numTiles=*/uint32_t(4));
  Fragments out;
  for (int64_t i = 0; i < 4; ++i) {
    Value pair = vector::ExtractOp::create(b, loc, loaded, i);
    Value word = vector::BitCastOp::create(b, loc, VectorType::get({1}, b.getI32Type()), pair);
    out.push_back(vector::ExtractOp::create(b, loc, word, 0));
  }
  return out;
}

Value Sm80Emitter::multiplyFragments(ArrayRef<Value> a, ArrayRef<Value> second, Value accumulator) {
  SmallVector<Value> sums;
  for (int64_t i = 0; i < 4; ++i) {
    sums.push_back(vector::ExtractOp::create(b, loc, accumulator, i));
  }
  Type f32 = b.getF32Type();
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), {f32, f32, f32, f32});
  std::array<NVVM::MMATypes, 2> types = {NVVM::MMATypes::bf16, NVVM::MMATypes::bf16};
  std::array<NVVM::MMALayout, 2> layouts = {NVVM::MMALayout::row, NVVM::MMALayout::col};
  Value product = NVVM::MmaOp::create(b, loc, type, a, second, sums, {16, kColumns, kDepth},
                                      std::nullopt, std::nullopt, types, layouts);
  for (int64_t i = 0; i < 4; ++i) {
    sums[i] = LLVM::ExtractValueOp::create(b, loc, product, i);
  }
  return vector::FromElementsOp::create(b, loc, accumulator.getType(), sums);
}

GpuEmitter::Fragments Sm80Emitter::multiply(const FragmentTile &tile, ArrayRef<Value> init,
                                            const StagedOperand &a, Value aChunk,
                                            const StagedOperand &second, int64_t depth,
                                            Along along) {
  if (!a.element.isBF16()) {
    return GpuEmitter::multiply(tile, init, a, aChunk, second, depth, along);
  }
  const Spread &spread = tile.spread;
  Fragments out(init);
  int64_t ce = chunkElements(a.element), perStep = kDepth / ce;
  Value lane = laneIndex();
  // Of 32 addresses, eight name the rows of each matrix.
  Value low = rem(lane, 16), high = div(lane, 16);
  Value rowA = add(warpRow(spread), low);
  Value rowB = add(warpColumn(spread), add(rem(lane, 8), mul(high, 8))),
        chunkB = rem(div(lane, 8), 2);
  Value columnChunk = add(div(warpColumn(spread), ce), high);
  for (int64_t k = 0; k < depth; k += kDepth) {
    SmallVector<Fragments> rows;
    Value chunkA = add(aChunk, add(high, k / kDepth * perStep));
    for (int64_t block = 0; block < spread.rowBlocks; ++block) {
      rows.push_back(loadMatrices(a, chunkA, add(rowA, block * 16), /*transpose=*/false));
    }
    for (int64_t pair = 0; pair < spread.columnBlocks / 2; ++pair) {
      Fragments columns =
          along == Along::Rows
              ? loadMatrices(second, add(chunkB, k / kDepth * perStep), add(rowB, pair * 16),
                             /*transpose=*/false)
              : loadMatrices(second, add(columnChunk, pair * 16 / ce), add(low, k),
                             /*transpose=*/true);
      for (int64_t block = 0; block < spread.rowBlocks; ++block) {
        for (int64_t half = 0; half < 2; ++half) {
          Value &sum = out[block * spread.columnBlocks + 2 * pair + half];
          sum = multiplyFragments(rows[block], ArrayRef(columns).slice(2 * half, 2), sum);
        }
      }
    }
  }
  return out;
}

} // namespace dsv2
