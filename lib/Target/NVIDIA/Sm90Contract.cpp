//===- Sm90Contract.cpp - multiplication by warpgroups --------------------===//
//
// A warpgroup multiplies 64 rows of a swizzled operand by columns of another, and each of its
// threads gets the fragments that GpuTiles knows. Results of attention are as large as the
// registers: two such tiles do not fit, so the second is multiplied when it meets the first, a few
// columns at a time.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/NVIDIA/Sm90Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace dsv2 {
namespace {

constexpr int64_t kGroupWarps = 4, kElementBytes = 2;
constexpr int64_t kChunk = 8, kLineChunks = hopper::kLineElements / kChunk;

/// Columns of results that are multiplied together where they meet others: half a line. The
/// assembler begins with the next ones early, and two whole lines do not fit beside the others.
constexpr int64_t kSliceColumns = 32, kSliceBlocks = kSliceColumns / 8;

} // namespace

Value Sm90Emitter::groupRow(const Spread &spread) {
  int64_t groups = spread.rowWarps / kGroupWarps;
  return mul(rem(div(warp, kGroupWarps), groups), hopper::kGroupRows);
}

Value Sm90Emitter::groupColumn(const Spread &spread) {
  int64_t groups = spread.rowWarps / kGroupWarps;
  return mul(div(div(warp, kGroupWarps), groups), spread.columnBlocks * layout.columns);
}

/// Both operands' lines are k.
hopper::Operands Sm90Emitter::operandsOf(const Spread &spread, const SwizzledOperand &first,
                                         const SwizzledOperand &second, int64_t column,
                                         int64_t columns) {
  hopper::Operands out;
  out.columns = columns;
  out.first = hopper::uniform(
      b, loc, add(sharedBase, add(first.offset, mul(groupRow(spread), hopper::kLineBytes))));
  Value line = add(groupColumn(spread), column);
  out.second = add(sharedBase, add(second.offset, mul(line, hopper::kLineBytes)));
  int64_t blocks = std::min(first.blocks, second.blocks);
  for (int64_t block = 0; block < blocks; ++block) {
    for (int64_t k = 0; k < hopper::kLineElements; k += hopper::kGroupDepth) {
      int64_t inLine = k * kElementBytes;
      out.steps.push_back({block * first.rows * hopper::kLineBytes + inLine,
                           block * second.rows * hopper::kLineBytes + inLine});
    }
  }
  return out;
}

/// Whether a tile is wider than what its second operand holds.
bool Sm90Emitter::isWider(const PendingTile &tile) const {
  return tile.spread.columnWarps * tile.spread.columnBlocks * layout.columns >
         tile.cached->blocks * hopper::kLineElements;
}

/// The second operand's lines are columns, 64 of them, and its rows are k. Columns from `column` on
/// of the warpgroup's part; none of several lines where the tile is wider than the operand.
hopper::Operands Sm90Emitter::resultsOf(const PendingTile &tile, int64_t column, int64_t columns) {
  hopper::Operands out;
  out.lines = hopper::Lines::Columns;
  out.columns = columns;
  const SwizzledOperand &first = *tile.weights, &second = *tile.cached;
  out.stride = second.rows * hopper::kLineBytes;
  int64_t line = column / hopper::kLineElements, distance = line * out.stride;
  Value block = div(groupColumn(tile.spread), hopper::kLineElements);
  if (isWider(tile)) {
    // Columns that do not exist are multiplied as others that do, and never stored.
    block = minimum(add(block, line), index(second.blocks - 1));
    distance = 0;
  }
  distance += column % hopper::kLineElements * kElementBytes;
  out.first = add(sharedBase, first.offset);
  out.second = add(sharedBase, add(second.offset, mul(block, out.stride)));
  for (int64_t k = 0; k < second.rows; k += hopper::kGroupDepth) {
    out.steps.push_back({k * kElementBytes, distance + k * hopper::kLineBytes});
  }
  return out;
}

hopper::Accumulation Sm90Emitter::accumulate(hopper::Operands operands, ArrayRef<Value> fragments) {
  hopper::Accumulation out;
  out.operands = std::move(operands);
  bool fresh =
      llvm::all_of(fragments, [](Value value) { return matchPattern(value, m_AnyZeroFloat()); });
  if (!fresh) {
    for (Value fragment : fragments) {
      for (int64_t v = 0; v < layout.values(); ++v) {
        out.sums.push_back(vector::ExtractOp::create(b, loc, fragment, v));
      }
    }
  }
  return out;
}

