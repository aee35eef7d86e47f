//===- GpuTiles.cpp - values of tiles, fragment by fragment ---------------===//
//
// A chunk is the values that a lane holds of a fragment; a row value meets them by being repeated
// for each value of its row. Row statistics are folded in the lane, then among the lanes of a row,
// then among the warps that share the rows: in that order, always.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/GpuEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <limits>

using namespace mlir;

namespace dsv2 {

Tile GpuEmitter::tileOf(const TileShape &shape, Fragments values) {
  auto out = std::make_shared<FragmentTile>();
  out->shape = shape;
  out->spread = spreadOf(shape);
  out->values = std::move(values);
  return {out};
}

RowVector GpuEmitter::rowsOf(int64_t height, Fragments values) {
  auto out = std::make_shared<LaneRows>();
  out->height = height;
  out->values = std::move(values);
  return {out};
}

Tile GpuEmitter::zeros(const TileShape &shape) {
  Spread spread = spreadOf(shape);
  auto type = VectorType::get({layout.values()}, b.getF32Type());
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
  return tileOf(shape, Fragments(spread.rowBlocks * spread.columnBlocks, zero));
}

RowVector GpuEmitter::fillRows(const RowBlock &rows, double value) {
  TileShape shape;
  shape.rows = rows;
  Value constant = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
  return rowsOf(rows.height, Fragments(spreadOf(shape).rowBlocks * laneRowCount(), constant));
}

Value GpuEmitter::splatRows(ArrayRef<Value> slots) {
  SmallVector<Value> values;
  for (int64_t slot : slotOfValue) {
    values.push_back(slots[slot]);
  }
  auto type = VectorType::get({layout.values()}, b.getF32Type());
  return vector::FromElementsOp::create(b, loc, type, values);
}

Tile GpuEmitter::mapTiles(ArrayRef<Tile> tiles, ArrayRef<RowVector> rows, const Map &map) {
  const auto &first = static_cast<const FragmentTile &>(*tiles.front().data);
  Fragments out;
  for (int64_t block = 0; block < first.spread.rowBlocks; ++block) {
    SmallVector<Value> spread;
    for (const RowVector &row : rows) {
      ArrayRef<Value> values = static_cast<const LaneRows &>(*row.data).values;
      spread.push_back(splatRows(values.slice(block * laneRowCount(), laneRowCount())));
    }
    for (int64_t column = 0; column < first.spread.columnBlocks; ++column) {
      SmallVector<Value> values;
      for (const Tile &tile : tiles) {
        values.push_back(static_cast<const FragmentTile &>(*tile.data)
                             .values[block * first.spread.columnBlocks + column]);
      }
      out.push_back(map(values, spread));
    }
  }
  return tileOf(first.shape, std::move(out));
}

RowVector GpuEmitter::mapRows(ArrayRef<RowVector> rows, const Map &map) {
  const auto &first = static_cast<const LaneRows &>(*rows.front().data);
  Fragments out;
  for (size_t i = 0; i < first.values.size(); ++i) {
    SmallVector<Value> values;
    for (const RowVector &row : rows) {
      values.push_back(static_cast<const LaneRows &>(*row.data).values[i]);
    }
    out.push_back(map({}, values));
  }
  return rowsOf(first.height, std::move(out));
}

Value GpuEmitter::tileRow(const Spread &spread, int64_t block, int64_t slot) {
  return add(add(warpRow(spread), laneRow), block * layout.rows + rowSlots[slot]);
}

Value GpuEmitter::tileColumn(const Spread &spread, int64_t block, int64_t value) {
  return add(add(warpColumn(spread), laneColumn),
             block * layout.columns + layout.ofValue(value).column);
}

Tile GpuEmitter::limitColumns(Tile handle, Value count) {
  const auto &tile = static_cast<const FragmentTile &>(*handle.data);
  Value nothing =
      arith::ConstantOp::create(b, loc, b.getF32FloatAttr(-std::numeric_limits<float>::infinity()));
  // Columns that exist from the lane's first on, none if negative: what each value is compared with
  // is one number.
  Value left = sub(count, add(warpColumn(tile.spread), laneColumn));
  left = arith::IndexCastOp::create(b, loc, b.getI32Type(), left);
  Fragments out;
  for (auto [number, fragment] : llvm::enumerate(tile.values)) {
    int64_t column = int64_t(number) % tile.spread.columnBlocks;
    SmallVector<Value> values;
    for (int64_t v = 0; v < layout.values(); ++v) {
      Value value = vector::ExtractOp::create(b, loc, fragment, v);
      Value after = arith::ConstantOp::create(
          b, loc, b.getI32IntegerAttr(int32_t(column * layout.columns + layout.ofValue(v).column)));
      Value exists = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, after, left);
      values.push_back(arith::SelectOp::create(b, loc, exists, value, nothing));
    }
    out.push_back(vector::FromElementsOp::create(b, loc, fragment.getType(), values));
  }
  return tileOf(tile.shape, std::move(out));
}

