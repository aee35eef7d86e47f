//===- X86Tiles.cpp - which kind of tile an operation works on ------------===//
//
// The interface's operations, passed on to register tiles or memory tiles.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/X86/X86Data.h"

using namespace mlir;

namespace dsv2 {

void X86Emitter::pipeline(Value steps, const PanelMaker &panels, ArrayRef<TileShape> shapes, ArrayRef<RowVector> rows,
                          const StepBody &body, const Finish &finish) {
  pipelineSlices(panels, shapes, body, finish);
}

Operand X86Emitter::resident(const Panel &panel, TileKind kind) {
  return stageRows(std::get<RowsPanel>(panel));
}

Tile X86Emitter::zeros(const TileShape &shape) {
  auto out = std::make_shared<RegisterTile>();
  out->vectors = vectorsOfSlice;
  out->column = slice;
  out->rows = shape.rows;
  out->values.assign(shape.rows.height * vectorsOfSlice, zeroVector());
  return {out};
}

Tile X86Emitter::contract(Tile accumulator, const Operand &a, const Operand &second, Along along) {
  auto tile = std::static_pointer_cast<RegisterTile>(accumulator.data);
  return contractRegisters(*tile, static_cast<const RowsOperand &>(*a.data),
                           static_cast<const PackedOperand &>(*second.data));
}

void X86Emitter::store(const Tile &tile, const Matrix &out, Value column, int64_t columns, const Epilogue &epilogue) {
  storeRegisters(static_cast<const RegisterTile &>(*tile.data), out, column, columns, epilogue);
}

Tile X86Emitter::mapTiles(ArrayRef<Tile> tiles, ArrayRef<RowVector> rows, const Map &map) {
  auto out = std::make_shared<RegisterTile>(static_cast<const RegisterTile &>(*tiles.front().data));
  for (auto [number, value] : llvm::enumerate(out->values)) {
    SmallVector<Value> values;
    for (const Tile &tile : tiles) {
      values.push_back(static_cast<const RegisterTile &>(*tile.data).values[number]);
    }
    value = map(values, {});
  }
  return {out};
}

RowVector X86Emitter::fillRows(const RowBlock &, double) { return {}; }
Operand X86Emitter::asOperand(Tile, Type) { return {}; }
Tile X86Emitter::limitColumns(Tile tile, Value) { return tile; }
RowVector X86Emitter::reduceRows(RowReduction, const Tile &) { return {}; }
RowVector X86Emitter::mapRows(ArrayRef<RowVector>, const Map &) { return {}; }
void X86Emitter::save(const TileState &, Value, Value) {}
TileState X86Emitter::restore(ArrayRef<TileShape>, unsigned, Value, Value) { return {}; }

} // namespace dsv2