GpuEmitter::Fragments Sm90Emitter::multiplied(MutableArrayRef<hopper::Accumulation> all) {
  hopper::multiply(b, loc, all);
  auto type = VectorType::get({layout.values()}, b.getF32Type());
  Fragments out;
  for (const hopper::Accumulation &one : all) {
    for (size_t first = 0; first < one.sums.size(); first += layout.values()) {
      out.push_back(vector::FromElementsOp::create(
          b, loc, type, ArrayRef(one.sums).slice(first, layout.values())));
    }
  }
  return out;
}

Tile Sm90Emitter::contract(Tile accumulator, const Operand &first, const Operand &second,
                           Along along) {
  if (ofEverybody()) {
    return Sm80Emitter::contract(std::move(accumulator), first, second, along);
  }
  if (ofProducer()) {
    return {};
  }
  Tile whole = settled(std::move(accumulator));
  const auto &tile = static_cast<const FragmentTile &>(*whole.data);
  if (along == Along::Columns) {
    auto out = std::make_shared<PendingTile>();
    static_cast<FragmentTile &>(*out) = tile;
    out->weights = std::static_pointer_cast<SwizzledOperand>(first.data);
    out->cached = std::static_pointer_cast<CachedOperand>(second.data);
    return {out};
  }
  const auto &a = static_cast<const SwizzledOperand &>(*first.data);
  const auto &c = static_cast<const SwizzledOperand &>(*second.data);
  SmallVector<hopper::Accumulation> all;
  constexpr int64_t kMostBlocks = hopper::kGroupColumns / 8;
  for (int64_t block = 0; block < tile.spread.columnBlocks; block += kMostBlocks) {
    int64_t blocks = std::min(kMostBlocks, tile.spread.columnBlocks - block);
    all.push_back(
        accumulate(operandsOf(tile.spread, a, c, block * layout.columns, blocks * layout.columns),
                   ArrayRef(tile.values).slice(block, blocks)));
  }
  return tileOf(tile.shape, multiplied(all));
}

std::shared_ptr<Sm90Emitter::PendingTile> Sm90Emitter::pending(const Tile &tile) {
  return std::dynamic_pointer_cast<PendingTile>(tile.data);
}

Tile Sm90Emitter::settled(Tile tile) {
  std::shared_ptr<PendingTile> results = pending(tile);
  if (!results) {
    return tile;
  }
  SmallVector<hopper::Accumulation> all;
  int64_t columns = results->spread.columnBlocks * layout.columns;
  int64_t together = isWider(*results) ? hopper::kLineElements : hopper::kGroupColumns;
  for (int64_t column = 0; column < columns; column += together) {
    int64_t some = std::min(together, columns - column);
    all.push_back(accumulate(
        resultsOf(*results, column, some),
        ArrayRef(results->values).slice(column / layout.columns, some / layout.columns)));
  }
  Fragments values = multiplied(all);
  release(results->cached->stage);
  return tileOf(results->shape, std::move(values));
}

Tile Sm90Emitter::mapTiles(ArrayRef<Tile> tiles, ArrayRef<RowVector> rows, const Map &map) {
  if (ofProducer()) {
    return {};
  }
  if (llvm::none_of(tiles, [](const Tile &tile) { return bool(pending(tile)); })) {
    return Sm80Emitter::mapTiles(tiles, rows, map);
  }
  const auto &shape = static_cast<const FragmentTile &>(*tiles.front().data);
  SmallVector<Value> spread;
  for (const RowVector &row : rows) {
    spread.push_back(splatRows(static_cast<const LaneRows &>(*row.data).values));
  }
  Fragments out;
  for (int64_t first = 0; first < shape.spread.columnBlocks; first += kSliceBlocks) {
    SmallVector<Fragments> slices;
    for (const Tile &tile : tiles) {
      auto own =
          ArrayRef(static_cast<const FragmentTile &>(*tile.data).values).slice(first, kSliceBlocks);
      Fragments &slice = slices.emplace_back(own);
      if (std::shared_ptr<PendingTile> results = pending(tile)) {
        hopper::Accumulation one =
            accumulate(resultsOf(*results, first * layout.columns, kSliceColumns), own);
        slice = multiplied(one);
      }
    }
    for (int64_t block = 0; block < kSliceBlocks; ++block) {
      SmallVector<Value> values;
      for (const Fragments &slice : slices) {
        values.push_back(slice[block]);
      }
      out.push_back(map(values, spread));
    }
  }
  for (const Tile &tile : tiles) {
    if (std::shared_ptr<PendingTile> results = pending(tile)) {
      release(results->cached->stage);
    }
  }
  return tileOf(shape.shape, std::move(out));
}