/// True for one lane of those that share rows: the first.
Value GpuEmitter::firstOfRow() {
  int64_t others = 0;
  for (auto [bit, place] : llvm::enumerate(layout.laneBits)) {
    if (place.row == 0) {
      others |= int64_t(1) << bit;
    }
  }
  Value bits = arith::AndIOp::create(b, loc, lane, index(others));
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, bits, index(0));
}

RowVector GpuEmitter::reduceRows(RowReduction reduction, const Tile &handle) {
  const auto &tile = static_cast<const FragmentTile &>(*handle.data);
  auto fold = [&](Value x, Value y) {
    return reduction == RowReduction::Sum ? addf(x, y) : maxf(x, y);
  };
  int64_t columns = tile.spread.columnBlocks;
  Fragments out;
  for (int64_t block = 0; block < tile.spread.rowBlocks; ++block) {
    for (int64_t slot = 0; slot < laneRowCount(); ++slot) {
      Value sum;
      for (int64_t column = 0; column < columns; ++column) {
        for (int64_t v = 0; v < layout.values(); ++v) {
          if (slotOfValue[v] == slot) {
            Value x = vector::ExtractOp::create(b, loc, tile.values[block * columns + column], v);
            sum = sum ? fold(sum, x) : x;
          }
        }
      }
      for (auto [bit, place] : llvm::enumerate(layout.laneBits)) {
        if (place.row == 0) {
          auto shuffle = gpu::ShuffleOp::create(b, loc, sum, int32_t(1) << bit, int32_t(plan.lanes),
                                                gpu::ShuffleMode::XOR);
          sum = fold(sum, shuffle.getShuffleResult());
        }
      }
      out.push_back(sum);
    }
  }
  if (tile.spread.columnWarps == 1) {
    return rowsOf(tile.shape.rows.height, std::move(out));
  }
  // Each warp has the statistics of its columns.
  int64_t height = tile.shape.rows.height;
  Value memory = statistics(tile.spread.columnWarps * height);
  fence();
  Value part = mul(div(warp, tile.spread.rowWarps), height);
  ifTrue(firstOfRow(), [&] {
    for (auto [number, value] : llvm::enumerate(out)) {
      Value row =
          tileRow(tile.spread, int64_t(number) / laneRowCount(), int64_t(number) % laneRowCount());
      memref::StoreOp::create(b, loc, value, memory, ValueRange{add(part, row)});
    }
  });
  barrier();
  for (auto [number, value] : llvm::enumerate(out)) {
    Value row =
        tileRow(tile.spread, int64_t(number) / laneRowCount(), int64_t(number) % laneRowCount());
    Value sum;
    for (int64_t w = 0; w < tile.spread.columnWarps; ++w) {
      Value x = memref::LoadOp::create(b, loc, memory, ValueRange{add(row, w * height)});
      sum = sum ? fold(sum, x) : x;
    }
    value = sum;
  }
  return rowsOf(height, std::move(out));
}

Value GpuEmitter::valuesAt(Value fragment, int64_t first, int64_t count) {
  if (count == 1) {
    return vector::ExtractOp::create(b, loc, fragment, first);
  }
  SmallVector<int64_t> picked;
  for (int64_t i = 0; i < count; ++i) {
    picked.push_back(first + i);
  }
  return vector::ShuffleOp::create(b, loc, fragment, fragment, picked);
}

