//===- MfmaEmitter.cpp - matrix instructions of waves of 64 ---------------===//
//
// Lane l has row (column) l % 16 of an operand, and the four k of its quarter l / 16. Which four is
// free, as long as both operands agree: where 32 k follow each other a lane reads a whole chunk and
// gives one half of it to each of two instructions.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/AMD/MfmaEmitter.h"

#include "mlir/Dialect/AMDGPU/IR/AMDGPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dsv2 {
namespace {

/// Rows and columns of a fragment, k of one instruction, and values that a lane has of an operand.
constexpr int64_t kSide = 16, kDepth = 16, kValues = 4;

} // namespace

MfmaEmitter::MfmaEmitter(MLIRContext *context)
    : GpuEmitter(context, amdPlan(64, "mfma16x16.tile")) {
  context->loadDialect<amdgpu::AMDGPUDialect>();
}

GpuEmitter::Fragments MfmaEmitter::multiply(const FragmentTile &tile, ArrayRef<Value> init,
                                            const StagedOperand &a, Value aChunk,
                                            const StagedOperand &second, int64_t depth,
                                            Along along) {
  if (!a.element.isBF16()) {
    return GpuEmitter::multiply(tile, init, a, aChunk, second, depth, along);
  }
  const Spread &spread = tile.spread;
  Fragments out(init);
  int64_t ce = chunkElements(a.element);
  Value lane = laneIndex();
  Value inFragment = rem(lane, kSide), quarter = div(lane, kSide);
  Value row = add(warpRow(spread), inFragment), column = add(warpColumn(spread), inFragment);
  auto half = VectorType::get({kValues}, a.element);
  auto chunkAt = [&](const StagedOperand &from, Value chunk, Value line) {
    return add(add(from.base, mul(chunk, from.chunkStride)), mul(line, ce));
  };
  auto halfOf = [&](Value chunk, int64_t number) -> Value {
    SmallVector<int64_t> picked;
    for (int64_t i = 0; i < kValues; ++i) {
      picked.push_back(number * kValues + i);
    }
    return vector::ShuffleOp::create(b, loc, chunk, chunk, picked);
  };
  // Operands of `count` instructions, one after the other.
  auto alongK = [&](const StagedOperand &from, Value firstChunk, Value line, int64_t count) {
    Fragments values;
    if (count == 2) {
      Value at = chunkAt(from, add(firstChunk, quarter), line);
      Value chunk = loadVector(VectorType::get({ce}, from.element), from.memory, at);
      values = {halfOf(chunk, 0), halfOf(chunk, 1)};
    } else {
      Value at = chunkAt(from, add(firstChunk, div(quarter, 2)), line);
      values = {loadVector(half, from.memory, add(at, mul(rem(quarter, 2), kValues)))};
    }
    return values;
  };
  // Down a column of cached rows: nothing loads that at once.
  auto down = [&](Value firstRow, Value line) -> Value {
    Value at = add(add(second.base, mul(div(line, ce), second.chunkStride)), rem(line, ce));
    SmallVector<Value> values;
    for (int64_t i = 0; i < kValues; ++i) {
      values.push_back(memref::LoadOp::create(b, loc, second.memory,
                                              ValueRange{add(at, mul(add(firstRow, i), ce))}));
    }
    return vector::FromElementsOp::create(b, loc, half, values);
  };
  int64_t count = along == Along::Rows && depth % (2 * kDepth) == 0 ? 2 : 1;
  for (int64_t k = 0; k < depth; k += count * kDepth) {
    SmallVector<Fragments> rows;
    for (int64_t block = 0; block < spread.rowBlocks; ++block) {
      rows.push_back(alongK(a, add(aChunk, k / ce), add(row, block * kSide), count));
    }
    for (int64_t block = 0; block < spread.columnBlocks; ++block) {
      Value line = add(column, block * kSide);
      Fragments columns = along == Along::Rows
                              ? alongK(second, index(k / ce), line, count)
                              : Fragments{down(add(mul(quarter, kValues), k), line)};
      for (int64_t rowBlock = 0; rowBlock < spread.rowBlocks; ++rowBlock) {
        Value &sum = out[rowBlock * spread.columnBlocks + block];
        for (int64_t i = 0; i < count; ++i) {
          sum = amdgpu::MFMAOp::create(b, loc, sum.getType(), uint32_t(kSide), uint32_t(kSide),
                                       uint32_t(kDepth), uint32_t(1), columns[i], rows[rowBlock][i],
                                       sum);
        }
      }
    }
  }
  return out;
}

} // namespace dsv2
