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
  uint32_t readers = 0;                   ///< 0: only `reader`; else a list of ReaderSets
  bool manyGroupsRead = false;
  uint8_t span = kBlockCells; ///< cells that this one stands for, from here on: 1, 2, 4 or 8
  bool unwritten = false;     ///< the last write copied memory that nobody had written
  const char *writtenAt = nullptr, *readAt = nullptr;
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

/// Lists of readers of one workgroup's run. A list has an entry for each time at which somebody has
/// read, with a bit for each agent: between barriers, threads have the same time. Lists are
/// numbered from 1; 0 is the empty one.
class ReaderSets {
public:
  /// Forgets all lists. `newThreads`: agents below are threads.
  void reset(uint32_t agents, uint32_t newThreads) {
    words = (agents + 63) / 64;
    threads = newThreads;
    entries.clear();
    masks.clear();
    unused = 0;
  }
  /// Adds a read, in place of an earlier one of the agent; drops those that everybody knows.
  template <typename Knows>
  void add(uint32_t &list, uint32_t agent, Epoch epoch, const Knows &knows) {
    bool found = false;
    for (uint32_t *link = &list; *link != 0;) {
      uint32_t number = *link;
      Entry &entry = entries[number - 1];
      uint64_t &word = mask(number)[agent / 64], bit = uint64_t(1) << (agent % 64);
      bool had = (word & bit) != 0;
      if (entry.epoch == epoch) {
        word |= bit;
        entry.onlyThreads = entry.onlyThreads && agent < threads;
        found = true;
      } else {
        word &= ~bit;
        if ((entry.onlyThreads && entry.epoch <= knows.floor()) || (had && isEmpty(number))) {
          *link = entry.next;
          giveEntry(number);
          continue;
        }
      }
      link = &entry.next;
    }
    if (!found) {
      uint32_t number = takeEntry();
      entries[number - 1] = {epoch, list, agent < threads};
      mask(number)[agent / 64] |= uint64_t(1) << (agent % 64);
      list = number;
    }
  }
  /// Calls `check` with each read that the clock's floor does not tell to be known.
  template <typename Knows, typename Check>
  void each(uint32_t list, const Knows &knows, Check check) {
    for (; list != 0; list = entries[list - 1].next) {
      const Entry &entry = entries[list - 1];
      if (entry.onlyThreads && entry.epoch <= knows.floor()) {
        continue;
      }
      for (uint32_t i = 0; i < words; ++i) {
        for (uint64_t word = mask(list)[i]; word != 0; word &= word - 1) {
          check(i * 64 + static_cast<uint32_t>(__builtin_ctzll(word)), entry.epoch);
        }
      }
    }
  }
  void give(uint32_t list) {
    while (list != 0) {
      uint32_t next = entries[list - 1].next;
      giveEntry(list);
      list = next;
    }
  }
  uint32_t copy(uint32_t list);

private:
  struct Entry {
    Epoch epoch;
    uint32_t next;
    bool onlyThreads;
  };
  uint64_t *mask(uint32_t number) { return &masks[(number - 1) * size_t(words)]; }
  bool isEmpty(uint32_t number);
  uint32_t takeEntry();
  void giveEntry(uint32_t number) {
    entries[number - 1].next = unused;
    unused = number;
  }

  std::vector<Entry> entries;
  std::vector<uint64_t> masks; ///< `words` of each entry
  uint32_t words = 0, threads = 0;
  uint32_t unused = 0; ///< a list
};

/// Applies accesses to cells. `Knows` is what the acting thread knows: sees(Agent, Epoch) of
/// writes, orders(Agent, Epoch) of reads, and floor(): up to this epoch it knows every thread.
template <typename Knows>
Finding touch(Cell &cell, const Access &access, const Knows &knows, ReaderSets &sets) {
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
      sets.each(cell.readers, knows, check);
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
    // A read that came before this one is implied by it.
    if (cell.readEpoch == 0 || cell.reader == access.agent ||
        knows.orders(cell.reader, cell.readEpoch)) {
      cell.reader = static_cast<uint16_t>(access.agent);
      cell.readEpoch = access.epoch;
      cell.readAt = access.where;
      return finding;
    }
    sets.add(cell.readers, cell.reader, cell.readEpoch, knows);
  }
  cell.readAt = access.where;
  sets.add(cell.readers, access.agent, access.epoch, knows);
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