/// Written as multiplications read it. Between two such writes a row's statistics meet: nobody
/// still multiplies by what lay here.
Operand Sm90Emitter::asOperand(Tile handle, Type element) {
  if (ofEverybody()) {
    return Sm80Emitter::asOperand(std::move(handle), element);
  }
  if (ofProducer()) {
    return {};
  }
  Tile whole = settled(std::move(handle));
  const auto &tile = static_cast<const FragmentTile &>(*whole.data);
  const Spread &spread = tile.spread;
  auto out = std::make_shared<SwizzledOperand>();
  out->rows = tile.shape.rows.height;
  int64_t columns = spread.columnWarps * spread.columnBlocks * layout.columns;
  out->blocks = (columns + hopper::kLineElements - 1) / hopper::kLineElements;
  out->offset = index(sharedTop);
  Value memory = shared(element, out->blocks * out->rows * hopper::kLineElements);
  Place place = swizzledPlace(index(0), out->rows);
  for (auto [number, fragment] : llvm::enumerate(tile.values)) {
    int64_t block = int64_t(number) / spread.columnBlocks,
            column = int64_t(number) % spread.columnBlocks;
    for (int64_t v = 0; v < layout.values(); v += run) {
      // A lane's rows are a whole pattern apart: one address and a distance.
      int64_t further = rowSlots[slotOfValue[v]];
      Value at = tileColumn(spread, column, v), row = tileRow(spread, block, 0);
      Value to =
          add(add(place(row, div(at, kChunk)), rem(at, kChunk)), further * hopper::kLineElements);
      Value value = valuesAt(fragment, v, run);
      Type narrow = cast<VectorType>(value.getType()).clone(element);
      storeVector(arith::TruncFOp::create(b, loc, narrow, value), memory, to);
    }
  }
  hopper::fenceAsync(b, loc);
  barrier();
  return {out};
}

/// Rows that stay: copied by the consumers, who alone know when nobody reads what lay there. That
/// is so here: after the last scores, row statistics met.
Operand Sm90Emitter::residentRows(const RowsPanel &panel) {
  auto out = std::make_shared<SwizzledOperand>();
  int64_t depth = 0;
  for (const RowsPanel::Segment &segment : panel.segments) {
    depth += segment.depth;
  }
  out->rows = panel.rows.height;
  out->blocks = (depth + hopper::kLineElements - 1) / hopper::kLineElements;
  out->offset = index(sharedTop);
  Value memory = shared(panel.segments.front().matrix.element,
                        out->blocks * out->rows * hopper::kLineElements);
  copyRows(panel, index(0), out->blocks * kLineChunks, memory, swizzledPlace(index(0), out->rows));
  if (hasWholeChunks(panel)) {
    waitForCopies(commitCopies(), 0);
  }
  hopper::fenceAsync(b, loc);
  barrier();
  return {out};
}

Operand Sm90Emitter::cachedTokens(const PagedPanel &panel, const Part &part) {
  auto out = std::make_shared<CachedOperand>();
  out->stage = take(used);
  out->offset = out->stage.offset;
  out->rows = part.rows;
  out->blocks = part.blocks;
  hopper::waitFor(b, loc, out->stage.full, out->stage.phase);
  if (part.boxes) {
    ifTrue(less(panel.count, index(kTokens)), [&] { clearFrom(*out, panel.count); });
  }
  return {out};
}

/// Tokens from `count` on become zeros: their scores do not count, but a weight of zero times what
/// happens to lie there may be no number.
void Sm90Emitter::clearFrom(const CachedOperand &cached, Value count) {
  Value memory = ringView();
  auto type = VectorType::get({kChunk}, b.getBF16Type());
  Value zeros = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
  Value first = div(cached.offset, kElementBytes);
  eachOfWorkgroup(cached.blocks * cached.rows * kLineChunks, [&](Value number) {
    Value row = rem(div(number, kLineChunks), cached.rows);
    Value missing = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::uge, row, count);
    ifTrue(missing, [&] { storeVector(zeros, memory, add(first, mul(number, kChunk))); });
  });
  hopper::fenceAsync(b, loc);
  makeBarrier(); // for this alone: there is none where all tokens exist
}

} // namespace dsv2
