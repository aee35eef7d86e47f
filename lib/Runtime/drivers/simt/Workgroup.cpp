//===- Workgroup.cpp - Scheduling of the threads --------------------------===//
//
// Fibers switch straight to the next ready one; the scheduler is entered only
// when none is.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/Workgroup.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace dsv2;
using namespace dsv2::simt;

/// Matrix descriptors hold the low bits of an address: so much is an offset, too.
static constexpr uint64_t kSharedAlignment = uint64_t(1) << 18;

const char *dsv2::simt::waitName(Wait wait) {
  switch (wait) {
  case Wait::Nothing:
    break;
  case Wait::Barrier:
    return "a barrier";
  case Wait::WarpBarrier:
    return "a warp barrier";
  case Wait::Shuffle:
    return "a shuffle";
  case Wait::MatrixMultiply:
    return "a matrix multiplication";
  case Wait::MatrixLoad:
    return "a matrix load";
  case Wait::Elect:
    return "the election of a lane";
  case Wait::SetRegisters:
    return "a change of registers";
  case Wait::GroupMultiply:
    return "a multiplication of a warpgroup";
  case Wait::Mbarrier:
    return "an mbarrier";
  }
  return "nothing";
}

Workgroup::Workgroup(GlobalMemory &memory, Reports &reports, bool check)
    : memory(memory), reports(reports), check(check) {
  atBarrier.resize(kBarriers);
}

Workgroup::~Workgroup() { std::free(shared); }

std::optional<Error> Workgroup::reserve(uint32_t threadCount, uint64_t sharedBytes) {
  if (!stacks || stacks->count() < threadCount) {
    Expected<std::unique_ptr<FiberStacks>> made = FiberStacks::allocate(threadCount);
    if (!made) {
      return made.takeError();
    }
    stacks = std::move(*made);
    while (threads.size() < threadCount) {
      threads.emplace_back();
    }
    warpArrived.resize(threadCount);
    groupArrived.resize(threadCount);
  }
  if (sharedCapacity < sharedBytes || !shared) {
    std::free(shared);
    sharedCapacity = (sharedBytes + kSharedAlignment - 1) / kSharedAlignment * kSharedAlignment;
    sharedCapacity = std::max(sharedCapacity, kSharedAlignment);
    shared = static_cast<uint8_t *>(std::aligned_alloc(kSharedAlignment, sharedCapacity));
    if (!shared) {
      sharedCapacity = 0;
      return Error(ErrorKind::Limit, "cannot allocate ", sharedBytes, " bytes of workgroup memory");
    }
    sharedCells.assign(sharedCapacity / kCellBytes, Cell{});
  }
  return std::nullopt;
}

bool Workgroup::run(const Grid &newGrid, int64_t groupNumber, uint32_t launchGeneration) {
  grid = &newGrid;
  number = groupNumber;
  launch = launchGeneration;
  count = grid->kernel->threads;
  agents.threads = count;
  running = count;
  failed = false;
  lastRange = nullptr;
  scheduler = FiberContext(); // perhaps on another thread of the system this time
  ++generation;
  std::memset(shared, kPoison, grid->kernel->sharedBytes);
  std::fill(warpArrived.begin(), warpArrived.end(), 0);
  std::fill(groupArrived.begin(), groupArrived.end(), 0);
  for (std::vector<Thread *> &waiting : atBarrier) {
    waiting.clear();
  }
  mbarriers.clear();
  agents.mbarriers = 0;
  readerSets.reset(agents.most(), count);
  matrixTables.op = nullptr;
  warpgroups.clear();
  warpgroups.resize((count + kWarpgroup - 1) / kWarpgroup);
  fencedFrom = fencedTo = nullptr;
  auto nothing = std::make_shared<const Clock>();
  ready.clear();
  for (uint32_t i = 0; i < count; ++i) {
    Thread &thread = threads[i];
    thread = Thread();
    thread.calls = check ? &kCalls : &kUncheckedCalls;
    thread.thread = i;
    thread.workgroup = number;
    thread.threads = count;
    thread.workgroups = grid->workgroups;
    thread.shared = shared;
    thread.group = this;
    thread.index = i;
    thread.base = nothing;
    thread.fiber = prepareFiber(stacks->top(i), fiberMain, &thread);
    ready.push_back(&thread);
  }
  while (running != 0 && !failed) {
    if (ready.empty()) {
      reportDeadlock();
      return false;
    }
    switchAway(scheduler);
  }
  if (check && !failed) {
    reportCopiesLeft();
  }
  return !failed;
}