Operand GpuEmitter::asOperand(Tile handle, Type element) {
  const auto &tile = static_cast<const FragmentTile &>(*handle.data);
  const Spread &spread = tile.spread;
  auto out = std::make_shared<StagedOperand>();
  int64_t ce = chunkElements(element), height = tile.shape.rows.height;
  int64_t columns = spread.columnWarps * spread.columnBlocks * layout.columns;
  out->element = element;
  out->chunks = (columns + ce - 1) / ce;
  out->chunkStride = (height + 1) * ce;
  fence();
  out->memory = shared(element, out->chunks * out->chunkStride);
  out->base = index(0);
  int64_t together = std::min(run, ce); // of one chunk
  for (auto [number, fragment] : llvm::enumerate(tile.values)) {
    int64_t block = int64_t(number) / spread.columnBlocks,
            column = int64_t(number) % spread.columnBlocks;
    for (int64_t v = 0; v < layout.values(); v += together) {
      Value at = tileColumn(spread, column, v), row = tileRow(spread, block, slotOfValue[v]);
      Value place = add(add(mul(div(at, ce), out->chunkStride), mul(row, ce)), rem(at, ce));
      Value value = valuesAt(fragment, v, together);
      if (!element.isF32()) {
        auto vectorType = dyn_cast<VectorType>(value.getType());
        Type narrow = vectorType ? Type(vectorType.clone(element)) : element;
        value = arith::TruncFOp::create(b, loc, narrow, value);
      }
      if (together > 1) {
        storeVector(value, out->memory, place);
      } else {
        memref::StoreOp::create(b, loc, value, out->memory, ValueRange{place});
      }
    }
  }
  // Seen by all after the next barrier: every step of a stream begins with one.
  return {out};
}

void GpuEmitter::forRowsOfTile(const FragmentTile &tile,
                               const std::function<void(int64_t, int64_t, Value)> &body) {
  for (int64_t block = 0; block < tile.spread.rowBlocks; ++block) {
    for (int64_t slot = 0; slot < laneRowCount(); ++slot) {
      Value row = add(tile.shape.rows.first, tileRow(tile.spread, block, slot));
      if (tile.shape.rows.limit) {
        ifTrue(less(row, tile.shape.rows.limit), [&] { body(block, slot, row); });
      } else {
        body(block, slot, row);
      }
    }
  }
}

void GpuEmitter::store(const Tile &handle, const Matrix &out, Value column, int64_t columns,
                       const Epilogue &epilogue) {
  const auto &tile = static_cast<const FragmentTile &>(*handle.data);
  const Spread &spread = tile.spread;
  // Neighbours are stored together where none of them can lie past the edge alone, and where that
  // is aligned.
  int64_t together = columns % run == 0 && isAligned(out, run) ? run : 1;
  int64_t width = spread.columnWarps * spread.columnBlocks * layout.columns;
  bool edge = columns % width != 0;
  forRowsOfTile(tile, [&](int64_t block, int64_t slot, Value row) {
    Value line = out.rowIndex ? out.rowIndex(row) : row;
    line = add(mul(line, out.rowStride), out.offset);
    for (int64_t c = 0; c < spread.columnBlocks; ++c) {
      for (int64_t v = 0; v < layout.values(); v += together) {
        if (slotOfValue[v] != slot) {
          continue;
        }
        Value at = add(column, tileColumn(spread, c, v));
        auto write = [&] {
          Value value = valuesAt(tile.values[block * spread.columnBlocks + c], v, together);
          value = epilogue({value, row, at});
          if (!out.element.isF32()) {
            auto vectorType = dyn_cast<VectorType>(value.getType());
            Type narrow = vectorType ? Type(vectorType.clone(out.element)) : out.element;
            value = arith::TruncFOp::create(b, loc, narrow, value);
          }
          Value place = add(line, at);
          if (together > 1) {
            storeVector(value, out.memory, place);
          } else {
            memref::StoreOp::create(b, loc, value, out.memory, ValueRange{place});
          }
        };
        if (edge) {
          ifTrue(less(at, index(columns)), write);
        } else {
          write();
        }
      }
    }
  });
}

Value GpuEmitter::load(const Matrix &matrix, const Chunk &chunk) {
  Value row = matrix.rowIndex ? matrix.rowIndex(chunk.row) : chunk.row;
  Value at = add(add(mul(row, matrix.rowStride), matrix.offset), chunk.column);
  auto wide = dyn_cast<VectorType>(chunk.value.getType());
  Value loaded;
  if (!wide) {
    loaded = memref::LoadOp::create(b, loc, matrix.memory, ValueRange{at});
  } else if (isAligned(matrix, wide.getNumElements())) {
    loaded = loadVector(cast<VectorType>(wide.clone(matrix.element)), matrix.memory, at);
  } else {
    SmallVector<Value> values;
    for (int64_t i = 0; i < wide.getNumElements(); ++i) {
      values.push_back(memref::LoadOp::create(b, loc, matrix.memory, ValueRange{add(at, i)}));
    }
    loaded = vector::FromElementsOp::create(b, loc, wide.clone(matrix.element), values);
  }
  return matrix.element.isF32() ? loaded
                                : arith::ExtFOp::create(b, loc, chunk.value.getType(), loaded);
}

