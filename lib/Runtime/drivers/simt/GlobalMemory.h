//===- GlobalMemory.h - Every range that a kernel may touch -----*- C++ -*-===//
//
// The device's memory: known ranges with pages around them that nothing may
// touch, a bit for every two bytes that says whether they were ever written,
// and shadow cells, made where a kernel first looks.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_SIMT_GLOBALMEMORY_H
#define DSV2_LIB_RUNTIME_DRIVERS_SIMT_GLOBALMEMORY_H

#include "lib/Runtime/Driver.h"
#include "lib/Runtime/drivers/simt/Shadow.h"

#include <map>
#include <mutex>

namespace dsv2::simt {

/// One allocation.
class Range {
public:
  static Expected<std::unique_ptr<Range>> allocate(uint64_t bytes, MemoryUse use);
  ~Range();
  Range(const Range &) = delete;
  Range &operator=(const Range &) = delete;

  uintptr_t begin() const { return base; }
  uint64_t bytes() const { return size; }
  MemoryUse use() const { return purpose; }
  bool holds(uintptr_t address, uint64_t count) const {
    uint64_t offset = address - base;
    return offset < size && count <= size - offset;
  }

  void markWritten(uint64_t offset, uint64_t count);
  void forgetWritten();
  /// The first byte of the range that nobody has written; `count` if none.
  uint64_t firstUnwritten(uint64_t offset, uint64_t count) const;
  /// The cell of the byte at `offset`.
  Cell &cell(uint64_t offset) {
    std::unique_ptr<Cell[]> &page = pages[offset / kPageBytes];
    if (!page) {
      page.reset(new Cell[kPageBytes / kCellBytes]);
    }
    return page[offset % kPageBytes / kCellBytes];
  }

private:
  static constexpr uint64_t kPageBytes = 1024;

  Range() = default;
  uintptr_t base = 0;
  uint64_t size = 0;
  MemoryUse purpose = MemoryUse::Working;
  void *mapping = nullptr;
  uint64_t mappedBytes = 0;
  std::vector<uint64_t> written;
  std::vector<std::unique_ptr<Cell[]>> pages;
};

/// The ranges by address. Allocation and copies may come from several threads.
class GlobalMemory {
public:
  Expected<Range *> allocate(uint64_t bytes, MemoryUse use);
  void release(Range *range);
  /// The range that holds the address; null when none does.
  Range *find(uintptr_t address);
  /// The nearest range that begins at or below the address; null if none does.
  Range *below(uintptr_t address);

private:
  std::mutex mutex;
  std::map<uintptr_t, std::unique_ptr<Range>> ranges;
};

} // namespace dsv2::simt

#endif // DSV2_LIB_RUNTIME_DRIVERS_SIMT_GLOBALMEMORY_H
