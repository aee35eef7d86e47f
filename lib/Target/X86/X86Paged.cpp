//===- X86Paged.cpp - contractions with a paged cache ---------------------===//
//
// Scores: rows of the left operand (heads) in lanes, cached elements spread over them, a group of
// tokens at a time. Results: columns of the cached rows in lanes, two tokens interleaved to pairs
// on the fly, probabilities spread. A group of tokens never crosses a page; tokens past the count
// may be read for scores (they lie in the page, and each has its own accumulator) but never for
// results.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/X86/X86Data.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dsv2 {

void X86Emitter::packSegment(const RowsPanel::Segment &segment, const RowBlock &rows,
                             const LanesOperand &to, int64_t firstK) {
  const Matrix &matrix = segment.matrix;
  bool packed = to.kind == Arithmetic::Pair;
  bool byPairs = packed && firstK % 2 == 0 && segment.depth % 2 == 0;
  loop(index(0), index(kHeads), [&](Value lane) {
    // Rows past the limit repeat the last one; nobody stores them.
    Value row = minimum(add(rows.first, lane), sub(rows.limit, index(1)));
    Value from = add(mul(row, matrix.rowStride), matrix.offset);
    if (byPairs) {
      auto pair = VectorType::get({2}, matrix.element),
           stored = VectorType::get({2}, b.getI16Type());
      loop(index(0), index(segment.depth / 2), [&](Value k) {
        Value at = mul(add(mul(add(k, firstK / 2), kHeads), lane), 2);
        storeVector(bitcast(stored, loadVector(pair, matrix.memory, add(from, mul(k, 2)))),
                    to.memory, at);
      });
      return;
    }
    loop(index(0), index(segment.depth), [&](Value step) {
      Value element = memref::LoadOp::create(b, loc, matrix.memory, ValueRange{add(from, step)});
      Value k = add(step, firstK), at = add(mul(k, kHeads), lane);
      if (packed) {
        at = add(mul(add(mul(div(k, 2), kHeads), lane), 2), rem(k, 2));
        element = arith::BitcastOp::create(b, loc, b.getI16Type(), element);
      } else if (to.kind == Arithmetic::Widened) {
        element = arith::ExtFOp::create(b, loc, b.getF32Type(), element);
      }
      memref::StoreOp::create(b, loc, element, to.memory, ValueRange{at});
    });
  });
}

Operand X86Emitter::packLanes(const RowsPanel &panel) {
  Type element = panel.segments.front().matrix.element;
  auto out = std::make_shared<LanesOperand>();
  out->kind = arithmetic(element);
  for (const RowsPanel::Segment &segment : panel.segments) {
    out->depth += segment.depth;
  }
  int64_t padded = (out->depth + 1) / 2 * 2;
  Type stored = out->kind == Arithmetic::Pair ? Type(b.getI16Type()) : Type(b.getF32Type());
  out->memory = scratch(stored, padded * kHeads);
  if (padded != out->depth) {
    // The last pair's second element meets padding of the cache, which is zero; it must not be a
    // NaN.
    Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(stored));
    bool packed = out->kind == Arithmetic::Pair;
    loop(index(0), index(kHeads), [&](Value lane) {
      Value at = packed ? add(mul(add(lane, out->depth / 2 * kHeads), 2), 1)
                        : add(lane, out->depth * kHeads);
      memref::StoreOp::create(b, loc, zero, out->memory, ValueRange{at});
    });
  }
  int64_t firstK = 0;
  for (const RowsPanel::Segment &segment : panel.segments) {
    packSegment(segment, panel.rows, *out, firstK);
    firstK += segment.depth;
  }
  return {out};
}

Value X86Emitter::pageRow(const PagedOperand &cache, Value token) {
  const PagedPanel &panel = cache.panel;
  Value page = loadIndex(panel.table, add(panel.tableOffset, div(token, panel.pageTokens)));
  return add(mul(page, panel.pageTokens), rem(token, panel.pageTokens));
}

