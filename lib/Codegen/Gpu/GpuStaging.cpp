//===- GpuStaging.cpp - operands on their way to workgroup memory ---------===//
//
// Every panel ends as chunks of 16 bytes. Where a panel's strides keep chunks aligned in memory,
// each is one copy, and neighbouring threads take neighbouring bytes; else elements are moved one
// by one. Rows and tokens that do not exist are read as some that do, or as zeros where their
// values would be summed up.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/Alignment.h"
#include "lib/Codegen/Gpu/GpuEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dsv2 {
namespace {

/// Copies that a thread makes without a loop: each has its own addresses to keep.
constexpr int64_t kMostUnrolled = 1;

} // namespace

bool GpuEmitter::isAligned(const Matrix &matrix, int64_t elements) {
  return matrix.rowStride % elements == 0 && divisorOf(matrix.offset) % elements == 0;
}

void GpuEmitter::copyChunk(Value from, Value fromAt, Value to, Value toAt, Value valid) {
  Type element = cast<MemRefType>(from.getType()).getElementType();
  auto type = VectorType::get({chunkElements(element)}, element);
  auto read = [&] { return loadVector(type, from, fromAt); };
  if (!valid) {
    storeVector(read(), to, toAt);
    return;
  }
  ifTrue(
      valid, [&] { storeVector(read(), to, toAt); },
      [&] {
        Value zeros = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
        storeVector(zeros, to, toAt);
      });
}

Value GpuEmitter::commitCopies() { return {}; }
void GpuEmitter::waitForCopies(Value, int64_t) {}

Value GpuEmitter::zeroOf(Type element) {
  return arith::ConstantOp::create(b, loc, b.getZeroAttr(element));
}

Value GpuEmitter::loadOrZero(Value memory, Value at, Value valid) {
  Type element = cast<MemRefType>(memory.getType()).getElementType();
  auto op = scf::IfOp::create(b, loc, TypeRange{element}, valid, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.thenBlock());
  Value loaded = memref::LoadOp::create(b, loc, memory, at);
  scf::YieldOp::create(b, loc, loaded);
  b.setInsertionPointToStart(op.elseBlock());
  scf::YieldOp::create(b, loc, zeroOf(element));
  return op.getResult(0);
}

void GpuEmitter::eachOfWorkgroup(int64_t count, const std::function<void(Value)> &body) {
  int64_t threads = team, whole = count / threads;
  if (whole <= kMostUnrolled) {
    for (int64_t i = 0; i < whole; ++i) {
      body(add(thread, i * threads));
    }
  } else {
    loop(index(0), index(whole), [&](Value i) { body(add(thread, mul(i, threads))); });
  }
  if (whole * threads < count) {
    Value number = add(thread, whole * threads);
    ifTrue(less(number, index(count)), [&] { body(number); });
  }
}

void GpuEmitter::copyElements(Type element, Value to, Value toAt,
                              const std::function<Value(int64_t)> &valueOf) {
  int64_t count = chunkElements(element);
  for (int64_t i = 0; i < count; ++i) {
    memref::StoreOp::create(b, loc, valueOf(i), to, add(toAt, i));
  }
}

Value GpuEmitter::rowPlace(const Matrix &matrix, const RowBlock &rows, Value row) {
  Value number = add(rows.first, row);
  if (rows.limit) {
    number = minimum(number, sub(rows.limit, index(1)));
  }
  if (matrix.rowIndex) {
    number = matrix.rowIndex(number);
  }
  return add(mul(number, matrix.rowStride), matrix.offset);
}

GpuEmitter::Place GpuEmitter::chunkPlace(Value base, int64_t rows, Type element) {
  int64_t ce = chunkElements(element), stride = (rows + 1) * ce;
  return [this, base, ce, stride](Value row, Value chunk) {
    return add(add(base, mul(chunk, stride)), mul(row, ce));
  };
}

