//===- GpuContract.cpp - contractions of staged and paged operands --------===//
//
// Multiplication element by element, which every machine has, and the two walks over a paged cache:
// over the depth for scores, over the tokens for results. Either way each output has one
// accumulator and k ascends.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/GpuEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dsv2 {
namespace {

/// Cached tokens in one step of a walk over them; a matrix instruction takes no fewer than 16.
constexpr int64_t kMostTokens = 32, kMatrixTokens = 16;

} // namespace

GpuEmitter::Fragments GpuEmitter::multiply(const FragmentTile &tile, ArrayRef<Value> init,
                                           const StagedOperand &a, Value aChunk,
                                           const StagedOperand &second, int64_t depth,
                                           Along along) {
  const Spread &spread = tile.spread;
  // k at a time: down a column no two of them are neighbours, and code for a chunk would be long.
  int64_t ce = chunkElements(a.element), width = along == Along::Rows ? ce : 1;
  auto wide = [&](Value x) {
    auto type = cast<VectorType>(x.getType());
    return a.element.isF32() ? x
                             : Value(arith::ExtFOp::create(b, loc, type.clone(b.getF32Type()), x));
  };
  auto rowAt = [&](const StagedOperand &from, Value k, Value row) {
    Value at = add(add(from.base, mul(div(k, ce), from.chunkStride)), mul(row, ce));
    return wide(loadVector(VectorType::get({width}, from.element), from.memory,
                           add(at, width == ce ? index(0) : rem(k, ce))));
  };
  // Columns that the values of a lane lie in.
  SmallVector<int64_t> firstOfColumn, columnOfValue;
  for (int64_t v = 0; v < layout.values(); ++v) {
    auto same = llvm::find_if(firstOfColumn, [&](int64_t first) {
      return layout.ofValue(first).column == layout.ofValue(v).column;
    });
    columnOfValue.push_back(same - firstOfColumn.begin());
    if (same == firstOfColumn.end()) {
      firstOfColumn.push_back(v);
    }
  }
  // b[k, c] for the step's k, as an f32 vector.
  auto columnOf = [&](Value k, int64_t block, int64_t value) -> Value {
    Value column = tileColumn(spread, block, value);
    if (along == Along::Rows) {
      return rowAt(second, k, column);
    }
    Value at = add(second.base, add(mul(div(column, ce), second.chunkStride), rem(column, ce)));
    auto one = VectorType::get({1}, second.element);
    return wide(loadVector(one, second.memory, add(at, mul(k, ce))));
  };
  Value firstK = mul(aChunk, ce);
  return loopCarrying(
      index(0), index((depth + width - 1) / width), init, [&](Value step, ArrayRef<Value> carried) {
        Value k = mul(step, width);
        SmallVector<Value> rows; // [rowBlocks][slots]
        for (int64_t block = 0; block < spread.rowBlocks; ++block) {
          for (int64_t slot = 0; slot < laneRowCount(); ++slot) {
            rows.push_back(rowAt(a, add(firstK, k), tileRow(spread, block, slot)));
          }
        }
        Fragments out(carried);
        for (int64_t column = 0; column < spread.columnBlocks; ++column) {
          SmallVector<Value> columns;
          for (int64_t value : firstOfColumn) {
            columns.push_back(columnOf(k, column, value));
          }
          for (int64_t block = 0; block < spread.rowBlocks; ++block) {
            Value &fragment = out[block * spread.columnBlocks + column];
            SmallVector<Value> sums;
            for (int64_t v = 0; v < layout.values(); ++v) {
              Value sum = vector::ExtractOp::create(b, loc, fragment, v);
              Value x = rows[block * laneRowCount() + slotOfValue[v]],
                    y = columns[columnOfValue[v]];
              for (int64_t i = 0; i < width; ++i) {
                sum = math::FmaOp::create(b, loc, vector::ExtractOp::create(b, loc, x, i),
                                          vector::ExtractOp::create(b, loc, y, i), sum);
              }
              sums.push_back(sum);
            }
            fragment = vector::FromElementsOp::create(b, loc, fragment.getType(), sums);
          }
        }
        return out;
      });
}

Tile GpuEmitter::contract(Tile accumulator, const Operand &first, const Operand &second,
                          Along along) {
  auto tile = std::static_pointer_cast<FragmentTile>(accumulator.data);
  const auto *paged = dynamic_cast<const PagedOperand *>(second.data.get());
  if (paged && along == Along::Rows) {
    return contractTokens(tile, first, paged->panel);
  }
  const auto *streamed = dynamic_cast<const StreamedRows *>(first.data.get());
  Operand near = streamed ? stageRows(streamed->panel) : first;
  const auto &a = static_cast<const StagedOperand &>(*near.data);
  if (paged) {
    return contractColumns(tile, a, paged->panel);
  }
  if (copiesOpen) {
    finishCopies();
    barrier();
  }
  const auto &staged = static_cast<const StagedOperand &>(*second.data);
  int64_t depth = staged.chunks * chunkElements(staged.element);
  return tileOf(tile->shape, multiply(*tile, tile->values, a, index(0), staged, depth, along));
}

/// Scores: the tokens are the tile's columns, and each step brings a piece of all of them.
Tile GpuEmitter::contractTokens(std::shared_ptr<FragmentTile> tile, const Operand &first,
                                const PagedPanel &panel) {
  int64_t step = plan.stageChunks * chunkElements(panel.cache.element);
  SmallVector<Source, 2> sources = {
      tokenSource(panel, tile->shape.columns, plan.stageChunks, Along::Rows)};
  const auto *streamed = dynamic_cast<const StreamedRows *>(first.data.get());
  if (streamed) {
    sources.push_back(rowsSource(streamed->panel));
  }
  auto piece = [](const Operand &from) -> const StagedOperand & {
    return static_cast<const StagedOperand &>(*from.data);
  };
  Fragments out = stream(index((panel.depth + step - 1) / step), sources, tile->values,
                         [&](Value number, ArrayRef<Operand> staged, ArrayRef<Value> values) {
                           return streamed ? multiply(*tile, values, piece(staged[1]), index(0),
                                                      piece(staged[0]), step, Along::Rows)
                                           : multiply(*tile, values, piece(first),
                                                      mul(number, plan.stageChunks),
                                                      piece(staged[0]), step, Along::Rows);
                         });
  return tileOf(tile->shape, std::move(out));
}

/// Results: the tokens are k, a few each step, all columns of them.
Tile GpuEmitter::contractColumns(std::shared_ptr<FragmentTile> tile, const StagedOperand &a,
                                 const PagedPanel &panel) {
  const Spread &spread = tile->spread;
  int64_t ce = chunkElements(a.element);
  int64_t columns = spread.columnWarps * spread.columnBlocks * layout.columns;
  int64_t chunks = (columns + ce - 1) / ce;
  int64_t fewest = a.element.isBF16() ? kMatrixTokens : ce;
  int64_t tokens = plan.tokenChunks / chunks / fewest * fewest;
  tokens = std::min(std::max(tokens, fewest), kMostTokens);
  Source source = tokenSource(panel, tokens, chunks, Along::Columns);
  Fragments out = stream(ceilDiv(panel.count, tokens), source, tile->values,
                         [&](Value number, ArrayRef<Operand> staged, ArrayRef<Value> values) {
                           return multiply(*tile, values, a, mul(number, tokens / ce),
                                           static_cast<const StagedOperand &>(*staged.front().data),
                                           tokens, Along::Columns);
                         });
  return tileOf(tile->shape, std::move(out));
}

} // namespace dsv2
