//===- Mbarriers.cpp - Phases that threads and bytes complete -------------===//
//
// The end of a phase hands what everybody knew who arrived, and the bytes of its
// copies, to those who wait. The word itself is memory like any other: who uses
// it without being ordered after its initialisation races with that.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/Workgroup.h"

using namespace dsv2;
using namespace dsv2::simt;

static constexpr uint32_t kMbarrierBytes = 8;
static constexpr int32_t kMostArrivals = (1 << 20) - 1;

uint64_t Workgroup::sharedOffset(Thread &thread, const void *address, uint64_t bytes,
                                 const char *what, const char *where) {
  uint64_t offset = reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(shared);
  uint64_t size = grid->kernel->sharedBytes;
  if (offset > size || bytes > size - offset) {
    report(concat("out of bounds: ", what, " of ", bytes, " bytes at ", where, " by ",
                  whoIs(thread.index), ", which is not all in the ", size,
                  " bytes of workgroup memory"));
    abandon(thread);
  }
  return offset;
}

Mbarrier &Workgroup::mbarrierAt(Thread &thread, const void *object, const char *where) {
  uint64_t offset = sharedOffset(thread, object, kMbarrierBytes, "an mbarrier", where);
  for (Mbarrier &mbarrier : mbarriers) {
    if (mbarrier.offset == offset) {
      if (check) {
        access(thread, object, kMbarrierBytes, false, where);
      }
      return mbarrier;
    }
  }
  report(concat("no mbarrier was initialised at byte ", offset, " of workgroup memory, used at ",
                where, " by ", whoIs(thread.index)));
  abandon(thread);
}

void Workgroup::mbarrierInit(Thread &thread, void *object, int32_t arrivals, const char *where) {
  uint64_t offset = sharedOffset(thread, object, kMbarrierBytes, "an mbarrier", where);
  if (arrivals < 1 || arrivals > kMostArrivals || offset % kMbarrierBytes != 0) {
    report(concat("mbarrier of ", arrivals, " arrivals at byte ", offset,
                  " of workgroup memory at ", where, ": 1 to ", kMostArrivals,
                  " are possible, at a multiple of ", kMbarrierBytes, " bytes"));
    abandon(thread);
  }
  if (check) {
    access(thread, object, kMbarrierBytes, true, where);
  }
  Mbarrier *mbarrier = nullptr;
  for (Mbarrier &other : mbarriers) {
    mbarrier = other.offset == offset ? &other : mbarrier;
  }
  if (!mbarrier) {
    if (mbarriers.size() == Agents::kMostMbarriers) {
      report(
          concat("more than ", Agents::kMostMbarriers, " mbarriers at ", where, " are not played"));
      abandon(thread);
    }
    mbarriers.emplace_back();
    mbarrier = &mbarriers.back();
    mbarrier->offset = offset;
    mbarrier->number = agents.mbarriers++;
  } else if (!mbarrier->waiting.empty() || !mbarrier->copies.empty()) {
    report(
        concat("mbarrier at byte ", offset, " of workgroup memory is initialised at ", where,
               " by ", whoIs(thread.index), " while ",
               mbarrier->copies.empty() ? "a thread waits for it" : "a copy to it is under way"));
    abandon(thread);
  }
  mbarrier->count = mbarrier->pending = static_cast<uint32_t>(arrivals);
  mbarrier->bytes = 0;
  mbarrier->phase = 0;
  mbarrier->maker = thread.index;
  mbarrier->made = thread.now;
  mbarrier->madeAt = where;
  mbarrier->fenced = 0;
}

void Workgroup::mbarrierInitFence(Thread &thread) {
  for (Mbarrier &mbarrier : mbarriers) {
    if (mbarrier.maker == thread.index && mbarrier.fenced == 0) {
      mbarrier.fenced = thread.now;
    }
  }
}