void GpuEmitter::copyRows(const RowsPanel &panel, Value firstChunk, int64_t chunks, Value memory,
                          const Place &place) {
  Type element = panel.segments.front().matrix.element;
  int64_t ce = chunkElements(element);
  bool whole = true;
  int64_t depth = 0;
  for (const RowsPanel::Segment &segment : panel.segments) {
    // A single segment is zero up to a whole chunk (Matmul.h); several meet somewhere inside.
    whole &=
        isAligned(segment.matrix, ce) && (panel.segments.size() == 1 || segment.depth % ce == 0);
    depth += segment.depth;
  }
  int64_t total = (depth + ce - 1) / ce;
  eachOfWorkgroup(panel.rows.height * chunks, [&](Value number) {
    Value row = div(number, chunks), inStage = rem(number, chunks);
    Value chunk = add(firstChunk, inStage);
    Value to = place(row, inStage);
    if (whole && panel.segments.size() == 1) {
      const Matrix &matrix = panel.segments.front().matrix;
      Value valid = total % chunks == 0 ? Value() : less(chunk, index(total));
      copyChunk(matrix.memory, add(rowPlace(matrix, panel.rows, row), mul(chunk, ce)), memory, to,
                valid);
      return;
    }
    if (whole) {
      // Each chunk lies in one segment; past the last one there are zeros.
      int64_t first = 0;
      std::function<void(size_t)> from = [&](size_t i) {
        const RowsPanel::Segment &segment = panel.segments[i];
        int64_t begin = first, end = first + segment.depth / ce;
        first = end;
        bool last = i + 1 == panel.segments.size();
        auto copy = [&](Value valid) {
          // Not below the segment, even where the copy is not made.
          Value at = valid ? minimum(chunk, index(end - 1)) : chunk;
          Value from =
              add(rowPlace(segment.matrix, panel.rows, row), mul(sub(at, index(begin)), ce));
          copyChunk(segment.matrix.memory, from, memory, to, valid);
        };
        if (last) {
          copy(less(chunk, index(end)));
        } else {
          ifTrue(less(chunk, index(end)), [&] { copy(Value()); }, [&] { from(i + 1); });
        }
      };
      from(0);
      return;
    }
    copyElements(element, memory, to, [&](int64_t i) {
      Value k = add(mul(chunk, ce), i), sum;
      int64_t first = 0;
      for (const RowsPanel::Segment &segment : panel.segments) {
        Value inside = arith::AndIOp::create(
            b, loc, arith::CmpIOp::create(b, loc, arith::CmpIPredicate::uge, k, index(first)),
            less(k, index(first + segment.depth)));
        Value from = add(rowPlace(segment.matrix, panel.rows, row), sub(k, index(first)));
        Value loaded = loadOrZero(segment.matrix.memory, from, inside);
        sum = sum ? Value(arith::SelectOp::create(b, loc, inside, loaded, sum)) : loaded;
        first += segment.depth;
      }
      return sum;
    });
  });
}

void GpuEmitter::copyTokens(const PagedPanel &panel, Value firstToken, int64_t tokens,
                            Value firstChunk, int64_t chunks, Value memory, const Place &place) {
  const Matrix &cache = panel.cache;
  int64_t ce = chunkElements(cache.element);
  bool whole = isAligned(cache, ce);
  eachOfWorkgroup(tokens * chunks, [&](Value number) {
    Value row = div(number, chunks), inStage = rem(number, chunks);
    Value token = add(firstToken, row), chunk = add(firstChunk, inStage);
    // The page of a token that is not cached is not in the table.
    Value known = add(panel.first, minimum(token, sub(panel.count, index(1))));
    Value page = loadIndex(panel.table, add(panel.tableOffset, div(known, panel.pageTokens)));
    Value line = add(mul(page, panel.pageTokens), rem(known, panel.pageTokens));
    Value at = add(add(mul(line, cache.rowStride), cache.offset), mul(chunk, ce));
    Value to = place(row, inStage);
    Value exists = less(token, panel.count);
    if (whole) {
      Value inside =
          arith::AndIOp::create(b, loc, exists, less(chunk, index(cache.rowStride / ce)));
      copyChunk(cache.memory, at, memory, to, inside);
      return;
    }
    copyElements(cache.element, memory, to, [&](int64_t i) {
      Value inside = arith::AndIOp::create(b, loc, exists,
                                           less(add(mul(chunk, ce), i), index(cache.rowStride)));
      return loadOrZero(cache.memory, add(at, i), inside);
    });
  });
}

