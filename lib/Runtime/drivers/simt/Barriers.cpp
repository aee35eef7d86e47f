//===- Barriers.cpp - Threads that wait for each other --------------------===//
//
// A barrier lets exactly its count pass, in the order of arrival, as soon as
// they are there: one thread too many stays behind and shows.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/Workgroup.h"

#include <algorithm>

using namespace dsv2;
using namespace dsv2::simt;

void Workgroup::publish(const Thread &thread, Clock &into) const {
  Clock::raise(into.seen, thread.index, thread.now);
  Clock::raise(into.seen, agents.copiesOf(thread.index), thread.groupsDone);
  Clock::raise(into.seen, agents.warpgroupOf(thread.index), thread.multipliesDone);
  Clock::raise(into.proxy, thread.index, thread.fenced);
  Clock::raise(into.proxy, agents.copiesOf(thread.index), thread.fencedCopies);
}

/// Afterwards each member knows what any of them knew.
void Workgroup::joinClocks(Thread *const *members, size_t memberCount) {
  if (!check) {
    return;
  }
  auto joined = std::make_shared<Clock>();
  joined->seen.assign(agents.count(), 0);
  const Clock *last = nullptr;
  for (size_t i = 0; i < memberCount; ++i) {
    if (members[i]->base.get() != last) {
      last = members[i]->base.get();
      joined->join(*last);
    }
  }
  for (size_t i = 0; i < memberCount; ++i) {
    publish(*members[i], *joined);
    ++members[i]->now;
  }
  joined->findFloor(agents.threads);
  ClockRef shared = std::move(joined);
  for (size_t i = 0; i < memberCount; ++i) {
    members[i]->base = shared;
  }
}

void Workgroup::barrier(Thread &thread, uint32_t id, uint32_t threadCount, const char *where) {
  if (id >= kBarriers || threadCount > count || threadCount % kBarrierLanes != 0) {
    report(concat("barrier ", id, " of ", threadCount, " threads at ", where, ": a workgroup of ",
                  count, " threads has barriers 0 to ", kBarriers - 1, " of multiples of ",
                  kBarrierLanes, " threads"));
    abandon(thread);
  }
  std::vector<Thread *> &waiting = atBarrier[id];
  uint32_t needed = threadCount == 0 ? count : threadCount;
  thread.barrier = id;
  thread.barrierThreads = threadCount;
  if (!waiting.empty()) {
    const Thread &first = *waiting.front();
    uint32_t others = first.barrierThreads == 0 ? count : first.barrierThreads;
    if (others != needed) {
      if (reports.isNew("count", first.where, where)) {
        report(concat("barrier ", id, " is used with ", others, " threads at ", first.where,
                      " and with ", needed, " at ", where));
      }
      abandon(thread);
    }
    if (first.where != where && reports.isNew("divergence", first.where, where)) {
      report(concat("barrier divergence: thread ", first.index, " is at ", first.where, ", thread ",
                    thread.index, " at ", where));
    }
  }
  waiting.push_back(&thread);
  if (waiting.size() < needed) {
    block(thread, Wait::Barrier, where);
    return;
  }
  joinClocks(waiting.data(), waiting.size());
  waiting.pop_back();
  for (Thread *other : waiting) {
    release(*other);
  }
  waiting.clear();
}
