//===- X86MemoryTiles.cpp - tiles of attention, in memory -----------------===//
//
// Scores lie column by column with their rows (heads) in lanes, so row statistics are elementwise.
// Results lie row by row with columns in lanes. A row value meets a result by being spread from
// memory.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/X86/X86Data.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dsv2 {

std::shared_ptr<X86Emitter::MemoryTile> X86Emitter::allocateTile(const TileShape &shape) {
  auto tile = std::make_shared<MemoryTile>();
  tile->kind = shape.kind;
  tile->rows = shape.rows;
  tile->columns = shape.columns;
  bool scores = shape.kind == TileKind::Scores;
  tile->stride = scores ? kHeads : (shape.columns + 15) / 16 * 16;
  tile->memory = scratch(b.getF32Type(), tile->stride * (scores ? shape.columns : kHeads));
  tile->base = index(0);
  tile->isZero = true;
  return tile;
}

void X86Emitter::fillTile(const MemoryTile &tile) {
  Value zero = zeroVector();
  loop(index(0), index(tile.stride * kHeads / tier.lanes), [&](Value number) {
    storeVector(zero, tile.memory, add(tile.base, mul(number, tier.lanes)));
  });
}

void X86Emitter::pipelineSteps(Value steps, const PanelMaker &panels, ArrayRef<TileShape> shapes,
                               ArrayRef<RowVector> rows, const StepBody &body,
                               const Finish &finish) {
  TileState state;
  for (const TileShape &shape : shapes) {
    std::shared_ptr<MemoryTile> tile = allocateTile(shape);
    fillTile(*tile);
    tile->isZero = false;
    state.tiles.push_back({tile});
  }
  Accumulators init;
  for (const RowVector &row : rows) {
    init.append(static_cast<const Lanes &>(*row.data).values);
  }
  auto unpack = [&](ArrayRef<Value> values) {
    TileState out;
    out.tiles = state.tiles;
    for (; !values.empty(); values = values.drop_front(rowVectors())) {
      out.rows.push_back(makeRows(Accumulators(values.take_front(rowVectors()))));
    }
    return out;
  };
  Accumulators last = loopCarrying(steps, init, [&](Value step, ArrayRef<Value> carried) {
    SmallVector<Operand> staged;
    for (const Panel &panel : panels(step)) {
      staged.push_back(resident(panel, TileKind::Scores));
    }
    // Tiles are linear: what comes back lies where it lay.
    TileState next = body(step, staged, unpack(carried));
    Accumulators values;
    for (const RowVector &row : next.rows) {
      values.append(static_cast<const Lanes &>(*row.data).values);
    }
    return values;
  });
  finish(unpack(last));
}

RowVector X86Emitter::reduceRows(RowReduction reduction, const Tile &handle) {
  const auto &tile = static_cast<const MemoryTile &>(*handle.data);
  bool sum = reduction == RowReduction::Sum;
  Accumulators init(rowVectors(), constantVector(sum ? 0.0 : -3.0e38));
  return makeRows(loopCarrying(tile.count, init, [&](Value column, ArrayRef<Value> carried) {
    Accumulators out;
    Value at = add(tile.base, mul(column, kHeads));
    for (int64_t v = 0; v < rowVectors(); ++v) {
      Value x = loadVector(floats(), tile.memory, add(at, v * tier.lanes));
      out.push_back(sum ? addf(carried[v], x) : maxf(x, carried[v]));
    }
    return out;
  }));
}

llvm::SmallVector<Value> X86Emitter::rowMemory(ArrayRef<RowVector> rows) {
  SmallVector<Value> out;
  for (const RowVector &row : rows) {
    Value memory = scratch(b.getF32Type(), kHeads);
    for (auto [v, value] : llvm::enumerate(static_cast<const Lanes &>(*row.data).values)) {
      storeVector(value, memory, index(int64_t(v) * tier.lanes));
    }
    out.push_back(memory);
  }
  return out;
}

void X86Emitter::mapMemory(ArrayRef<const MemoryTile *> tiles, ArrayRef<RowVector> rows,
                           const Map &map) {
  const MemoryTile &first = *tiles.front();
  auto apply = [&](Value at, ArrayRef<Value> rowValues) {
    SmallVector<Value> values;
    for (const MemoryTile *tile : tiles) {
      values.push_back(loadVector(floats(), tile->memory, add(tile->base, at)));
    }
    storeVector(map(values, rowValues), first.memory, add(first.base, at));
  };
  if (first.kind == TileKind::Scores) {
    loop(index(0), first.count, [&](Value column) {
      for (int64_t v = 0; v < rowVectors(); ++v) {
        SmallVector<Value> rowValues;
        for (const RowVector &row : rows) {
          rowValues.push_back(static_cast<const Lanes &>(*row.data).values[v]);
        }
        apply(add(mul(column, kHeads), v * tier.lanes), rowValues);
      }
    });
    return;
  }
  SmallVector<Value> memory = rowMemory(rows);
  loop(index(0), index(kHeads), [&](Value row) {
    SmallVector<Value> rowValues;
    for (Value values : memory) {
      rowValues.push_back(spreadFloat(values, row));
    }
    loop(index(0), index(first.stride / tier.lanes), [&](Value number) {
      apply(add(mul(row, first.stride), mul(number, tier.lanes)), rowValues);
    });
  });
}

