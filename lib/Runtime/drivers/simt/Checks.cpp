//===- Checks.cpp - Bounds, unwritten reads, races ------------------------===//
//
// What an access may not do, and the words of the report.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/Workgroup.h"

#include <algorithm>

using namespace dsv2;
using namespace dsv2::simt;

/// What the acting thread knows.
struct Workgroup::Knowledge {
  const Thread &thread;
  const Agents &agents;
  const Clock *known;

  Knowledge(const Thread &thread, const Agents &agents)
      : thread(thread), agents(agents), known(thread.base.get()) {}
  bool operator()(Agent agent, Epoch epoch) const {
    return agent == thread.index || (*known)[agent] >= epoch ||
           (agent == agents.copiesOf(thread.index) && epoch <= thread.groupsDone);
  }
  const Clock *clock() const { return known; }
};

void Workgroup::access(Thread &thread, const void *address, uint32_t bytes, bool write,
                       const char *where) {
  accessAs(thread,
           {reinterpret_cast<uintptr_t>(address), bytes, write, thread.index, thread.now, where});
}

void Workgroup::accessAs(Thread &thread, const Access &access) {
  if (access.address - reinterpret_cast<uintptr_t>(shared) < sharedCapacity) {
    return accessShared(thread, access);
  }
  if (stacks->holds(access.address)) {
    return; // a thread's own registers, spilled
  }
  accessGlobal(thread, access);
}

static const char *verb(const Access &access) { return access.write ? "write" : "read"; }

void Workgroup::accessShared(Thread &thread, Access access) {
  uint64_t offset = access.address - reinterpret_cast<uintptr_t>(shared);
  uint64_t size = grid->kernel->sharedBytes;
  if (offset + access.bytes > size) {
    report(concat("out of bounds: ", verb(access), " of ", access.bytes, " bytes at ", access.where,
                  " by ", whoIs(access.agent), ", byte ", offset, " of ", size,
                  " bytes of workgroup memory"));
    abandon(thread);
  }
  Knowledge knows(thread, agents);
  uint64_t end = (offset + access.bytes + kCellBytes - 1) / kCellBytes;
  for (uint64_t i = offset / kCellBytes; i < end; ++i) {
    Cell &cell = sharedCells[i];
    if (cell.generation != generation) {
      cell = Cell();
      cell.generation = generation;
    }
    if (!access.write && cell.writeEpoch == 0 && reports.isNew("unwritten", access.where)) {
      report(concat("read of memory that nobody has written at ", access.where, " by ",
                    whoIs(access.agent), ", byte ", i * kCellBytes, " of workgroup memory"));
    }
    Finding finding = touch(cell, access, knows, agents.count(), readerSets);
    if (finding.conflict != Conflict::None) {
      reportFinding(thread, access, finding, reinterpret_cast<uintptr_t>(shared) + i * kCellBytes);
    }
  }
}

void Workgroup::accessGlobal(Thread &thread, Access access) {
  if (!lastRange || !lastRange->holds(access.address, 1)) {
    lastRange = memory.find(access.address);
  }
  Range *range = lastRange;
  if (!range || !range->holds(access.address, access.bytes)) {
    report(concat("out of bounds: ", verb(access), " of ", access.bytes, " bytes at ", access.where,
                  " by ", whoIs(access.agent), ", ", whereIs(access.address)));
    abandon(thread);
  }
  uint64_t offset = access.address - range->begin();
  if (access.write) {
    if (range->use() == MemoryUse::Weights && reports.isNew("weights", access.where)) {
      report(concat("write to a weight at ", access.where, " by ", whoIs(access.agent), ", ",
                    whereIs(access.address)));
    }
    range->markWritten(offset, access.bytes);
  } else {
    uint64_t unwritten = range->firstUnwritten(offset, access.bytes);
    if (unwritten != access.bytes && reports.isNew("unwritten", access.where)) {
      report(concat("read of memory that nobody has written at ", access.where, " by ",
                    whoIs(access.agent), ", ", whereIs(access.address + unwritten)));
    }
  }
  if (range->use() == MemoryUse::Weights) {
    return; // nothing writes there, so nothing can race
  }
  Knowledge knows(thread, agents);
  uint32_t group = static_cast<uint32_t>(number);
  uint64_t end = offset + access.bytes;
  for (uint64_t at = offset / kCellBytes * kCellBytes; at < end; at += kCellBytes) {
    Cell &cell = range->cell(at);
    if (cell.generation != launch) {
      cell = Cell();
      cell.generation = launch;
    }
    // Other workgroups run at the same time: nothing orders their accesses.
    bool othersWrote = cell.writeEpoch != 0 && cell.writeGroup != group;
    bool othersRead = cell.readEpoch != 0 && (cell.readGroup != group || cell.manyGroupsRead);
    if (othersWrote || (othersRead && access.write)) {
      bool byWrite = othersWrote;
      reportFinding(thread, access,
                    {Conflict::OtherGroup, byWrite ? cell.writeGroup : cell.readGroup, 0,
                     byWrite ? cell.writtenAt : cell.readAt},
                    range->begin() + at);
      cell.writeEpoch = cell.readEpoch = 0;
      cell.readers = 0;
    }
    if (cell.readEpoch != 0 && cell.readGroup != group) {
      // Epochs and sets of another workgroup mean nothing here.
      cell.readEpoch = 0;
      cell.readers = 0;
      cell.manyGroupsRead = true;
    }
    Finding finding = touch(cell, access, knows, agents.count(), readerSets);
    if (access.write) {
      cell.writeGroup = group;
      cell.manyGroupsRead = false;
    } else {
      cell.readGroup = group;
    }
    if (finding.conflict != Conflict::None) {
      reportFinding(thread, access, finding, range->begin() + at);
    }
  }
}

