//===- RowChunks.cpp - a row in pieces of a vector or of lanes ------------===//
//
// In lanes each row has its own scratch, and in it each lane its own elements, so that nothing has
// to be waited for.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/RowChunks.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace dsv2 {

RowChunks::RowChunks(KernelCode &k, int64_t threads) : k(k), threads(threads) {
  if (!inLanes()) {
    places = arith::ConstantOp::create(
        k.b, k.loc, k.b.getI32VectorAttr(llvm::to_vector(llvm::seq<int32_t>(0, kWidth))));
    return;
  }
  k.b.getContext()->loadDialect<gpu::GPUDialect>();
  Value thread = gpu::ThreadIdOp::create(k.b, k.loc, gpu::Dimension::x);
  Value width = k.constant(kWidth);
  lane = arith::RemUIOp::create(k.b, k.loc, thread, width);
  row = arith::DivUIOp::create(k.b, k.loc, thread, width);
  places = k.toI32(lane);
}

void RowChunks::onlyIf(Value condition, llvm::function_ref<void()> body) {
  auto then = scf::IfOp::create(k.b, k.loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPointToStart(then.thenBlock());
  body();
}

Value RowChunks::compare(arith::CmpIPredicate predicate, Value x, Value y) {
  return arith::CmpIOp::create(k.b, k.loc, predicate, x, y);
}

void RowChunks::forRows(Value begin, Value end, llvm::function_ref<void(Value)> body) {
  if (!inLanes()) {
    k.loop(begin, end, body);
    return;
  }
  k.loop(begin, end, rows(), {}, [&](Value first, ValueRange) {
    Value own = k.add(first, row);
    exists = compare(arith::CmpIPredicate::ult, own, end);
    Value last = arith::SubIOp::create(k.b, k.loc, end, k.constant(1));
    body(arith::MinUIOp::create(k.b, k.loc, own, last));
    return Values{};
  });
}

void RowChunks::synchronize() {
  if (inLanes()) {
    gpu::BarrierOp::create(k.b, k.loc);
  }
}

Value RowChunks::constant(Type element, double value) {
  return k.constant(inLanes() ? element : VectorType::get({kWidth}, element), value);
}

Value RowChunks::splat(Value scalar) { return inLanes() ? scalar : k.broadcast(scalar, kWidth); }

Value RowChunks::load(Value memory, Value at, int64_t width, Value rest) {
  if (!inLanes()) {
    Value part = k.loadVector(memory, at, width);
    return width == kWidth
               ? part
               : Value(vector::InsertStridedSliceOp::create(
                     k.b, k.loc, part, rest, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{1}));
  }
  Value place = k.add(at, lane);
  if (width == kWidth) {
    return k.load(memory, place);
  }
  Value inside = compare(arith::CmpIPredicate::ult, lane, k.constant(width));
  auto choice =
      scf::IfOp::create(k.b, k.loc, TypeRange{rest.getType()}, inside, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(k.b, k.loc, k.load(memory, place));
  k.b.setInsertionPointToStart(choice.elseBlock());
  scf::YieldOp::create(k.b, k.loc, rest);
  return choice.getResult(0);
}

RowChunks::Values RowChunks::fold(Values chunks, llvm::function_ref<Values(Values, Values)> step) {
  for (int64_t width = kWidth / 2; width >= 1; width /= 2) {
    Values low, high;
    for (Value chunk : chunks) {
      if (inLanes()) {
        low.push_back(chunk);
        high.push_back(gpu::ShuffleOp::create(k.b, k.loc, chunk, int32_t(width), int32_t(threads),
                                              gpu::ShuffleMode::XOR)
                           .getShuffleResult());
        continue;
      }
      auto half = [&](int64_t from) -> Value {
        return vector::ShuffleOp::create(k.b, k.loc, chunk, chunk,
                                         llvm::to_vector(llvm::seq(from, from + width)));
      };
      low.push_back(half(0));
      high.push_back(half(width));
    }
    chunks = step(low, high);
  }
  for (Value &chunk : chunks) {
    if (!inLanes()) {
      chunk = vector::ExtractOp::create(k.b, k.loc, chunk, 0);
      continue;
    }
    // The first lane has folded in the order of vectors; all take its value.
    Value first = k.toI32(k.mul(row, kWidth));
    Value all = k.constant(k.i32, static_cast<double>(threads));
    chunk = gpu::ShuffleOp::create(k.b, k.loc, chunk, first, all, gpu::ShuffleMode::IDX)
                .getShuffleResult();
  }
  return chunks;
}

Value RowChunks::fold(Value chunk, llvm::function_ref<Value(Value, Value)> step) {
  return fold(Values{chunk},
              [&](Values low, Values high) { return Values{step(low[0], high[0])}; })[0];
}

Value RowChunks::scratch(Type element, int64_t count) {
  return inLanes() ? k.scratch(element, count, rows(), row) : k.scratch(element, count);
}

void RowChunks::store(Value chunk, Value memory, Value at) {
  k.store(chunk, memory, inLanes() ? k.add(at, lane) : at);
}

void RowChunks::put(Value scalar, Value memory, Value at) {
  if (!inLanes()) {
    k.store(scalar, memory, at);
    return;
  }
  Value owner = arith::RemUIOp::create(k.b, k.loc, at, k.constant(kWidth));
  onlyIf(compare(arith::CmpIPredicate::eq, owner, lane), [&] { k.store(scalar, memory, at); });
}

Value RowChunks::scalars(Type element, int64_t count) {
  return scratch(element, inLanes() ? count * kWidth : count);
}

void RowChunks::setScalar(Value scalar, Value memory, Value at) {
  k.store(scalar, memory, inLanes() ? k.add(k.mul(at, kWidth), lane) : at);
}

Value RowChunks::getScalar(Value memory, Value at) {
  return k.load(memory, inLanes() ? k.add(k.mul(at, kWidth), lane) : at);
}

void RowChunks::writeChunk(Value chunk, Value memory, Value at, int64_t width) {
  if (!inLanes()) {
    if (width < kWidth) {
      chunk = vector::ExtractStridedSliceOp::create(k.b, k.loc, chunk, ArrayRef<int64_t>{0},
                                                    ArrayRef<int64_t>{width}, ArrayRef<int64_t>{1});
    }
    k.store(chunk, memory, at);
    return;
  }
  Value inside = compare(arith::CmpIPredicate::ult, lane, k.constant(width));
  onlyIf(arith::AndIOp::create(k.b, k.loc, inside, exists),
         [&] { k.store(chunk, memory, k.add(at, lane)); });
}

void RowChunks::write(Value scalar, Value memory, Value at) {
  if (!inLanes()) {
    k.store(scalar, memory, at);
    return;
  }
  Value first = compare(arith::CmpIPredicate::eq, lane, k.constant(0));
  onlyIf(arith::AndIOp::create(k.b, k.loc, first, exists), [&] { k.store(scalar, memory, at); });
}

} // namespace dsv2