Operand X86Emitter::asOperand(Tile handle, Type element) {
  const auto &tile = static_cast<const MemoryTile &>(*handle.data);
  auto out = std::make_shared<LanesOperand>();
  out->kind = arithmetic(element);
  out->memory = tile.memory;
  if (out->kind == Arithmetic::F32) {
    return {out};
  }
  bool packed = out->kind == Arithmetic::Pair;
  if (packed) {
    out->memory = scratch(b.getI16Type(), tile.columns * kHeads);
  }
  Value upper = splatWord(0xffff0000), zero = zeroVector();
  loop(index(0), ceilDiv(tile.count, 2), [&](Value pair) {
    Value column = mul(pair, 2), inside = less(add(column, 1), tile.count);
    for (int64_t v = 0; v < rowVectors(); ++v) {
      Value at = add(mul(column, kHeads), v * tier.lanes);
      Value even = roundedWords(loadVector(floats(), tile.memory, at));
      // The partner of the last column of an odd count is zero.
      Value partner = loadVector(floats(), tile.memory, add(at, kHeads));
      Value odd = roundedWords(arith::SelectOp::create(b, loc, inside, partner, zero));
      odd = arith::AndIOp::create(b, loc, odd, upper);
      if (packed) {
        Value low = arith::ShRUIOp::create(b, loc, even, splatWord(16));
        Value both = arith::OrIOp::create(b, loc, low, odd);
        storeVector(bitcast(VectorType::get({2 * tier.lanes}, b.getI16Type()), both), out->memory,
                    add(mul(column, kHeads), 2 * v * tier.lanes));
      } else {
        Value first = arith::AndIOp::create(b, loc, even, upper);
        storeVector(bitcast(floats(), first), out->memory, at);
        storeVector(bitcast(floats(), odd), out->memory, add(at, kHeads));
      }
    }
  });
  return {out};
}

void X86Emitter::storeMemory(const MemoryTile &tile, const Matrix &out, Value column,
                             int64_t columns, const Epilogue &epilogue) {
  int64_t whole = columns / tier.lanes * tier.lanes;
  loop(index(0), minimum(sub(tile.rows.limit, tile.rows.first), index(kHeads)), [&](Value row) {
    Value from = add(tile.base, mul(row, tile.stride)), to = add(tile.rows.first, row);
    loop(index(0), index(whole / tier.lanes), [&](Value number) {
      Value at = mul(number, tier.lanes);
      storeChunk(out, {loadVector(floats(), tile.memory, add(from, at)), to, add(column, at)},
                 epilogue);
    });
    if (whole != columns) {
      Value value = loadVector(floats(), tile.memory, add(from, whole));
      storeChunk(out, {value, to, add(column, whole), index(columns - whole)}, epilogue);
    }
  });
}

void X86Emitter::save(const TileState &state, Value memory, Value offset) {
  Value at = offset;
  for (const RowVector &row : state.rows) {
    for (Value value : static_cast<const Lanes &>(*row.data).values) {
      storeVector(value, memory, at);
      at = add(at, tier.lanes);
    }
  }
  for (const Tile &handle : state.tiles) {
    const auto &tile = static_cast<const MemoryTile &>(*handle.data);
    loop(index(0), index(tile.stride * kHeads / tier.lanes), [&](Value number) {
      Value place = mul(number, tier.lanes);
      storeVector(loadVector(floats(), tile.memory, add(tile.base, place)), memory, add(at, place));
    });
    at = add(at, tile.stride * kHeads);
  }
}

TileState X86Emitter::restore(ArrayRef<TileShape> shapes, unsigned rowCount, Value memory,
                              Value offset) {
  TileState out;
  Value at = offset;
  for (unsigned row = 0; row < rowCount; ++row) {
    Accumulators values;
    for (int64_t v = 0; v < rowVectors(); ++v) {
      values.push_back(loadVector(floats(), memory, at));
      at = add(at, tier.lanes);
    }
    out.rows.push_back(makeRows(std::move(values)));
  }
  for (const TileShape &shape : shapes) {
    auto tile = std::make_shared<MemoryTile>();
    tile->kind = shape.kind;
    tile->rows = shape.rows;
    tile->columns = shape.columns;
    tile->stride = (shape.columns + 15) / 16 * 16;
    tile->memory = memory; // read where it was saved
    tile->base = at;
    at = add(at, tile->stride * kHeads);
    out.tiles.push_back({tile});
  }
  return out;
}

} // namespace dsv2