void Workgroup::mbarrierArrive(Thread &thread, void *object, int32_t bytes, const char *where) {
  Mbarrier &mbarrier = mbarrierAt(thread, object, where);
  if (check) {
    if (mbarrier.lastArrived != thread.base) {
      mbarrier.arrived.join(*thread.base);
      mbarrier.lastArrived = thread.base;
    }
    publish(thread, mbarrier.arrived);
    ++thread.now;
  }
  mbarrier.bytes += bytes;
  --mbarrier.pending; // it is never 0 here for a phase without missing bytes
  if (mbarrier.pending >= mbarrier.count) {
    report(concat("mbarrier at byte ", mbarrier.offset, " of workgroup memory, made at ",
                  mbarrier.madeAt, ": ", whoIs(thread.index), " is one more than its ",
                  mbarrier.count, " arrivals of phase ", mbarrier.phase, " at ", where, ", with ",
                  mbarrier.bytes, " bytes still to come"));
    abandon(thread);
  }
  endPhase(mbarrier);
}

void Workgroup::endPhase(Mbarrier &mbarrier) {
  if (mbarrier.pending != 0 || mbarrier.bytes != 0) {
    return;
  }
  for (const BoxCopy &copy : mbarrier.copies) {
    land(copy);
  }
  mbarrier.copies.clear();
  mbarrier.pending = mbarrier.count;
  ++mbarrier.phase;
  ++mbarrier.ended;
  if (check) {
    Clock::raise(mbarrier.arrived.seen, agents.bulkCopiesOf(mbarrier.number), mbarrier.ended);
    mbarrier.completed = std::make_shared<const Clock>(mbarrier.arrived);
    mbarrier.joinedFrom = mbarrier.joined = nullptr;
  }
  for (Thread *thread : mbarrier.waiting) {
    acquire(*thread, mbarrier);
    release(*thread);
  }
  mbarrier.waiting.clear();
}

void Workgroup::acquire(Thread &thread, Mbarrier &mbarrier) {
  if (!mbarrier.completed || thread.base == mbarrier.joined) {
    return;
  }
  if (thread.base != mbarrier.joinedFrom) {
    auto joined = std::make_shared<Clock>(*thread.base);
    joined->join(*mbarrier.completed);
    joined->findFloor(agents.threads);
    mbarrier.joinedFrom = thread.base;
    mbarrier.joined = std::move(joined);
  }
  thread.base = mbarrier.joined;
}

void Workgroup::mbarrierWait(Thread &thread, void *object, int32_t parity, const char *where) {
  Mbarrier &mbarrier = mbarrierAt(thread, object, where);
  if ((parity & ~1) != 0) {
    report(concat("a wait for parity ", parity, " at ", where, " by ", whoIs(thread.index),
                  ": a parity is 0 or 1"));
    abandon(thread);
  }
  if ((mbarrier.phase & 1) != static_cast<uint32_t>(parity)) {
    acquire(thread, mbarrier);
    return;
  }
  thread.mbarrier = &mbarrier;
  mbarrier.waiting.push_back(&thread);
  block(thread, Wait::Mbarrier, where);
}

void Workgroup::proxyFence(Thread &thread) {
  if (!check) {
    return;
  }
  if (thread.base != fencedFrom && thread.base != fencedTo) {
    auto fenced = std::make_shared<Clock>(*thread.base);
    std::vector<Epoch> plain(fenced->seen.begin(),
                             fenced->seen.begin() +
                                 std::min<size_t>(fenced->seen.size(), agents.warpgroupOf(0)));
    Clock::joinInto(fenced->proxy, plain);
    fencedFrom = thread.base;
    fencedTo = std::move(fenced);
  }
  thread.base = fencedTo;
  thread.fenced = thread.now++;
  thread.fencedCopies = thread.groupsDone;
}

/// Copies whose end nobody has waited for when all threads have returned.
void Workgroup::reportCopiesLeft() {
  for (const Mbarrier &mbarrier : mbarriers) {
    if (mbarrier.copiesEnd == 0) {
      continue;
    }
    Agent agent = agents.bulkCopiesOf(mbarrier.number);
    bool known = false;
    for (uint32_t i = 0; i < count && !known; ++i) {
      known = threads[i].base->of(agent) >= mbarrier.copiesEnd;
    }
    if (!known && reports.isNew("left", mbarrier.copiedAt)) {
      report(concat("all threads returned before one of them had waited for the bulk copy at ",
                    mbarrier.copiedAt, " (mbarrier at byte ", mbarrier.offset,
                    " of workgroup memory)"));
    }
  }
}