GpuEmitter::Source GpuEmitter::rowsSource(const RowsPanel &panel) {
  Source out;
  out.rows = panel.rows.height;
  out.chunks = plan.stageChunks;
  out.element = panel.segments.front().matrix.element;
  out.copy = [this, panel](Value step, Value memory, Value base) {
    copyRows(panel, mul(step, plan.stageChunks), plan.stageChunks, memory,
             chunkPlace(base, panel.rows.height, panel.segments.front().matrix.element));
  };
  return out;
}

GpuEmitter::Source GpuEmitter::packedSource(const PackedPanel &panel) {
  Source out;
  out.rows = plan.panelColumns;
  out.chunks = plan.stageChunks;
  out.element = panel.element;
  out.copy = [this, panel](Value step, Value memory, Value base) {
    int64_t ce = chunkElements(panel.element), columns = plan.panelColumns;
    int64_t total = (panel.depth + ce - 1) / ce;
    Value first = mul(panel.index, total * columns * ce);
    eachOfWorkgroup(columns * plan.stageChunks, [&](Value number) {
      Value inStage = div(number, columns), column = rem(number, columns);
      Value chunk = add(mul(step, plan.stageChunks), inStage);
      Value valid = total % plan.stageChunks == 0 ? Value() : less(chunk, index(total));
      Value at = add(first, mul(add(mul(chunk, columns), column), ce));
      Value to = add(base, add(mul(inStage, (columns + 1) * ce), mul(column, ce)));
      copyChunk(panel.memory, at, memory, to, valid);
    });
  };
  return out;
}

GpuEmitter::Source GpuEmitter::tokenSource(const PagedPanel &panel, int64_t tokens, int64_t chunks,
                                           Along along) {
  Source out;
  out.rows = tokens;
  out.chunks = chunks;
  out.element = panel.cache.element;
  out.copy = [this, panel, tokens, chunks, along](Value step, Value memory, Value base) {
    Value zero = index(0);
    Place place = chunkPlace(base, tokens, panel.cache.element);
    if (along == Along::Rows) {
      copyTokens(panel, zero, tokens, mul(step, chunks), chunks, memory, place);
    } else {
      copyTokens(panel, mul(step, tokens), tokens, zero, chunks, memory, place);
    }
  };
  return out;
}

Operand GpuEmitter::resident(const Panel &panel, TileKind) {
  if (const auto *paged = std::get_if<PagedPanel>(&panel)) {
    auto out = std::make_shared<PagedOperand>();
    out->panel = *paged; // brought near by the contraction
    return {out};
  }
  const auto &rows = std::get<RowsPanel>(panel);
  int64_t bytes = 0;
  for (const RowsPanel::Segment &segment : rows.segments) {
    bytes += rows.rows.height * segment.depth * segment.matrix.element.getIntOrFloatBitWidth() / 8;
  }
  if (2 * bytes <= plan.sharedBytes) {
    return stageRows(rows);
  }
  // What is contracted with them needs the memory more.
  auto out = std::make_shared<StreamedRows>();
  out->panel = rows;
  return {out};
}

Operand GpuEmitter::stageRows(const RowsPanel &rows) {
  auto out = std::make_shared<StagedOperand>();
  out->element = rows.segments.front().matrix.element;
  int64_t ce = chunkElements(out->element), depth = 0;
  for (const RowsPanel::Segment &segment : rows.segments) {
    depth += segment.depth;
  }
  int64_t step = plan.stageChunks * ce;
  // Whole stages: what lies past the depth is zero, and meets zeros.
  out->chunks = (depth + step - 1) / step * plan.stageChunks;
  out->chunkStride = (rows.rows.height + 1) * ce;
  fence();
  out->memory = shared(out->element, out->chunks * out->chunkStride);
  out->base = index(0);
  Operation *fenceBefore = fences.back();
  copyRows(rows, index(0), out->chunks, out->memory,
           chunkPlace(out->base, rows.rows.height, out->element));
  // A thread comes back to the places that it wrote before.
  ++ownersUsed;
  for (Operation *op = fenceBefore->getNextNode(); op; op = op->getNextNode()) {
    op->walk([&](Operation *inner) { owners[inner] = ownersUsed; });
  }
  // Here with the first step of a stream, and seen by all after its barrier.
  copiesOpen = true;
  return {out};
}

} // namespace dsv2
