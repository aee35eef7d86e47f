//===- GlobalMemory.cpp - Every range that a kernel may touch -------------===//
//
// Ranges end at a page that faults, so that even unchecked code cannot walk from
// one into the next.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/GlobalMemory.h"

#include "lib/Support/CheckedMath.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>

using namespace dsv2;
using namespace dsv2::simt;

static constexpr uint64_t kPage = 4096;
/// Alignment of an allocation, as devices give it.
static constexpr uint64_t kAlignment = 256;

Expected<std::unique_ptr<Range>> Range::allocate(uint64_t bytes, MemoryUse use) {
  std::optional<uint64_t> body = checkedAlign(bytes == 0 ? 1 : bytes, kPage);
  std::optional<uint64_t> total = body ? checkedAdd(*body, 2 * kPage) : std::nullopt;
  if (!total) {
    return Error(ErrorKind::Limit, "cannot allocate ", bytes, " bytes of memory");
  }
  void *mapping =
      mmap(nullptr, *total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    return Error(ErrorKind::Limit, "cannot allocate ", bytes,
                 " bytes of memory: ", std::strerror(errno));
  }
  std::unique_ptr<Range> range(new Range());
  range->mapping = mapping;
  range->mappedBytes = *total;
  char *first = static_cast<char *>(mapping) + kPage;
  if (mprotect(first, *body, PROT_READ | PROT_WRITE) != 0) {
    return Error(ErrorKind::Limit, "cannot allocate ", bytes,
                 " bytes of memory: ", std::strerror(errno));
  }
  // As close to the end of its pages as its alignment allows.
  range->base = reinterpret_cast<uintptr_t>(first) + (*body - bytes) / kAlignment * kAlignment;
  range->size = bytes;
  range->purpose = use;
  range->written.assign((bytes / kCellBytes + 64) / 64, 0);
  range->pages.resize(bytes / kPageBytes + 2);
  return range;
}

Range::~Range() {
  if (mapping) {
    munmap(mapping, mappedBytes);
  }
}

void Range::markWritten(uint64_t offset, uint64_t count) {
  uint64_t bit = offset / kCellBytes;
  uint64_t end = (offset + count + kCellBytes - 1) / kCellBytes;
  while (bit < end) {
    if (bit % 64 == 0 && end - bit >= 64) {
      written[bit / 64] = ~uint64_t(0);
      bit += 64;
    } else {
      written[bit / 64] |= uint64_t(1) << (bit % 64);
      ++bit;
    }
  }
}

void Range::forgetWritten() { std::fill(written.begin(), written.end(), 0); }

uint64_t Range::firstUnwritten(uint64_t offset, uint64_t count) const {
  uint64_t end = (offset + count + kCellBytes - 1) / kCellBytes;
  for (uint64_t bit = offset / kCellBytes; bit < end; ++bit) {
    if (bit % 64 == 0 && written[bit / 64] == ~uint64_t(0)) {
      bit += 63;
    } else if (!(written[bit / 64] >> (bit % 64) & 1)) {
      return bit * kCellBytes <= offset ? 0 : bit * kCellBytes - offset;
    }
  }
  return count;
}

Expected<Range *> GlobalMemory::allocate(uint64_t bytes, MemoryUse use) {
  Expected<std::unique_ptr<Range>> range = Range::allocate(bytes, use);
  if (!range) {
    return range.takeError();
  }
  std::lock_guard<std::mutex> lock(mutex);
  Range *made = range->get();
  ranges[made->begin()] = std::move(*range);
  return made;
}

void GlobalMemory::release(Range *range) {
  std::lock_guard<std::mutex> lock(mutex);
  ranges.erase(range->begin());
}

Range *GlobalMemory::below(uintptr_t address) {
  std::lock_guard<std::mutex> lock(mutex);
  auto next = ranges.upper_bound(address);
  return next == ranges.begin() ? nullptr : std::prev(next)->second.get();
}

Range *GlobalMemory::find(uintptr_t address) {
  Range *range = below(address);
  return range && range->holds(address, 1) ? range : nullptr;
}
