//===- X86RegisterTiles.cpp - contractions with packed weights ------------===//
//
// A register tile is rows x vectors of accumulators. The inner loop runs over the whole depth: per
// step a vector of weights for each column group, and each row's value spread over the lanes. While
// a block of rows uses a panel it prefetches its share of the next one.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/X86/X86Data.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dsv2 {
namespace {

/// No block has more rows than this.
constexpr int64_t kMostRows = 6;

/// Elements between widened rows beyond the depth: keeps rows of a power of two apart in the
/// first-level cache.
constexpr int64_t kStagedPadding = 16;

} // namespace

int64_t X86Emitter::fullRows() const {
  // 6 x 4 vectors fill 32 registers with accumulators, weights and one row value. Where bf16
  // weights are widened their halves need registers too: 5 x 4, or 5 x 2 of 16.
  return tier.bf16Dot ? kMostRows : 5;
}

void X86Emitter::forRows(Value begin, Value end, const std::function<void(RowBlock)> &program) {
  // As few blocks as can be, of heights that differ by one at most: a single row left over would
  // read the whole panel for a sixth of the work.
  int64_t most = fullRows();
  Value total = sub(end, begin);
  rowBlockCount = ceilDiv(total, most);
  SmallVector<int64_t> heights;
  for (int64_t height = 1; height <= most; ++height) {
    heights.push_back(height);
  }
  loop(index(0), rowBlockCount, [&](Value block) {
    rowBlockNumber = block;
    Value first = div(mul(block, total), rowBlockCount),
          next = div(mul(add(block, 1), total), rowBlockCount);
    auto bodies = scf::IndexSwitchOp::create(b, loc, TypeRange{}, sub(next, first), heights,
                                             unsigned(heights.size()));
    OpBuilder::InsertionGuard guard(b);
    b.createBlock(&bodies.getDefaultRegion());
    scf::YieldOp::create(b, loc);
    for (auto [number, height] : llvm::enumerate(heights)) {
      b.createBlock(&bodies.getCaseRegions()[number]);
      program({add(begin, first), height});
      scf::YieldOp::create(b, loc);
    }
  });
}

int64_t X86Emitter::sliceVectors(int64_t height, Arithmetic kind) const {
  // Registers of one tile's loop. Further tiles have their own loops.
  auto needed = [&](int64_t vectors) {
    int64_t accumulators = height * vectors;
    if (kind == Arithmetic::Widened) {
      return accumulators + (byVector(height) ? 2 * height + 3 : 2 * vectors + 2);
    }
    // A single row's weights are memory operands.
    return accumulators + (height == 1 ? 2 : vectors + 1);
  };
  int64_t count = panelColumns() / tier.lanes;
  while (count > 1 && needed(count) > tier.registers) {
    count /= 2;
  }
  return count;
}

void X86Emitter::pipelineSlices(const PanelMaker &panels, ArrayRef<TileShape> shapes,
                                const StepBody &body, const Finish &finish) {
  SmallVector<Operand> staged;
  Arithmetic kind = Arithmetic::F32;
  for (const Panel &panel : panels(index(0))) {
    if (const auto *rows = std::get_if<RowsPanel>(&panel)) {
      staged.push_back(stageRows(*rows));
    } else {
      kind = arithmetic(std::get<PackedPanel>(panel).element);
      staged.push_back(stagePacked(std::get<PackedPanel>(panel)));
    }
  }
  vectorsOfSlice = sliceVectors(shapes.front().rows.height, kind);
  tilesOfSlice = shapes.size();
  int64_t columns = vectorsOfSlice * tier.lanes;
  auto emitSlice = [&](Value number) {
    slice = mul(number, columns);
    TileState state;
    for (const TileShape &shape : shapes) {
      state.tiles.push_back(zeros(shape));
    }
    finish(body(index(0), staged, std::move(state)));
  };
  if (columns == panelColumns()) {
    emitSlice(index(0));
  } else {
    loop(index(0), index(panelColumns() / columns), emitSlice);
  }
  vectorsOfSlice = 0;
}

