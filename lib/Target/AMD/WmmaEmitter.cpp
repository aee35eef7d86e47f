//===- WmmaEmitter.cpp - matrix instructions of waves of 32 ---------------===//
//
// Lane l has line l % 16 of an operand, all sixteen k of it: two chunks. Both halves of the wave
// read the same. Rows 2 v and 2 v + 1 of the result are value v of the first and the second half,
// so the instruction's row i is column i / 2 + 8 (i % 2) of the fragment.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/AMD/WmmaEmitter.h"

#include "lib/Target/AMD/MfmaEmitter.h"

#include "mlir/Dialect/AMDGPU/IR/AMDGPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/Sequence.h"

using namespace mlir;

namespace dsv2 {
namespace {

/// Rows and columns of a fragment, and k of one instruction.
constexpr int64_t kSide = 16, kDepth = 16;

} // namespace

WmmaEmitter::WmmaEmitter(MLIRContext *context)
    : GpuEmitter(context, amdPlan(32, "wmma16x16.tile")) {
  context->loadDialect<amdgpu::AMDGPUDialect>();
}

GpuEmitter::Fragments WmmaEmitter::multiply(const FragmentTile &tile, ArrayRef<Value> init,
                                            const StagedOperand &a, Value aChunk,
                                            const StagedOperand &second, int64_t depth,
                                            Along along) {
  if (!a.element.isBF16()) {
    return GpuEmitter::multiply(tile, init, a, aChunk, second, depth, along);
  }
  const Spread &spread = tile.spread;
  Fragments out(init);
  int64_t ce = chunkElements(a.element);
  Value inFragment = rem(laneIndex(), kSide);
  Value row = add(warpRow(spread), inFragment);
  Value column =
      add(warpColumn(spread), add(div(inFragment, 2), mul(rem(inFragment, 2), kSide / 2)));
  auto whole = VectorType::get({kDepth}, a.element);
  auto alongK = [&](const StagedOperand &from, Value firstChunk, Value line) -> Value {
    auto chunk = VectorType::get({ce}, from.element);
    Value at = add(add(from.base, mul(firstChunk, from.chunkStride)), mul(line, ce));
    Value low = loadVector(chunk, from.memory, at),
          high = loadVector(chunk, from.memory, add(at, from.chunkStride));
    return vector::ShuffleOp::create(b, loc, low, high,
                                     llvm::to_vector(llvm::seq<int64_t>(0, kDepth)));
  };
  // Down a column of cached rows: nothing loads that at once.
  auto down = [&](int64_t firstRow, Value line) -> Value {
    Value at = add(add(second.base, mul(div(line, ce), second.chunkStride)), rem(line, ce));
    SmallVector<Value> values;
    for (int64_t i = 0; i < kDepth; ++i) {
      values.push_back(
          memref::LoadOp::create(b, loc, second.memory, ValueRange{add(at, (firstRow + i) * ce)}));
    }
    return vector::FromElementsOp::create(b, loc, whole, values);
  };
  for (int64_t k = 0; k < depth; k += kDepth) {
    SmallVector<Value> rows;
    for (int64_t block = 0; block < spread.rowBlocks; ++block) {
      rows.push_back(alongK(a, add(aChunk, k / ce), add(row, block * kSide)));
    }
    for (int64_t block = 0; block < spread.columnBlocks; ++block) {
      Value line = add(column, block * kSide);
      Value columns = along == Along::Rows ? alongK(second, index(k / ce), line) : down(k, line);
      for (int64_t rowBlock = 0; rowBlock < spread.rowBlocks; ++rowBlock) {
        Value &sum = out[rowBlock * spread.columnBlocks + block];
        sum = amdgpu::WMMAOp::create(b, loc, sum.getType(), uint32_t(kSide), uint32_t(kSide),
                                     uint32_t(kDepth), columns, rows[rowBlock], sum);
      }
    }
  }
  return out;
}

} // namespace dsv2
