//===- X86Tiles.cpp - which kind of tile an operation works on ------------===//
//
// The interface's operations, passed on to register tiles (inside a pipeline over the depth of
// packed panels) or to memory tiles.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/X86/X86Data.h"

using namespace mlir;

namespace dsv2 {

void X86Emitter::pipeline(Value steps, const PanelMaker &panels, ArrayRef<TileShape> shapes,
                          ArrayRef<RowVector> rows, const StepBody &body, const Finish &finish) {
  if (steps) {
    pipelineSteps(steps, panels, shapes, rows, body, finish);
  } else {
    pipelineSlices(panels, shapes, body, finish);
  }
}

Operand X86Emitter::resident(const Panel &panel, TileKind kind) {
  if (const auto *paged = std::get_if<PagedPanel>(&panel)) {
    auto out = std::make_shared<PagedOperand>();
    out->panel = *paged; // read where it lies
    return {out};
  }
  const auto &rows = std::get<RowsPanel>(panel);
  return kind == TileKind::Scores ? packLanes(rows) : stageRows(rows);
}

Tile X86Emitter::zeros(const TileShape &shape) {
  if (vectorsOfSlice == 0) {
    return {allocateTile(shape)};
  }
  auto out = std::make_shared<RegisterTile>();
  out->vectors = vectorsOfSlice;
  out->column = slice;
  out->rows = shape.rows;
  out->values.assign(shape.rows.height * vectorsOfSlice, zeroVector());
  return {out};
}

Tile X86Emitter::contract(Tile accumulator, const Operand &a, const Operand &second, Along along) {
  if (auto tile = std::dynamic_pointer_cast<RegisterTile>(accumulator.data)) {
    return contractRegisters(*tile, static_cast<const RowsOperand &>(*a.data),
                             static_cast<const PackedOperand &>(*second.data));
  }
  auto tile = std::static_pointer_cast<MemoryTile>(accumulator.data);
  const auto &lanes = static_cast<const LanesOperand &>(*a.data);
  const auto &cache = static_cast<const PagedOperand &>(*second.data);
  return along == Along::Rows ? contractScores(tile, lanes, cache)
                              : contractColumns(tile, lanes, cache);
}

void X86Emitter::store(const Tile &tile, const Matrix &out, Value column, int64_t columns,
                       const Epilogue &epilogue) {
  if (const auto *registers = dynamic_cast<const RegisterTile *>(tile.data.get())) {
    storeRegisters(*registers, out, column, columns, epilogue);
  } else {
    storeMemory(static_cast<const MemoryTile &>(*tile.data), out, column, columns, epilogue);
  }
}

Tile X86Emitter::mapTiles(ArrayRef<Tile> tiles, ArrayRef<RowVector> rows, const Map &map) {
  if (auto first = std::dynamic_pointer_cast<MemoryTile>(tiles.front().data)) {
    SmallVector<const MemoryTile *> all;
    for (const Tile &tile : tiles) {
      all.push_back(static_cast<const MemoryTile *>(tile.data.get()));
    }
    mapMemory(all, rows, map);
    return tiles.front();
  }
  SmallVector<const RegisterTile *> all;
  for (const Tile &tile : tiles) {
    all.push_back(static_cast<const RegisterTile *>(tile.data.get()));
  }
  if (all.front()->parked) {
    mapParked(all, map);
    return tiles.front();
  }
  auto out = std::make_shared<RegisterTile>(*all.front());
  for (Value &value : out->values) {
    value = map(value, {});
  }
  return {out};
}

Tile X86Emitter::limitColumns(Tile tile, Value count) {
  static_cast<MemoryTile &>(*tile.data).count = count;
  return tile;
}

RowVector X86Emitter::makeRows(Accumulators values) {
  auto out = std::make_shared<Lanes>();
  out->values = std::move(values);
  return {out};
}

RowVector X86Emitter::fillRows(const RowBlock &, double value) {
  return makeRows(Accumulators(rowVectors(), constantVector(value)));
}

RowVector X86Emitter::mapRows(ArrayRef<RowVector> rows, const Map &map) {
  Accumulators out;
  for (int64_t v = 0; v < rowVectors(); ++v) {
    SmallVector<Value> values;
    for (const RowVector &row : rows) {
      values.push_back(static_cast<const Lanes &>(*row.data).values[v]);
    }
    out.push_back(map({}, values));
  }
  return makeRows(std::move(out));
}

} // namespace dsv2
