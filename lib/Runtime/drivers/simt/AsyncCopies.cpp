//===- AsyncCopies.cpp - Copies that arrive as late as they may -----------===//
//
// From the issue on the destination holds NaN; the bytes come when a wait
// returns. So a wait that is missing or too weak gives wrong values, besides the
// report: the copy is an agent of its own, whose write only the wait makes known.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/Workgroup.h"

#include <cstring>

using namespace dsv2;
using namespace dsv2::simt;

static void carryOut(const AsyncCopy &copy) {
  std::memcpy(copy.to, copy.from, copy.sourceBytes);
  std::memset(static_cast<char *>(copy.to) + copy.sourceBytes, 0, copy.bytes - copy.sourceBytes);
}

void Workgroup::asyncCopy(Thread &thread, const AsyncCopy &copy) {
  if (check) {
    if ((reinterpret_cast<uintptr_t>(copy.to) | reinterpret_cast<uintptr_t>(copy.from)) %
                copy.bytes !=
            0 &&
        reports.isNew("aligned", copy.where)) {
      report(concat("asynchronous copy of ", copy.bytes, " bytes is not aligned to its size at ",
                    copy.where));
    }
    Agent agent = agents.copiesOf(thread.index);
    Epoch epoch = thread.groupsCommitted + 1;
    if (copy.sourceBytes != 0) {
      accessAs(thread, {reinterpret_cast<uintptr_t>(copy.from), copy.sourceBytes, false, agent,
                        epoch, copy.where});
    }
    accessAs(thread,
             {reinterpret_cast<uintptr_t>(copy.to), copy.bytes, true, agent, epoch, copy.where});
  }
  std::memset(copy.to, 0xff, copy.bytes);
  thread.open.push_back(copy);
}

void Workgroup::asyncCommit(Thread &thread) {
  thread.underWay.push_back(std::move(thread.open));
  thread.open.clear();
  ++thread.groupsCommitted;
}

void Workgroup::asyncWait(Thread &thread, uint32_t pending) {
  while (thread.underWay.size() > pending) {
    for (const AsyncCopy &copy : thread.underWay.front()) {
      carryOut(copy);
    }
    thread.underWay.pop_front();
    ++thread.groupsDone;
  }
}