Operand X86Emitter::stageRows(const RowsPanel &panel) {
  auto out = std::make_shared<RowsOperand>();
  assert(panel.segments.size() == 1 && "a contraction in registers reads rows of one matrix");
  const RowsPanel::Segment &segment = panel.segments.front();
  const Matrix &matrix = segment.matrix;
  out->kind = arithmetic(matrix.element);
  out->depth = segment.depth;
  for (int64_t r = 0; r < panel.rows.height; ++r) {
    if (matrix.rowIndex) {
      Value row = matrix.rowIndex(add(panel.rows.first, r));
      out->bases.push_back(add(mul(row, matrix.rowStride), matrix.offset));
    } else {
      // Constant distances from the first row: one address register serves all.
      Value first =
          r == 0 ? add(mul(panel.rows.first, matrix.rowStride), matrix.offset) : out->bases.front();
      out->bases.push_back(add(first, r * matrix.rowStride));
    }
  }
  out->memory = matrix.memory;
  if (out->kind != Arithmetic::Widened) {
    return {out};
  }
  // Widened rows: f32 copies in scratch, zero filled up to the pair.
  int64_t stride = (segment.depth + 15) / 16 * 16 + kStagedPadding;
  if (!stagedRows || stagedDepth != segment.depth) {
    stagedRows = scratch(b.getF32Type(), kMostRows * stride);
    stagedDepth = segment.depth;
  }
  int64_t whole = segment.depth / tier.lanes;
  for (int64_t r = 0; r < panel.rows.height; ++r) {
    Value from = out->bases[r], to = index(r * stride);
    loop(index(0), index(whole), [&](Value step) {
      Value k = mul(step, tier.lanes);
      storeVector(loadWide(matrix.element, matrix.memory, add(from, k)), stagedRows, add(to, k));
    });
    loop(index(whole * tier.lanes), index(segment.depth), [&](Value k) {
      Value narrow = memref::LoadOp::create(b, loc, matrix.memory, ValueRange{add(from, k)});
      Value wide = arith::ExtFOp::create(b, loc, b.getF32Type(), narrow);
      memref::StoreOp::create(b, loc, wide, stagedRows, ValueRange{add(to, k)});
    });
    if (segment.depth % 2 != 0) {
      Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0.0));
      memref::StoreOp::create(b, loc, zero, stagedRows, ValueRange{add(to, segment.depth)});
    }
    out->bases[r] = to;
  }
  out->memory = stagedRows;
  return {out};
}

Operand X86Emitter::stagePacked(const PackedPanel &panel) {
  auto out = std::make_shared<PackedOperand>();
  out->panel = panel;
  return {out};
}

void X86Emitter::multiplyWidened(Accumulators &acc, int64_t height, const WeightLoad &weight,
                                 const RowSpread &spread) {
  int64_t vectors = int64_t(acc.size()) / height;
  if (byVector(height)) {
    // Few rows: their values stay in registers, and each weight is used up before the next.
    SmallVector<Value> values[2];
    for (int64_t r = 0; r < height; ++r) {
      values[0].push_back(spread(r, false));
      values[1].push_back(spread(r, true));
    }
    for (int64_t v = 0; v < vectors; ++v) {
      Value both = weight(v);
      for (bool odd : {true, false}) {
        Value x = half(both, odd);
        for (int64_t r = 0; r < height; ++r) {
          acc[r * vectors + v] = fma(values[odd][r], x, acc[r * vectors + v]);
        }
      }
    }
    return;
  }
  SmallVector<Value> weights;
  for (int64_t v = 0; v < vectors; ++v) {
    weights.push_back(weight(v));
  }
  for (bool odd : {true, false}) {
    SmallVector<Value> halves;
    for (Value both : weights) {
      halves.push_back(half(both, odd));
    }
    for (int64_t r = 0; r < height; ++r) {
      Value x = spread(r, odd);
      for (int64_t v = 0; v < vectors; ++v) {
        acc[r * vectors + v] = fma(x, halves[v], acc[r * vectors + v]);
      }
    }
  }
}

void X86Emitter::park(RegisterTile &tile) {
  tile.parked = scratch(b.getF32Type(), panelColumns() * tile.rows.height);
  for (auto [number, value] : llvm::enumerate(tile.values)) {
    storeVector(value, tile.parked, index(int64_t(number) * tier.lanes));
  }
  tile.values.clear();
}

void X86Emitter::mapParked(ArrayRef<const RegisterTile *> tiles, const Map &map) {
  const RegisterTile &first = *tiles.front();
  loop(index(0), index(first.rows.height * first.vectors), [&](Value number) {
    Value at = mul(number, tier.lanes);
    SmallVector<Value> values;
    for (const RegisterTile *tile : tiles) {
      values.push_back(loadVector(floats(), tile->parked, at));
    }
    storeVector(map(values, {}), first.parked, at);
  });
}

