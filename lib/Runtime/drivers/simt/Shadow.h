//===- Shadow.h - Who touched which bytes, and when -------------*- C++ -*-===//
//
// Every two bytes of workgroup and global memory have a cell: who wrote them
// last, who has read them since, at which operations. An access that is not
// ordered after what it must see is a race, whatever the values. Bytes that were
// written together share one cell until an access touches some of them only.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_SIMT_SHADOW_H
#define DSV2_LIB_RUNTIME_DRIVERS_SIMT_SHADOW_H

#include "lib/Runtime/drivers/simt/Clock.h"

#include <cstddef>

namespace dsv2::simt {

/// Bytes of a cell: the smallest element that neighbours may own.
constexpr uint64_t kCellBytes = 2;
/// Cells that one may stand for: those of a block.
constexpr uint32_t kBlockCells = 8;
constexpr uint64_t kBlockBytes = kBlockCells * kCellBytes;

struct Cell {
  /// A block is empty unless that of its first cell is the current generation: a
  /// workgroup for its own memory, a launch for global memory.
  uint32_t generation = 0;
  Epoch writeEpoch = 0, readEpoch = 0;
  uint16_t writer = 0, reader = 0;
  uint32_t writeGroup = 0, readGroup = 0; ///< workgroups, in global memory
  uint32_t readers = 0;                   ///< 0: only `reader`; else 1 + number of the set
  bool manyGroupsRead = false;
  uint8_t span = kBlockCells; ///< cells that this one stands for, from here on: 1, 2, 4 or 8
  bool unwritten = false;     ///< the last write copied memory that nobody had written
  const char *writtenAt = nullptr, *readAt = nullptr;
};

/// The epochs at which several agents have read a cell.
struct ReaderSet {
  struct Read {
    Agent agent;
    Epoch epoch;
  };
  std::vector<Read> reads;        ///< while few
  std::vector<Epoch> dense;       ///< by agent, once many; empty before
  const Clock *cleaned = nullptr; ///< reads that this clock knows were dropped
};

/// One access, by a thread or on its behalf.
struct Access {
  uintptr_t address;
  uint32_t bytes;
  bool write;
  Agent agent;
  Epoch epoch;
  const char *where;
  bool asynchronous = false; ///< sees plain writes only after a fence
};

/// What is wrong with an access.
enum class Conflict { None, WriteAfterWrite, ReadAfterWrite, WriteAfterRead, OtherGroup };
struct Finding {
  Conflict conflict = Conflict::None;
  Agent other = 0; ///< who touched the cell before; OtherGroup: the workgroup
  Epoch epoch = 0;
  const char *where = nullptr;
};

/// Reader sets of one workgroup's run.
class ReaderSets {
public:
  void clear() {
    used = 0;
    free.clear();
  }
  /// A new empty set: 1 + its number.
  uint32_t take();
  void give(uint32_t set) { free.push_back(set); }
  uint32_t copy(uint32_t set) {
    uint32_t number = take();
    (*this)[number] = (*this)[set];
    return number;
  }
  ReaderSet &operator[](uint32_t set) { return sets[set - 1]; }

private:
  std::vector<ReaderSet> sets;
  std::vector<uint32_t> free;
  size_t used = 0;
};

/// Applies accesses to cells. `Knows` is what the acting thread knows: sees(Agent, Epoch) of
/// writes, orders(Agent, Epoch) of reads, and const Clock *clock().
template <typename Knows>
Finding touch(Cell &cell, const Access &access, const Knows &knows, uint32_t agents,
              ReaderSets &sets) {
  Finding finding;
  if (cell.writeEpoch != 0 && !knows.sees(cell.writer, cell.writeEpoch)) {
    finding = {access.write ? Conflict::WriteAfterWrite : Conflict::ReadAfterWrite, cell.writer,
               cell.writeEpoch, cell.writtenAt};
  }
  if (access.write) {
    auto check = [&](Agent agent, Epoch epoch) {
      if (finding.conflict == Conflict::None && epoch != 0 && agent != access.agent &&
          !knows.orders(agent, epoch)) {
        finding = {Conflict::WriteAfterRead, agent, epoch, cell.readAt};
      }
    };
    if (cell.readers != 0) {
      ReaderSet &set = sets[cell.readers];
      for (const ReaderSet::Read &read : set.reads) {
        check(read.agent, read.epoch);
      }
      for (size_t agent = 0; agent < set.dense.size(); ++agent) {
        check(static_cast<Agent>(agent), set.dense[agent]);
      }
      sets.give(cell.readers);
    } else {
      check(cell.reader, cell.readEpoch);
    }
    cell.readers = 0;
    cell.readEpoch = 0;
    cell.writer = static_cast<uint16_t>(access.agent);
    cell.writeEpoch = access.epoch;
    cell.writtenAt = access.where;
    cell.unwritten = false;
    return finding;
  }
  if (cell.readers == 0) {
    if (cell.readEpoch == 0 || cell.reader == access.agent ||
        knows.orders(cell.reader, cell.readEpoch)) {
      cell.reader = static_cast<uint16_t>(access.agent);
      cell.readEpoch = access.epoch;
      cell.readAt = access.where;
      return finding;
    }
    cell.readers = sets.take();
    ReaderSet &set = sets[cell.readers];
    set.cleaned = knows.clock();
    set.reads.push_back({cell.reader, cell.readEpoch});
  }
  cell.readAt = access.where;
  ReaderSet &set = sets[cell.readers];
  // Reads that came before this one are implied by it.
  if (set.cleaned != knows.clock() && set.dense.empty()) {
    set.cleaned = knows.clock();
    size_t kept = 0;
    for (const ReaderSet::Read &read : set.reads) {
      if (!knows.orders(read.agent, read.epoch)) {
        set.reads[kept++] = read;
      }
    }
    set.reads.resize(kept);
  }
  if (set.dense.empty()) {
    for (ReaderSet::Read &read : set.reads) {
      if (read.agent == access.agent) {
        read.epoch = access.epoch;
        return finding;
      }
    }
    constexpr size_t kFew = 24;
    if (set.reads.size() < kFew) {
      set.reads.push_back({access.agent, access.epoch});
      return finding;
    }
    set.dense.assign(agents, 0);
    for (const ReaderSet::Read &read : set.reads) {
      set.dense[read.agent] = read.epoch;
    }
    set.reads.clear();
  }
  if (set.dense.size() <= access.agent) {
    set.dense.resize(access.agent + 1, 0); // an agent that has come since
  }
  set.dense[access.agent] = access.epoch;
  return finding;
}

/// Calls `touch` for the cells that stand for [first, end) of a block, after splitting those that
/// stand for more. `prepare` sees each before.
template <typename Prepare, typename Touch>
void visitCells(Cell *block, uint32_t first, uint32_t end, ReaderSets &sets, Prepare prepare,
                Touch touch) {
  uint32_t at = 0;
  while (at < end) {
    Cell &cell = block[at];
    uint32_t span = cell.span;
    if (at + span <= first) {
      at += span;
      continue;
    }
    prepare(cell);
    if (at < first || at + span > end) {
      cell.span = static_cast<uint8_t>(span / 2);
      Cell &second = block[at + span / 2];
      second = cell;
      if (cell.readers != 0) {
        second.readers = sets.copy(cell.readers);
      }
      continue;
    }
    touch(cell, at);
    at += span;
  }
}

/// After a write of [first, end), which leaves its cells equal: as few of them as can be.
inline void joinCells(Cell *block, uint32_t first, uint32_t end) {
  for (uint32_t at = first; at < end;) {
    uint32_t span = kBlockCells;
    while (at % span != 0 || at + span > end) {
      span /= 2;
    }
    block[at].span = static_cast<uint8_t>(span);
    at += span;
  }
}

} // namespace dsv2::simt

#endif // DSV2_LIB_RUNTIME_DRIVERS_SIMT_SHADOW_H
