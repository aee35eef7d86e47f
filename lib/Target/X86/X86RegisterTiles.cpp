//===- X86RegisterTiles.cpp - contractions with packed weights ------------===//
//
// A register tile is rows x vectors of accumulators. The inner loop runs over the whole depth: per step a vector
// of weights for each column group, and each row's value spread over the lanes. While a block of rows uses a
// panel it prefetches its share of the next one.
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

/// Rows of the full block. Six rows use 24 of 32, or 12 of 16 registers as accumulators.
constexpr int64_t kBlockRows = 6;

/// Elements between widened rows beyond the depth: keeps rows of a power of two apart in the first-level cache.
constexpr int64_t kStagedPadding = 16;

} // namespace

void X86Emitter::forRows(Value begin, Value end, const std::function<void(RowBlock)> &program) {
  Value total = sub(end, begin), full = div(total, kBlockRows), rest = rem(total, kBlockRows);
  rowBlockCount = ceilDiv(total, kBlockRows);
  loop(index(0), full, [&](Value block) {
    rowBlockNumber = block;
    program({add(begin, mul(block, kBlockRows)), kBlockRows});
  });
  SmallVector<int64_t> heights;
  for (int64_t height = 1; height < kBlockRows; ++height) {
    heights.push_back(height);
  }
  auto tails = scf::IndexSwitchOp::create(b, loc, TypeRange{}, rest, heights, unsigned(heights.size()));
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&tails.getDefaultRegion());
  scf::YieldOp::create(b, loc);
  for (auto [number, height] : llvm::enumerate(heights)) {
    b.createBlock(&tails.getCaseRegions()[number]);
    rowBlockNumber = full;
    program({add(begin, mul(full, kBlockRows)), height});
    scf::YieldOp::create(b, loc);
  }
}

int64_t X86Emitter::sliceVectors(int64_t height) const {
  // Accumulators of one tile, one vector of weights a column group, one spread row value. Further tiles have
  // their own loops and wait in memory meanwhile.
  int64_t count = panelColumns() / tier.lanes;
  while (count > 1 && (height + 1) * count + 1 > tier.registers) {
    count /= 2;
  }
  return count;
}

void X86Emitter::pipelineSlices(const PanelMaker &panels, ArrayRef<TileShape> shapes, const StepBody &body,
                                const Finish &finish) {
  SmallVector<Operand> staged;
  for (const Panel &panel : panels(index(0))) {
    staged.push_back(std::holds_alternative<RowsPanel>(panel) ? stageRows(std::get<RowsPanel>(panel))
                                                              : stagePacked(std::get<PackedPanel>(panel)));
  }
  vectorsOfSlice = sliceVectors(shapes.front().rows.height);
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
  const RowsPanel::Segment &segment = panel.segments.front();
  const Matrix &matrix = segment.matrix;
  out->kind = arithmetic(matrix.element);
  out->depth = segment.depth;
  for (int64_t r = 0; r < panel.rows.height; ++r) {
    Value row = add(panel.rows.first, r);
    if (matrix.rowIndex) {
      row = matrix.rowIndex(row);
    }
    out->bases.push_back(add(mul(row, matrix.rowStride), matrix.offset));
  }
  out->memory = matrix.memory;
  if (out->kind != Arithmetic::Widened) {
    return {out};
  }
  // Widened rows: f32 copies in scratch, zero filled up to the pair.
  int64_t stride = (segment.depth + 15) / 16 * 16 + kStagedPadding;
  if (!stagedRows || stagedDepth != segment.depth) {
    stagedRows = scratch(b.getF32Type(), kBlockRows * stride);
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

Tile X86Emitter::contractRegisters(const RegisterTile &tile, const RowsOperand &a, const PackedOperand &w) {
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
    SmallVector<Value> weights;
    for (int64_t v = 0; v < vectors; ++v) {
      weights.push_back(loadVector(kind == Arithmetic::F32 ? floats() : pairs(), panel.memory,
                                   add(at, v * tier.lanes * pair)));
    }
    if (ahead) {
      Value line = add(next, mul(minimum(k, share), stepElements));
      for (int64_t v = 0; v < vectors; v += std::max<int64_t>(1, 16 / tier.lanes)) {
        prefetch(panel.memory, add(line, v * tier.lanes * pair));
      }
    }
    Value column = mul(k, pair);
    if (kind == Arithmetic::Widened) {
      for (bool odd : {true, false}) {
        SmallVector<Value> halves;
        for (Value weight : weights) {
          halves.push_back(half(weight, odd));
        }
        for (int64_t r = 0; r < height; ++r) {
          Value x = spreadFloat(a.memory, add(a.bases[r], add(column, odd ? 1 : 0)));
          for (int64_t v = 0; v < vectors; ++v) {
            acc[r * vectors + v] = fma(x, halves[v], acc[r * vectors + v]);
          }
        }
      }
      return acc;
    }
    for (int64_t r = 0; r < height; ++r) {
      Value place = add(a.bases[r], column);
      Value x = kind == Arithmetic::F32 ? spreadFloat(a.memory, place) : spreadPair(a.memory, place);
      for (int64_t v = 0; v < vectors; ++v) {
        Value &sum = acc[r * vectors + v];
        sum = kind == Arithmetic::F32 ? fma(x, weights[v], sum) : dotPairs(sum, x, weights[v]);
      }
    }
    return acc;
  };
  auto out = std::make_shared<RegisterTile>(tile);
  out->values = loopCarrying(index(steps), tile.values, step);
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
  // At the edge: through scratch, element by element, so that nothing past the edge is touched on any tier.
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

void X86Emitter::storeRegisters(const RegisterTile &tile, const Matrix &out, Value column, int64_t columns,
                                const Epilogue &epilogue) {
  int64_t height = tile.rows.height, vectors = tile.vectors;
  Value first = add(column, tile.column);
  auto whole = [&] {
    for (int64_t r = 0; r < height; ++r) {
      for (int64_t v = 0; v < vectors; ++v) {
        storeChunk(out, {tile.values[r * vectors + v], add(tile.rows.first, r), add(first, v * tier.lanes)}, epilogue);
      }
    }
  };
  if (columns % panelColumns() == 0) {
    whole();
    return;
  }
  // A slice that crosses the edge goes through memory, so that its code is one loop and not one for each vector.
  auto edge = [&] {
    if (!edgeTile) {
      edgeTile = scratch(b.getF32Type(), 2 * panelColumns() * kBlockRows);
    }
    for (auto [number, value] : llvm::enumerate(tile.values)) {
      storeVector(value, edgeTile, index(int64_t(number) * tier.lanes));
    }
    Value end = index(columns);
    loop(index(0), index(height * vectors), [&](Value number) {
      Value at = add(first, mul(rem(number, vectors), tier.lanes));
      ifTrue(less(at, end), [&] {
        Value value = loadVector(floats(), edgeTile, mul(number, tier.lanes));
        Value active = minimum(sub(end, at), index(tier.lanes));
        storeChunk(out, {value, add(tile.rows.first, div(number, vectors)), at, active}, epilogue);
      });
    });
  };
  ifTrue(less(index(columns), add(first, vectors * tier.lanes)), edge, whole);
}

} // namespace dsv2