Tile X86Emitter::contractScores(std::shared_ptr<MemoryTile> tile, const LanesOperand &q,
                                const PagedOperand &cache) {
  const PagedPanel &panel = cache.panel;
  const Matrix &matrix = panel.cache;
  int64_t pair = pairOf(q.kind), steps = (panel.depth + pair - 1) / pair, vectors = rowVectors();
  int64_t tokens = blockTokens();
  loop(index(0), ceilDiv(panel.count, tokens), [&](Value group) {
    Value first = mul(group, tokens), token = add(panel.first, first);
    Value at = add(mul(pageRow(cache, token), matrix.rowStride), matrix.offset);
    // While a group is used, the next one is fetched: a line a step covers it.
    Value last = sub(add(panel.first, panel.count), index(1));
    Value next = mul(pageRow(cache, minimum(add(token, tokens), last)), matrix.rowStride);
    bool ahead = tokens == 16;
    int64_t lineElements = matrix.element.isF32() ? 16 : 32;
    auto step = [&](Value k, ArrayRef<Value> carried) {
      Accumulators acc(carried);
      if (ahead) {
        prefetch(matrix.memory, add(next, mul(k, lineElements)));
      }
      auto place = [&](int64_t i) { return add(add(at, i * matrix.rowStride), mul(k, pair)); };
      if (q.kind == Arithmetic::Widened) {
        // Token by token, so that only one widened pair is alive.
        SmallVector<Value> lanes[2];
        for (int64_t odd = 0; odd < 2; ++odd) {
          Value row = mul(add(mul(k, 2), odd), kHeads);
          for (int64_t v = 0; v < vectors; ++v) {
            lanes[odd].push_back(loadVector(floats(), q.memory, add(row, v * tier.lanes)));
          }
        }
        for (int64_t i = 0; i < tokens; ++i) {
          Value both = spreadPair(matrix.memory, place(i));
          for (bool odd : {true, false}) {
            Value x = half(both, odd);
            for (int64_t v = 0; v < vectors; ++v) {
              acc[i * vectors + v] = fma(lanes[odd][v], x, acc[i * vectors + v]);
            }
          }
        }
        return acc;
      }
      SmallVector<Value> lanes;
      for (int64_t v = 0; v < vectors; ++v) {
        Value from = add(mul(k, kHeads * pair), v * tier.lanes * pair);
        lanes.push_back(q.kind == Arithmetic::F32 ? loadVector(floats(), q.memory, from)
                                                  : loadPairs(q.memory, from));
      }
      for (int64_t i = 0; i < tokens; ++i) {
        Value x = q.kind == Arithmetic::F32 ? spreadFloat(matrix.memory, place(i))
                                            : spreadPair(matrix.memory, place(i));
        for (int64_t v = 0; v < vectors; ++v) {
          Value &sum = acc[i * vectors + v];
          sum = q.kind == Arithmetic::F32 ? fma(lanes[v], x, sum) : dotPairs(sum, lanes[v], x);
        }
      }
      return acc;
    };
    Accumulators sums =
        loopCarrying(index(steps), Accumulators(tokens * vectors, zeroVector()), step);
    for (auto [number, value] : llvm::enumerate(sums)) {
      storeVector(value, tile->memory, add(mul(first, kHeads), int64_t(number) * tier.lanes));
    }
  });
  tile->isZero = false;
  return {tile};
}

Value X86Emitter::interleave(Value even, Value odd) {
  auto halves = VectorType::get({tier.lanes}, b.getI16Type());
  if (tier.emulate) {
    Value low = arith::ExtUIOp::create(b, loc, words(), bitcast(halves, even));
    Value high = arith::ExtUIOp::create(b, loc, words(), bitcast(halves, odd));
    high = arith::ShLIOp::create(b, loc, high, splatWord(16));
    return bitcast(pairs(), arith::OrIOp::create(b, loc, low, high));
  }
  // Joined as 64-bit lanes and permuted once: a shuffle of bf16 lanes becomes three instructions
  // more.
  auto longs = VectorType::get({4}, b.getI64Type());
  Value joined = vector::ShuffleOp::create(b, loc, bitcast(longs, even), bitcast(longs, odd),
                                           ArrayRef<int64_t>{0, 1, 2, 3, 4, 5, 6, 7});
  auto all = VectorType::get({32}, b.getI16Type());
  SmallVector<int16_t> order;
  for (int16_t lane = 0; lane < 16; ++lane) {
    order.append({lane, int16_t(lane + 16)});
  }
  Value permutation =
      arith::ConstantOp::create(b, loc, DenseElementsAttr::get(all, ArrayRef<int16_t>(order)));
  Value mixed =
      LLVM::CallIntrinsicOp::create(b, loc, all, b.getStringAttr("llvm.x86.avx512.permvar.hi.512"),
                                    ValueRange{bitcast(all, joined), permutation})
          .getResult(0);
  return bitcast(pairs(), mixed);
}