void Workgroup::switchAway(FiberContext &from, bool last) {
  FiberContext *next = &scheduler;
  if (!failed && !ready.empty()) {
    next = &ready.front()->fiber;
    ready.pop_front();
  }
  switchFiber(from, *next, last);
}

DSV2_CALLS_KERNELS void Workgroup::fiberMain(void *argument) {
  Thread &thread = *static_cast<Thread *>(argument);
  enterFiber(thread.group->scheduler);
  const Grid &grid = *thread.group->grid;
  grid.kernel->entry(grid.slots, &thread, grid.items, grid.workgroups, grid.scratch);
  thread.group->threadReturned(thread);
  thread.group->switchAway(thread.fiber, /*last=*/true);
  std::abort(); // nobody makes a returned thread ready
}

void Workgroup::threadReturned(Thread &thread) {
  thread.returned = true;
  --running;
  if (!check) {
    return;
  }
  const AsyncCopy *left = thread.open.empty() ? nullptr : &thread.open.front();
  for (const std::vector<AsyncCopy> &group : thread.underWay) {
    left = left || group.empty() ? left : &group.front();
  }
  if (left && reports.isNew("left", left->where)) {
    report(concat("thread ", thread.index, " returned before its asynchronous copy at ",
                  left->where, " was waited for"));
  }
  for (const Thread::Sums &each : thread.sums) {
    if (each.group > thread.multipliesDone && reports.isNew("left", each.where)) {
      report(concat("thread ", thread.index, " returned before its multiplication at ", each.where,
                    " was waited for"));
    }
  }
}

void Workgroup::block(Thread &thread, Wait kind, const char *where) {
  thread.wait = kind;
  thread.where = where;
  switchAway(thread.fiber);
  // Whoever let it run again has released it.
}

void Workgroup::release(Thread &thread) {
  thread.wait = Wait::Nothing;
  ready.push_back(&thread);
}

void Workgroup::abandon(Thread &thread) {
  failed = true;
  switchAway(thread.fiber);
  std::abort(); // the scheduler runs no thread of a failed workgroup
}

void Workgroup::report(std::string text) {
  reports.add(concat("kernel ", quote(grid->kernel->name), ", workgroup ", number, ": ", text));
}

/// Says who waits where: a line for each operation that some thread waits at.
void Workgroup::reportDeadlock() {
  struct Place {
    const Thread *first;
    uint32_t count;
  };
  std::vector<Place> places;
  const Thread *firstReturned = nullptr;
  uint32_t returned = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const Thread &thread = threads[i];
    if (thread.returned) {
      firstReturned = firstReturned ? firstReturned : &thread;
      ++returned;
      continue;
    }
    auto same = std::find_if(places.begin(), places.end(), [&](const Place &place) {
      return place.first->wait == thread.wait && place.first->where == thread.where &&
             (thread.wait != Wait::Mbarrier || place.first->mbarrier == thread.mbarrier);
    });
    if (same == places.end()) {
      places.push_back({&thread, 1});
    } else {
      ++same->count;
    }
  }
  std::string text = "deadlock: ";
  for (const Place &place : places) {
    const Thread &thread = *place.first;
    text += concat(place.count, " threads wait at ", waitName(thread.wait), ", ", thread.where,
                   " (the first is thread ", thread.index);
    if (thread.wait == Wait::Barrier) {
      uint32_t needed = thread.barrierThreads == 0 ? count : thread.barrierThreads;
      text += concat("; barrier ", thread.barrier, " needs ", needed);
    } else if (thread.wait == Wait::Mbarrier) {
      const Mbarrier &mbarrier = *thread.mbarrier;
      text += concat("; mbarrier at byte ", mbarrier.offset, " of workgroup memory, phase ",
                     mbarrier.phase, ": ", mbarrier.pending, " of ", mbarrier.count,
                     " arrivals and ", mbarrier.bytes, " bytes are missing");
    } else {
      text += concat(", lane ", thread.index % thread.lanes, "; not all of its ",
                     thread.lanes == kWarpgroup ? "warpgroup" : "warp", " are there");
    }
    text += "); ";
  }
  text += returned == 0 ? "no thread has returned"
                        : concat(returned, " threads have returned (the first is thread ",
                                 firstReturned->index, ")");
  report(std::move(text));
  failed = true;
}
