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
  const Clock &known;
  bool asynchronous;

  Knowledge(const Thread &thread, const Agents &agents, bool asynchronous)
      : thread(thread), agents(agents), known(*thread.base), asynchronous(asynchronous) {}
  bool orders(Agent agent, Epoch epoch) const {
    return agent == thread.index || known.of(agent) >= epoch ||
           (agent == agents.copiesOf(thread.index) && epoch <= thread.groupsDone) ||
           (agent == agents.warpgroupOf(thread.index) && epoch <= thread.multipliesDone);
  }
  bool sees(Agent agent, Epoch epoch) const {
    if (!asynchronous || agents.isAsynchronous(agent)) {
      return orders(agent, epoch);
    }
    return known.throughProxy(agent) >= epoch ||
           (agent == thread.index && epoch <= thread.fenced) ||
           (agent == agents.copiesOf(thread.index) && epoch <= thread.fencedCopies);
  }
  Epoch floor() const { return known.floor; }
};

/// What every thread of a warpgroup knows, of which none waits for the others.
struct Workgroup::GroupKnowledge {
  const std::vector<const Clock *> &clocks;
  const Agents &agents;
  Agent self;

  bool orders(Agent agent, Epoch epoch) const {
    return agent == self || std::all_of(clocks.begin(), clocks.end(), [&](const Clock *clock) {
             return clock->of(agent) >= epoch;
           });
  }
  bool sees(Agent agent, Epoch epoch) const {
    if (agents.isAsynchronous(agent)) {
      return orders(agent, epoch);
    }
    return std::all_of(clocks.begin(), clocks.end(),
                       [&](const Clock *clock) { return clock->throughProxy(agent) >= epoch; });
  }
  Epoch floor() const {
    Epoch least = clocks.front()->floor;
    for (const Clock *clock : clocks) {
      least = std::min(least, clock->floor);
    }
    return least;
  }
};

bool Workgroup::seesThroughProxy(const Thread &thread, Agent agent, Epoch epoch) const {
  return Knowledge(thread, agents, true).sees(agent, epoch);
}

void Workgroup::access(Thread &thread, const void *address, uint32_t bytes, bool write,
                       const char *where) {
  accessAs(thread,
           {reinterpret_cast<uintptr_t>(address), bytes, write, thread.index, thread.now, where});
}

void Workgroup::accessAs(Thread &thread, const Access &access) {
  if (access.address - reinterpret_cast<uintptr_t>(shared) < sharedCapacity) {
    return touchShared(thread, access, Knowledge(thread, agents, access.asynchronous));
  }
  if (stacks->holds(access.address)) {
    return; // a thread's own registers, spilled
  }
  accessGlobal(thread, access);
}

void Workgroup::readAsGroup(Thread &first, const std::vector<const Clock *> &clocks,
                            const Access &access) {
  touchShared(first, access, GroupKnowledge{clocks, agents, access.agent});
}

static const char *verb(const Access &access) { return access.write ? "write" : "read"; }

template <typename Knows>
void Workgroup::touchShared(Thread &thread, const Access &access, const Knows &knows) {
  uint64_t offset = access.address - reinterpret_cast<uintptr_t>(shared);
  uint64_t size = grid->kernel->sharedBytes;
  if (offset + access.bytes > size) {
    report(concat("out of bounds: ", verb(access), " of ", access.bytes, " bytes at ", access.where,
                  " by ", whoIs(access.agent), ", byte ", offset, " of ", size,
                  " bytes of workgroup memory"));
    abandon(thread);
  }
  uint64_t first = offset / kCellBytes;
  uint64_t end = (offset + access.bytes + kCellBytes - 1) / kCellBytes;
  for (uint64_t at = first / kBlockCells * kBlockCells; at < end; at += kBlockCells) {
    Cell *block = sharedBlock(at);
    uint32_t low = static_cast<uint32_t>(std::max(at, first) - at);
    uint32_t high = static_cast<uint32_t>(std::min<uint64_t>(end - at, kBlockCells));
    visitCells(
        block, low, high, readerSets, [](Cell &) {},
        [&](Cell &cell, uint32_t number) {
          if (!access.write && (cell.writeEpoch == 0 || cell.unwritten) &&
              reports.isNew("unwritten", access.where)) {
            report(concat("read of memory that nobody has written at ", access.where, " by ",
                          whoIs(access.agent), ", byte ", (at + number) * kCellBytes,
                          " of workgroup memory"));
          }
          Finding finding = touch(cell, access, knows, readerSets);
          if (finding.conflict != Conflict::None) {
            reportFinding(access, finding,
                          reinterpret_cast<uintptr_t>(shared) + (at + number) * kCellBytes,
                          knows.orders(finding.other, finding.epoch));
          }
        });
    if (access.write) {
      joinCells(block, low, high);
    }
  }
}

Cell *Workgroup::sharedBlock(uint64_t firstCell) {
  Cell *block = &sharedCells[firstCell];
  if (block->generation != generation) {
    *block = Cell();
    block->generation = generation;
  }
  return block;
}