void GpuEmitter::save(const TileState &state, Value memory, Value offset) {
  // Row values first, then rows of a multiple of 16 columns.
  Value at = offset;
  for (const RowVector &handle : state.rows) {
    const auto &rows = static_cast<const LaneRows &>(*handle.data);
    TileShape shape;
    shape.rows.height = rows.height;
    Spread spread = spreadOf(shape);
    Value writes = arith::AndIOp::create(b, loc, firstOfRow(), less(warp, index(spread.rowWarps)));
    ifTrue(writes, [&] {
      for (auto [number, value] : llvm::enumerate(rows.values)) {
        Value row =
            tileRow(spread, int64_t(number) / laneRowCount(), int64_t(number) % laneRowCount());
        memref::StoreOp::create(b, loc, value, memory, ValueRange{add(at, row)});
      }
    });
    at = add(at, rows.height);
  }
  for (const Tile &handle : state.tiles) {
    FragmentTile tile = static_cast<const FragmentTile &>(*handle.data);
    int64_t width = (tile.shape.columns + 15) / 16 * 16;
    tile.shape.rows.first = index(0);
    tile.shape.rows.limit = {};
    Matrix matrix{memory, at, width, b.getF32Type()};
    store({std::make_shared<FragmentTile>(tile)}, matrix, index(0), width,
          [](const Chunk &chunk) { return chunk.value; });
    at = add(at, width * tile.shape.rows.height);
  }
}

TileState GpuEmitter::restore(ArrayRef<TileShape> shapes, unsigned rowVectors, Value memory,
                              Value offset) {
  TileState out;
  Value at = offset;
  for (unsigned i = 0; i < rowVectors; ++i) {
    const TileShape &shape = shapes.front();
    Spread spread = spreadOf(shape);
    Fragments values;
    for (int64_t number = 0; number < spread.rowBlocks * laneRowCount(); ++number) {
      Value row = tileRow(spread, number / laneRowCount(), number % laneRowCount());
      values.push_back(memref::LoadOp::create(b, loc, memory, ValueRange{add(at, row)}));
    }
    out.rows.push_back(rowsOf(shape.rows.height, std::move(values)));
    at = add(at, shape.rows.height);
  }
  for (const TileShape &shape : shapes) {
    Spread spread = spreadOf(shape);
    int64_t width = (shape.columns + 15) / 16 * 16;
    bool aligned = isAligned({memory, at, width, b.getF32Type()}, run);
    bool edge = spread.columnWarps * spread.columnBlocks * layout.columns > width;
    Fragments values;
    for (int64_t number = 0; number < spread.rowBlocks * spread.columnBlocks; ++number) {
      SmallVector<Value> elements;
      for (int64_t v = 0; v < layout.values(); v += run) {
        Value row = tileRow(spread, number / spread.columnBlocks, slotOfValue[v]),
              column = tileColumn(spread, number % spread.columnBlocks, v);
        // Columns that were not saved are read as others that were; they are never stored.
        Value known = edge ? minimum(column, index(width - run)) : column;
        Value place = add(at, add(mul(row, width), known));
        if (run == 1) {
          elements.push_back(memref::LoadOp::create(b, loc, memory, ValueRange{place}));
          continue;
        }
        Value loaded = loadVector(VectorType::get({run}, b.getF32Type()), memory, place, aligned);
        for (int64_t i = 0; i < run; ++i) {
          elements.push_back(vector::ExtractOp::create(b, loc, loaded, i));
        }
      }
      auto type = VectorType::get({layout.values()}, b.getF32Type());
      values.push_back(vector::FromElementsOp::create(b, loc, type, elements));
    }
    out.tiles.push_back(tileOf(shape, std::move(values)));
    at = add(at, width * shape.rows.height);
  }
  return out;
}

Value GpuEmitter::exp2(Value x) { return math::Exp2Op::create(b, loc, x); }

} // namespace dsv2