X86Emitter::Accumulators X86Emitter::accumulatePage(ArrayRef<Value> accumulators,
                                                    const LanesOperand &p,
                                                    const PagedOperand &cache, Value page,
                                                    Value column, Value head) {
  const PagedPanel &panel = cache.panel;
  const Matrix &matrix = panel.cache;
  int64_t vectors = kHeads / tier.lanes, rows = int64_t(accumulators.size()) / vectors,
          pair = pairOf(p.kind);
  Value token = mul(page, panel.pageTokens);
  Value base = add(
      add(mul(pageRow(cache, add(panel.first, token)), matrix.rowStride), matrix.offset), column);
  Value count = minimum(sub(panel.count, token), index(panel.pageTokens)),
        last = sub(count, index(1));
  auto step = [&](Value t, ArrayRef<Value> carried) {
    Accumulators acc(carried);
    Value even = mul(t, pair);
    Value from = add(base, mul(even, matrix.rowStride));
    // The last token of an odd count meets itself, with a probability of zero.
    Value odd = pair == 1 ? even : minimum(add(even, 1), last);
    Value fromOdd = add(base, mul(odd, matrix.rowStride));
    Value weights = add(mul(add(token, even), kHeads), head);
    if (p.kind == Arithmetic::Pair) {
      auto narrow = VectorType::get({tier.lanes}, matrix.element);
      Value values = interleave(loadVector(narrow, matrix.memory, from),
                                loadVector(narrow, matrix.memory, fromOdd));
      weights = add(mul(add(token, even), kHeads), mul(head, 2));
      for (int64_t r = 0; r < rows; ++r) {
        acc[r] = dotPairs(acc[r], values, spreadPair(p.memory, add(weights, 2 * r)));
      }
      return acc;
    }
    for (int64_t second = pair - 1; second >= 0; --second) {
      SmallVector<Value> values;
      for (int64_t v = 0; v < vectors; ++v) {
        values.push_back(
            loadWide(matrix.element, matrix.memory, add(second ? fromOdd : from, v * tier.lanes)));
      }
      for (int64_t r = 0; r < rows; ++r) {
        Value x = spreadFloat(p.memory, add(weights, second * kHeads + r));
        for (int64_t v = 0; v < vectors; ++v) {
          acc[r * vectors + v] = fma(x, values[v], acc[r * vectors + v]);
        }
      }
    }
    return acc;
  };
  return loopCarrying(pair == 1 ? count : ceilDiv(count, 2), accumulators, step);
}

Tile X86Emitter::contractColumns(std::shared_ptr<MemoryTile> tile, const LanesOperand &p,
                                 const PagedOperand &cache) {
  int64_t vectors = kHeads / tier.lanes, rows = tier.lanes == 8 ? 4 : kHeads;
  Value pages = ceilDiv(cache.panel.count, cache.panel.pageTokens);
  loop(index(0), index(tile->stride / kHeads), [&](Value slice) {
    Value column = mul(slice, vectors * tier.lanes);
    loop(index(0), index(kHeads / rows), [&](Value block) {
      Value head = mul(block, rows);
      auto place = [&](int64_t number) {
        Value row = add(head, number / vectors);
        return add(add(add(tile->base, mul(row, tile->stride)), column),
                   number % vectors * tier.lanes);
      };
      Accumulators acc(rows * vectors, zeroVector());
      if (!tile->isZero) {
        for (auto [number, value] : llvm::enumerate(acc)) {
          value = loadVector(floats(), tile->memory, place(number));
        }
      }
      acc = loopCarrying(pages, acc, [&](Value page, ArrayRef<Value> carried) {
        return accumulatePage(carried, p, cache, page, column, head);
      });
      for (auto [number, value] : llvm::enumerate(acc)) {
        storeVector(value, tile->memory, place(number));
      }
    });
  });
  tile->isZero = false;
  return {tile};
}

} // namespace dsv2
