//===- SortExperts.cpp - rows in the order of their experts ---------------===//
//
// Counts, then ascending starts, then places. Ids are clamped when read, so a wrong one costs a
// wrong result and never a write outside the tables.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/SortExperts.h"

#include "lib/Codegen/KernelCode.h"

using namespace mlir;

namespace dsv2 {

FailureOr<BuiltKernel> buildSortExperts(const KernelRequest &request, TileEmitter &) {
  SpecReader spec("sort_experts", request);
  int64_t experts = spec.integer("experts"), slots = spec.integer("slots");
  if (spec.failed()) {
    return failure();
  }
  Builder types(request.loc.getContext());
  Type i32 = types.getI32Type();
  KernelCode k(request, {i32, i32, i32, i32, i32, types.getIndexType()});
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

} // namespace dsv2