void Workgroup::reportFinding(Thread &thread, const Access &access, const Finding &finding,
                              uintptr_t address) {
  if (finding.conflict == Conflict::OtherGroup) {
    if (reports.isNew("group", access.where, finding.where)) {
      report(concat("race between workgroups: ", verb(access), " at ", access.where, " by ",
                    whoIs(access.agent), " and an access at ", finding.where, " by workgroup ",
                    finding.other, ", ", whereIs(address), " [nothing orders workgroups]"));
    }
    return;
  }
  if (!reports.isNew("race", access.where, finding.where)) {
    return;
  }
  const char *kind = finding.conflict == Conflict::WriteAfterWrite  ? "write-write"
                     : finding.conflict == Conflict::ReadAfterWrite ? "write-read"
                                                                    : "read-write";
  const char *missing = "no barrier between";
  if (!agents.isThread(finding.other)) {
    const Thread &owner = threads[finding.other - agents.threads];
    missing = finding.epoch > owner.groupsDone ? "the copy is not waited for"
                                               : "no barrier after the wait for the copy";
  }
  report(concat(kind, " race: ", verb(access), " at ", access.where, " by ", whoIs(access.agent),
                " and ", finding.where, " by ", whoIs(finding.other), ", ", whereIs(address), " [",
                missing, "]"));
}

void Workgroup::outOfRange(Thread &thread, int64_t index, int64_t length, int64_t extent,
                           int32_t dimension, const char *where) {
  report(concat("index out of bounds at ", where, " by ", whoIs(thread.index), ": dimension ",
                dimension, " of ", extent, " is indexed by ", index,
                length == 1 ? std::string() : concat(" and the next ", length - 1)));
  abandon(thread);
}

std::string Workgroup::whoIs(Agent agent) const {
  if (!agents.isThread(agent)) {
    return concat("the asynchronous copy of thread ", agent - agents.threads);
  }
  return concat("thread ", agent, " (warp ", agent / reportLanes, ", lane ", agent % reportLanes,
                ")");
}

std::string Workgroup::whereIs(uintptr_t address) const {
  if (address - reinterpret_cast<uintptr_t>(shared) < sharedCapacity) {
    return concat("byte ", address - reinterpret_cast<uintptr_t>(shared), " of workgroup memory");
  }
  Range *range = memory.below(address);
  if (!range) {
    return concat("address ", address, ", which is in no allocation");
  }
  // The argument that points closest below, into the same allocation.
  size_t best = grid->slotCount;
  for (size_t i = 0; i < grid->slotCount; ++i) {
    uint64_t slot = grid->slots[i];
    if (slot <= address && slot >= range->begin() &&
        (best == grid->slotCount || slot > grid->slots[best])) {
      best = i;
    }
  }
  std::string text;
  if (best != grid->slotCount) {
    text = concat("byte ", address - grid->slots[best], " of argument ", best);
  } else {
    text = concat("byte ", address - range->begin(), " of an allocation");
  }
  if (!range->holds(address, 1)) {
    text += concat(", ", address - range->begin() - range->bytes(),
                   " bytes past the end of an allocation of ", range->bytes(), " bytes");
  }
  return text;
}
