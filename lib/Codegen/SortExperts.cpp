//===- SortExperts.cpp - rows in the order of their experts ---------------===//
//
// Counts, then ascending starts, then places. Ids are clamped when read, so a wrong one costs a
// wrong result and never a write outside the tables. One thread walks over the ids; several share
// the experts out, and each walks over all ids for its own: no two write the same place, and the
// tables are the same.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/SortExperts.h"

#include "lib/Codegen/Gpu/DeviceForm.h"
#include "lib/Codegen/KernelCode.h"
#include "lib/Codegen/TileEmitter.h"

using namespace mlir;

namespace dsv2 {
namespace {

BuiltKernel sortAlone(KernelCode &k, int64_t experts, int64_t slots) {
  Type i32 = k.i32;
  Value ids = k.slot(0), list = k.slot(1), count = k.slot(2), order = k.slot(3),
        position = k.slot(4);
  Value next = k.scratch(i32, experts); // counts first, then the next place of each expert
  Value zero = k.constant(0), last = k.constant(experts), one = k.constant(i32, 1);
  Value assignments = k.mul(k.slot(5), slots);

  // Items: one. A worker with none of it must not touch the tables.
  k.loop(k.begin(), k.end(), [&](Value) {
    k.loop(zero, last, [&](Value expert) { k.store(k.constant(i32, 0), next, expert); });
    k.loop(zero, assignments, [&](Value i) {
      Value expert = k.clampedIndex(k.load(ids, i), experts);
      k.store(k.add(k.load(next, expert), one), next, expert);
    });
    KernelCode::Values sums =
        k.loop(zero, last, 1, {k.constant(i32, 0), zero}, [&](Value expert, ValueRange carried) {
          Value first = carried[0], entry = carried[1];
          Value rows = k.load(next, expert);
          Value end = k.add(first, rows);
          k.store(first, next, expert);
          Value some =
              arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::ne, rows, k.constant(i32, 0));
          auto then = scf::IfOp::create(k.b, k.loc, some, /*withElseRegion=*/false);
          {
            OpBuilder::InsertionGuard guard(k.b);
            k.b.setInsertionPointToStart(then.thenBlock());
            Value at = k.mul(entry, 3);
            k.store(k.toI32(expert), list, at);
            k.store(first, list, k.add(at, 1));
            k.store(end, list, k.add(at, 2));
          }
          Value step = arith::IndexCastUIOp::create(k.b, k.loc, k.index, some);
          return KernelCode::Values{end, k.add(entry, step)};
        });
    k.store(k.toI32(sums[1]), count, zero);
    k.loop(zero, k.slot(5), [&](Value row) {
      Value base = k.mul(row, slots), value = k.toI32(row);
      k.loop(zero, k.constant(slots), [&](Value slot) {
        Value i = k.add(base, slot);
        Value expert = k.clampedIndex(k.load(ids, i), experts);
        Value place = k.load(next, expert);
        k.store(k.add(place, one), next, expert);
        k.store(value, order, k.toIndex(place));
        k.store(place, position, i);
      });
    });
  });
  return k.finish();
}

Value compare(KernelCode &k, arith::CmpIPredicate predicate, Value x, Value y) {
  return arith::CmpIOp::create(k.b, k.loc, predicate, x, y);
}

void ifTrue(KernelCode &k, Value condition, llvm::function_ref<void()> body) {
  auto then = scf::IfOp::create(k.b, k.loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPointToStart(then.thenBlock());
  body();
}

BuiltKernel sortTogether(KernelCode &k, int64_t experts, int64_t slots, int64_t threads) {
  k.b.getContext()->loadDialect<gpu::GPUDialect>();
  Value ids = k.slot(0), list = k.slot(1), count = k.slot(2), order = k.slot(3),
        position = k.slot(4);
  Value rows = k.scratch(k.i32, experts); // of each expert
  Value zero = k.constant(0), last = k.constant(experts), one = k.constant(k.i32, 1),
        none = k.constant(k.i32, 0);
  Value assignments = k.mul(k.slot(5), slots);
  Value thread = gpu::ThreadIdOp::create(k.b, k.loc, gpu::Dimension::x);
  auto eachExpert = [&](llvm::function_ref<void(Value)> body) {
    k.loop(thread, last, threads, {}, [&](Value expert, ValueRange) {
      body(expert);
      return KernelCode::Values{};
    });
  };
  auto isOf = [&](Value i, Value expert) {
    return compare(k, arith::CmpIPredicate::eq, k.clampedIndex(k.load(ids, i), experts), expert);
  };
  k.loop(k.begin(), k.end(), [&](Value) {
    eachExpert([&](Value expert) {
      Value found = k.loop(zero, assignments, 1, {none}, [&](Value i, ValueRange carried) {
        Value step = arith::ExtUIOp::create(k.b, k.loc, k.i32, isOf(i, expert));
        return KernelCode::Values{k.add(carried[0], step)};
      })[0];
      k.store(found, rows, expert);
    });
    // What the others have counted.
    gpu::BarrierOp::create(k.b, k.loc);
    eachExpert([&](Value expert) {
      auto before = k.loop(zero, expert, 1, {none, none}, [&](Value other, ValueRange carried) {
        Value theirs = k.load(rows, other);
        Value some = compare(k, arith::CmpIPredicate::ne, theirs, none);
        Value step = arith::ExtUIOp::create(k.b, k.loc, k.i32, some);
        return KernelCode::Values{k.add(carried[0], theirs), k.add(carried[1], step)};
      });
      Value first = before[0], entry = before[1], own = k.load(rows, expert);
      Value some = compare(k, arith::CmpIPredicate::ne, own, none);
      ifTrue(k, some, [&] {
        Value at = k.mul(k.toIndex(entry), 3);
        k.store(k.toI32(expert), list, at);
        k.store(first, list, k.add(at, 1));
        k.store(k.add(first, own), list, k.add(at, 2));
      });
      Value isLast = compare(k, arith::CmpIPredicate::eq, expert, k.constant(experts - 1));
      ifTrue(k, isLast, [&] {
        Value step = arith::ExtUIOp::create(k.b, k.loc, k.i32, some);
        k.store(k.add(entry, step), count, zero);
      });
      k.loop(zero, assignments, 1, {first}, [&](Value i, ValueRange carried) {
        Value mine = isOf(i, expert);
        ifTrue(k, mine, [&] {
          Value row = arith::DivUIOp::create(k.b, k.loc, i, k.constant(slots));
          k.store(k.toI32(row), order, k.toIndex(carried[0]));
          k.store(carried[0], position, i);
        });
        Value step = arith::SelectOp::create(k.b, k.loc, mine, one, none);
        return KernelCode::Values{k.add(carried[0], step)};
      });
    });
  });
  BuiltKernel out = k.finish();
  out.function->setAttr(kThreadsAttr, k.b.getI64IntegerAttr(threads));
  return out;
}

} // namespace

FailureOr<BuiltKernel> buildSortExperts(const KernelRequest &request, TileEmitter &e) {
  SpecReader spec("sort_experts", request);
  int64_t experts = spec.integer("experts"), slots = spec.integer("slots");
  if (spec.failed()) {
    return failure();
  }
  Builder types(request.loc.getContext());
  Type i32 = types.getI32Type();
  KernelCode k(request, {i32, i32, i32, i32, i32, types.getIndexType()});
  int64_t threads = e.threadsOfItem();
  return threads > 1 ? sortTogether(k, experts, slots, threads) : sortAlone(k, experts, slots);
}

} // namespace dsv2
