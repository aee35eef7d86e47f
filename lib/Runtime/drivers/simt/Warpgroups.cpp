//===- Warpgroups.cpp - Multiplications of 128 threads --------------------===//
//
// They read both factors from workgroup memory, as an agent of their own, through
// the asynchronous proxy. Factors are read and sums written when their group is
// waited for; until then the registers hold NaN.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/Workgroup.h"

#include <cstring>

using namespace dsv2;
using namespace dsv2::simt;

static constexpr uint32_t kRows = 64, kDepth = 16, kMostColumns = 256;
static constexpr uint32_t kAllRegisters = 65536;

namespace {

struct Place {
  uint32_t row = 0, column = 0;
};

Place placeOf(const SimtGroupMatrixOp &op, uint32_t lane, uint32_t element) {
  Place place;
  for (uint32_t bit = 0; bit < 7; ++bit) {
    if (lane >> bit & 1) {
      place.row += op.lane[bit][0];
      place.column += op.lane[bit][1];
    }
    if (element >> bit & 1) {
      place.row += op.element[bit][0];
      place.column += op.element[bit][1];
    }
  }
  return place;
}

/// Calls `each` with a thread's number, its element's, and where that lies in [64][columns].
template <typename Function> void eachElement(const SimtGroupMatrixOp &op, Function each) {
  uint32_t places[kMostColumns / 2], elements = op.columns / 2u;
  for (uint32_t e = 0; e < elements; ++e) {
    Place place = placeOf(op, 0, e);
    places[e] = place.row * op.columns + place.column;
  }
  for (uint32_t lane = 0; lane < kWarpgroup; ++lane) {
    Place first = placeOf(op, lane, 0);
    uint32_t start = first.row * op.columns + first.column;
    for (uint32_t e = 0; e < elements; ++e) {
      each(lane, e, start + places[e]);
    }
  }
}

float fromBf16(const uint8_t *from) {
  uint16_t bits = 0;
  std::memcpy(&bits, from, sizeof(bits));
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value = 0;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

} // namespace

void Workgroup::groupFence(Thread &thread) { thread.accumulatorsFenced = true; }

void Workgroup::groupCommit(Thread &thread) { ++thread.multipliesCommitted; }

void Workgroup::groupMultiply(Thread &thread, const SimtGroupMatrixOp *op, int64_t a, int64_t b,
                              float *sums, int32_t accumulators, const char *where) {
  thread.operands.groupMatrix = op;
  thread.operands.descriptors[0] = static_cast<uint64_t>(a);
  thread.operands.descriptors[1] = static_cast<uint64_t>(b);
  thread.operands.out = sums;
  thread.operands.numbers[0] = accumulators;
  warpOperation(thread, Wait::GroupMultiply, kWarpgroup, where);
}

/// All 128 threads are there.
void Workgroup::beginMultiplication(Thread *members, uint32_t size) {
  Thread &first = members[0];
  const SimtGroupMatrixOp &op = *first.operands.groupMatrix;
  const char *where = first.where;
  if (size != kWarpgroup || op.columns == 0 || op.columns % 8 != 0 || op.columns > kMostColumns) {
    report(concat("multiplication of ", size, " threads with ", op.columns, " columns at ", where,
                  ": ", kWarpgroup, " threads and 8 to ", kMostColumns, " columns by 8 take part"));
    abandon(first);
  }
  Warpgroup &warpgroup = warpgroups[first.index / kWarpgroup];
  Accumulators *sums = nullptr;
  for (const std::unique_ptr<Accumulators> &each : warpgroup.accumulators) {
    sums = each->slots[0] == first.operands.out ? each.get() : sums;
  }
  Epoch group = first.multipliesCommitted + 1;
  for (uint32_t lane = 0; lane < size; ++lane) {
    const Thread &member = threads[first.index + lane];
    if (member.operands.descriptors[0] != first.operands.descriptors[0] ||
        member.operands.descriptors[1] != first.operands.descriptors[1]) {
      report(concat("the matrix descriptors of ", whoIs(first.index), " and of ",
                    whoIs(member.index), " differ at ", where));
      abandon(first);
    }
    if (member.multipliesCommitted + 1 != group) {
      report(concat(whoIs(first.index), " has ended ", first.multipliesCommitted,
                    " groups of multiplications and ", whoIs(member.index), " has ended ",
                    member.multipliesCommitted, " at ", where));
      abandon(first);
    }
    if (check && first.operands.numbers[0] != SimtChained && !member.accumulatorsFenced &&
        reports.isNew("fence", where)) {
      report(concat("the accumulators of the multiplication at ", where, " by ",
                    whoIs(member.index),
                    " may have been touched since the last warpgroup fence [no fence between]"));
    }
  }
  if (check && first.operands.numbers[0] == SimtTouched && reports.isNew("fence", where)) {
    report(concat("the accumulators of the multiplication at ", where, " by ", whoIs(first.index),
                  " are touched after the warpgroup fence [no fence between]"));
  }
  if (sums && first.operands.numbers[0] != SimtChained && reports.isNew("busy", where)) {
    report(concat("the accumulators of the multiplication at ", where, " by ", whoIs(first.index),
                  " are touched while a multiplication is under way [no wait between]"));
  }
  checkOperands(first, group);
  if (!sums) {
    warpgroup.accumulators.push_back(std::make_unique<Accumulators>());
    sums = warpgroup.accumulators.back().get();
    sums->columns = op.columns;
    sums->values.assign(kRows * op.columns, 0.0f);
    for (uint32_t lane = 0; lane < size; ++lane) {
      sums->slots[lane] = static_cast<float *>(threads[first.index + lane].operands.out);
    }
    eachElement(op, [&](uint32_t lane, uint32_t e, uint32_t place) {
      sums->values[place] = op.zero ? 0.0f : sums->slots[lane][e];
      std::memset(sums->slots[lane] + e, kPoison, sizeof(float));
    });
  }
  ++sums->uses;
  warpgroup.underWay.push_back(
      {&op, first.operands.descriptors[0], first.operands.descriptors[1], sums, group});
  for (uint32_t lane = 0; lane < size; ++lane) {
    threads[first.index + lane].noteSums(sums->slots[lane], group, where);
  }
}

/// Reads both operands as the warpgroup, for all that its threads know. Also sees that they lie in
/// workgroup memory, checks or not.
void Workgroup::checkOperands(Thread &first, Epoch group) {
  const SimtGroupMatrixOp &op = *first.operands.groupMatrix;
  std::vector<const Clock *> clocks;
  for (uint32_t lane = 0; lane < kWarpgroup; ++lane) {
    const Clock *clock = threads[first.index + lane].base.get();
    if (std::find(clocks.begin(), clocks.end(), clock) == clocks.end()) {
      clocks.push_back(clock);
    }
  }
  for (unsigned which : {0u, 1u}) {
    MatrixDescriptor operand(first.operands.descriptors[which],
                             which == 1 && op.columnsOutside != 0);
    const char *name = which == 0 ? "A" : "B";
    if (operand.swizzle != 1 || operand.baseOffset != 0 || operand.start % kSwizzlePeriod >= 128) {
      report(concat("the matrix descriptor of ", name, " at ", first.where, " by ",
                    whoIs(first.index), " (swizzle mode ", operand.swizzle, ", base offset ",
                    operand.baseOffset, ", byte ", operand.start,
                    " of workgroup memory): only swizzling by 128 bytes is played, from a multiple "
                    "of ",
                    kSwizzlePeriod, " on, and k within a row of 128 bytes"));
      abandon(first);
    }
    operand.chunks(which == 0 ? kRows : op.columns, kDepth, [&](uint64_t offset) {
      if (offset + 16 > grid->kernel->sharedBytes) {
        report(concat("out of bounds: ", name, " of the multiplication at ", first.where, " by ",
                      whoIs(first.index), " reaches byte ", offset, " of ",
                      grid->kernel->sharedBytes, " bytes of workgroup memory"));
        abandon(first);
      }
      if (check) {
        readAsGroup(first, clocks,
                    {reinterpret_cast<uintptr_t>(shared) + offset, 16, false,
                     agents.warpgroupOf(first.index), group, first.where, true});
      }
    });
  }
}

void Workgroup::multiply(const Multiplication &each) {
  const SimtGroupMatrixOp &op = *each.op;
  MatrixDescriptor left(each.a, false), right(each.b, op.columnsOutside != 0);
  static thread_local float factors[kDepth][kMostColumns];
  for (uint32_t k = 0; k < kDepth; ++k) {
    for (uint32_t column = 0; column < op.columns; ++column) {
      factors[k][column] = fromBf16(shared + right.at(column, k));
    }
  }
  for (uint32_t row = 0; row < kRows; ++row) {
    float *sums = each.sums->values.data() + row * op.columns;
    if (op.zero) {
      std::fill(sums, sums + op.columns, 0.0f);
    }
    for (uint32_t k = 0; k < kDepth; ++k) {
      float factor = fromBf16(shared + left.at(row, k));
      for (uint32_t column = 0; column < op.columns; ++column) {
        sums[column] += factor * factors[k][column];
      }
    }
  }
}

void Workgroup::groupWait(Thread &thread, uint32_t pending) {
  Warpgroup &warpgroup = warpgroups[thread.index / kWarpgroup];
  if (thread.multipliesCommitted > pending) {
    thread.multipliesDone = thread.multipliesCommitted - pending;
  }
  thread.accumulatorsFenced = false;
  while (!warpgroup.underWay.empty() && warpgroup.underWay.front().group <= thread.multipliesDone) {
    const Multiplication &next = warpgroup.underWay.front();
    multiply(next);
    if (--next.sums->uses == 0) {
      Accumulators &sums = *next.sums;
      eachElement(*next.op, [&](uint32_t lane, uint32_t e, uint32_t place) {
        sums.slots[lane][e] = sums.values[place];
      });
      auto &all = warpgroup.accumulators;
      all.erase(std::find_if(all.begin(), all.end(),
                             [&](const auto &other) { return other.get() == &sums; }));
    }
    warpgroup.underWay.pop_front();
  }
}

void Thread::noteSums(const float *slot, Epoch group, const char *at) {
  for (Sums &each : sums) {
    if (each.slot == slot) {
      each.group = group;
      each.where = at;
      return;
    }
  }
  sums.push_back({slot, group, at});
}

void Workgroup::groupResult(Thread &thread, const float *slot, const char *where) {
  for (const Thread::Sums &each : thread.sums) {
    if (each.slot == slot && each.group > thread.multipliesDone &&
        reports.isNew("result", where, each.where)) {
      report(concat("the accumulators of the multiplication at ", each.where, " are used at ",
                    where, " by ", whoIs(thread.index), " [its group is not waited for]"));
    }
  }
}

void Workgroup::setRegisters(Thread *members, uint32_t) {
  Thread &first = members[0];
  int32_t registers = first.operands.numbers[0];
  if (registers < 24 || registers > 256 || registers % 8 != 0) {
    report(concat(registers, " registers a thread at ", first.where,
                  ": multiples of 8 from 24 to 256 are possible"));
    abandon(first);
  }
  warpgroups[first.index / kWarpgroup].registers = static_cast<uint32_t>(registers);
  uint32_t all = 0;
  for (const Warpgroup &each : warpgroups) {
    all += each.registers * kWarpgroup;
  }
  if (all > kAllRegisters && reports.isNew("registers", first.where)) {
    report(concat("the warpgroups ask for ", all, " registers at ", first.where, ", and there are ",
                  kAllRegisters));
  }
}