Tile X86Emitter::contractRegisters(const RegisterTile &tile, const RowsOperand &a,
                                   const PackedOperand &w) {
  const PackedPanel &panel = w.panel;
  Arithmetic kind = arithmetic(panel.element);
  int64_t pair = pairOf(kind), steps = (panel.depth + pair - 1) / pair;
  int64_t stepElements = panelColumns() * pair, height = tile.rows.height, vectors = tile.vectors;
  Value first = add(mul(panel.index, steps * stepElements), mul(tile.column, pair));
  // The next panel in memory: this block of rows fetches `share` of its steps.
  bool ahead = height > 1;
  Value share, next;
  if (ahead) {
    share = div(add(index(steps - 1), rowBlockCount), rowBlockCount);
    next = add(add(first, steps * stepElements), mul(mul(rowBlockNumber, share), stepElements));
    share = sub(share, index(1));
  }
  auto step = [&](Value k, ArrayRef<Value> carried) {
    Accumulators acc(carried);
    Value at = add(first, mul(k, stepElements));
    auto weight = [&](int64_t v) {
      return loadVector(kind == Arithmetic::F32 ? floats() : pairs(), panel.memory,
                        add(at, v * tier.lanes * pair));
    };
    if (ahead) {
      Value line = add(next, mul(minimum(k, share), stepElements));
      for (int64_t v = 0; v < vectors; v += std::max<int64_t>(1, 16 / tier.lanes)) {
        prefetch(panel.memory, add(line, v * tier.lanes * pair));
      }
    }
    Value column = mul(k, pair);
    if (kind == Arithmetic::Widened) {
      auto spread = [&](int64_t r, bool odd) {
        return spreadFloat(a.memory, add(a.bases[r], add(column, odd ? 1 : 0)));
      };
      multiplyWidened(acc, height, weight, spread);
      return acc;
    }
    SmallVector<Value> weights;
    for (int64_t v = 0; v < vectors; ++v) {
      weights.push_back(weight(v));
    }
    for (int64_t r = 0; r < height; ++r) {
      Value place = add(a.bases[r], column);
      Value x =
          kind == Arithmetic::F32 ? spreadFloat(a.memory, place) : spreadPair(a.memory, place);
      for (int64_t v = 0; v < vectors; ++v) {
        Value &sum = acc[r * vectors + v];
        sum = kind == Arithmetic::F32 ? fma(x, weights[v], sum) : dotPairs(sum, x, weights[v]);
      }
    }
    return acc;
  };
  auto out = std::make_shared<RegisterTile>(tile);
  out->values = loopCarrying(index(steps), tile.values, step);
  if (tilesOfSlice > 1) {
    park(*out);
  }
  return {out};
}

void X86Emitter::storeChunk(const Matrix &out, const Chunk &chunk, const Epilogue &epilogue) {
  Value row = out.rowIndex ? out.rowIndex(chunk.row) : chunk.row;
  Value at = add(add(mul(row, out.rowStride), out.offset), chunk.column);
  Value value = narrow(epilogue(chunk), out.element);
  if (!chunk.active) {
    storeVector(value, out.memory, at);
    return;
  }
  // At the edge: through scratch, element by element, so that nothing past the edge is touched on
  // any tier.
  Value lanes = scratch(out.element, tier.lanes);
  storeVector(value, lanes, index(0));
  loop(index(0), chunk.active, [&](Value lane) {
    Value element = memref::LoadOp::create(b, loc, lanes, ValueRange{lane});
    memref::StoreOp::create(b, loc, element, out.memory, ValueRange{add(at, lane)});
  });
}

Value X86Emitter::load(const Matrix &matrix, const Chunk &chunk) {
  Value row = matrix.rowIndex ? matrix.rowIndex(chunk.row) : chunk.row;
  Value at = add(add(mul(row, matrix.rowStride), matrix.offset), chunk.column);
  if (!chunk.active) {
    return loadWide(matrix.element, matrix.memory, at);
  }
  Value lanes = scratch(matrix.element, tier.lanes);
  loop(index(0), chunk.active, [&](Value lane) {
    Value element = memref::LoadOp::create(b, loc, matrix.memory, ValueRange{add(at, lane)});
    memref::StoreOp::create(b, loc, element, lanes, ValueRange{lane});
  });
  return loadWide(matrix.element, lanes, index(0));
}

void X86Emitter::storeRegisters(const RegisterTile &tile, const Matrix &out, Value column,
                                int64_t columns, const Epilogue &epilogue) {
  int64_t height = tile.rows.height, vectors = tile.vectors;
  Value first = add(column, tile.column), end = index(columns);
  // From memory: one loop over the vectors, and not code for each of them.
  auto fromMemory = [&](Value memory, bool edge) {
    loop(index(0), index(height * vectors), [&](Value number) {
      Value at = add(first, mul(rem(number, vectors), tier.lanes)),
            row = add(tile.rows.first, div(number, vectors));
      auto storeOne = [&](Value active) {
        storeChunk(out, {loadVector(floats(), memory, mul(number, tier.lanes)), row, at, active},
                   epilogue);
      };
      if (edge) {
        ifTrue(less(at, end), [&] { storeOne(minimum(sub(end, at), index(tier.lanes))); });
      } else {
        storeOne(Value());
      }
    });
  };
  auto whole = [&] {
    if (tile.parked) {
      fromMemory(tile.parked, false);
      return;
    }
    for (auto [number, value] : llvm::enumerate(tile.values)) {
      int64_t row = int64_t(number) / vectors, v = int64_t(number) % vectors;
      storeChunk(out, {value, add(tile.rows.first, row), add(first, v * tier.lanes)}, epilogue);
    }
  };
  auto edge = [&] {
    if (tile.parked) {
      fromMemory(tile.parked, true);
      return;
    }
    if (!edgeTile) {
      edgeTile = scratch(b.getF32Type(), panelColumns() * kMostRows);
    }
    for (auto [number, value] : llvm::enumerate(tile.values)) {
      storeVector(value, edgeTile, index(int64_t(number) * tier.lanes));
    }
    fromMemory(edgeTile, true);
  };
  if (columns % panelColumns() == 0) {
    whole();
  } else {
    ifTrue(less(end, add(first, vectors * tier.lanes)), edge, whole);
  }
}

} // namespace dsv2