uint64_t Workgroup::accessGlobal(Thread &thread, const Access &access, bool copied) {
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
  uint64_t unwritten = access.bytes;
  if (access.write) {
    if (range->use() == MemoryUse::Weights && reports.isNew("weights", access.where)) {
      report(concat("write to a weight at ", access.where, " by ", whoIs(access.agent), ", ",
                    whereIs(access.address)));
    }
    range->markWritten(offset, access.bytes);
  } else {
    unwritten = range->firstUnwritten(offset, access.bytes);
    if (unwritten != access.bytes && !copied && reports.isNew("unwritten", access.where)) {
      report(concat("read of memory that nobody has written at ", access.where, " by ",
                    whoIs(access.agent), ", ", whereIs(access.address + unwritten)));
    }
  }
  if (range->use() == MemoryUse::Weights) {
    return unwritten; // nothing writes there, so nothing can race
  }
  Knowledge knows(thread, agents, access.asynchronous);
  uint32_t group = static_cast<uint32_t>(number);
  uint64_t first = offset / kCellBytes;
  uint64_t end = (offset + access.bytes + kCellBytes - 1) / kCellBytes;
  auto prepare = [&](Cell &cell) {
    if (cell.readGroup != group) {
      cell.readers = 0; // a set of another workgroup means nothing here
    }
  };
  for (uint64_t at = first / kBlockCells * kBlockCells; at < end; at += kBlockCells) {
    Cell *block = &range->cell(at * kCellBytes);
    if (block->generation != launch) {
      *block = Cell();
      block->generation = launch;
    }
    uint32_t low = static_cast<uint32_t>(std::max(at, first) - at);
    uint32_t high = static_cast<uint32_t>(std::min<uint64_t>(end - at, kBlockCells));
    visitCells(block, low, high, readerSets, prepare, [&](Cell &cell, uint32_t number) {
      uintptr_t address = range->begin() + (at + number) * kCellBytes;
      // Other workgroups run at the same time: nothing orders their accesses.
      bool othersWrote = cell.writeEpoch != 0 && cell.writeGroup != group;
      bool othersRead = cell.readEpoch != 0 && (cell.readGroup != group || cell.manyGroupsRead);
      if (othersWrote || (othersRead && access.write)) {
        reportFinding(access,
                      {Conflict::OtherGroup, othersWrote ? cell.writeGroup : cell.readGroup, 0,
                       othersWrote ? cell.writtenAt : cell.readAt},
                      address, false);
        cell.writeEpoch = cell.readEpoch = 0;
        cell.readers = 0;
      }
      if (cell.readEpoch != 0 && cell.readGroup != group) {
        // Nor do its epochs.
        cell.readEpoch = 0;
        cell.manyGroupsRead = true;
      }
      Finding finding = touch(cell, access, knows, readerSets);
      if (access.write) {
        cell.writeGroup = group;
        cell.manyGroupsRead = false;
      } else {
        cell.readGroup = group;
      }
      if (finding.conflict != Conflict::None) {
        reportFinding(access, finding, address, knows.orders(finding.other, finding.epoch));
      }
    });
    if (access.write) {
      joinCells(block, low, high);
    }
  }
  return unwritten;
}

void Workgroup::reportFinding(const Access &access, const Finding &finding, uintptr_t address,
                              bool ordered) {
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
  report(concat(kind, " race: ", verb(access), " at ", access.where, " by ", whoIs(access.agent),
                " and ", finding.where, " by ", whoIs(finding.other), ", ", whereIs(address), " [",
                missingFor(access, finding, ordered), "]"));
}

const char *Workgroup::missingFor(const Access &access, const Finding &finding,
                                  bool ordered) const {
  if (access.asynchronous && ordered) {
    return "no fence between plain and asynchronous accesses";
  }
  if (agents.isThread(finding.other)) {
    return "no barrier between";
  }
  if (agents.isCopies(finding.other)) {
    const Thread &owner = threads[finding.other - agents.threads];
    return finding.epoch > owner.groupsDone ? "the copy is not waited for"
                                            : "no barrier after the wait for the copy";
  }
  if (agents.isWarpgroup(finding.other)) {
    uint32_t first = (finding.other - 2 * agents.threads) * kWarpgroup;
    for (uint32_t i = first; i < std::min(first + kWarpgroup, count); ++i) {
      if (finding.epoch <= threads[i].multipliesDone) {
        return "no barrier after the wait for the multiplication";
      }
    }
    return "the multiplication is not waited for";
  }
  return "the mbarrier's phase is not waited for";
}

void Workgroup::outOfRange(Thread &thread, int64_t index, int64_t length, int64_t extent,
                           int32_t dimension, const char *where) {
  report(concat("index out of bounds at ", where, " by ", whoIs(thread.index), ": dimension ",
                dimension, " of ", extent, " is indexed by ", index,
                length == 1 ? std::string() : concat(" and the next ", length - 1)));
  abandon(thread);
}

std::string Workgroup::whoIs(Agent agent) const {
  if (agents.isCopies(agent)) {
    return concat("the asynchronous copy of thread ", agent - agents.threads);
  }
  if (agents.isWarpgroup(agent)) {
    return concat("a multiplication of warpgroup ", agent - 2 * agents.threads);
  }
  if (!agents.isThread(agent)) {
    return concat("the bulk copy to the mbarrier at byte ",
                  mbarriers[agent - agents.bulkCopiesOf(0)].offset, " of workgroup memory");
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
