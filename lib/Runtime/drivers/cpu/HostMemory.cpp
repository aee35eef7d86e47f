//===- HostMemory.cpp - Large zeroed ranges on huge pages -----------------===//
//
// mmap with the alignment of a huge page, and a reading of what the system
// still has.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/cpu/HostMemory.h"

#include "lib/Support/CheckedMath.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <sys/mman.h>

using namespace dsv2;

static constexpr uint64_t kHugePage = 2u << 20;
static constexpr uint64_t kPage = 4096;
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

Expected<std::unique_ptr<HostMemory>> HostMemory::allocate(uint64_t bytes, bool prefault) {
  bool huge = bytes >= kHugePage;
  std::optional<uint64_t> size = checkedAlign(std::max<uint64_t>(bytes, 1), kPage);
  std::optional<uint64_t> reserved = size;
  if (size && huge) {
    reserved = checkedAdd(*size, kHugePage);
  }
  if (!reserved || *reserved > std::numeric_limits<int64_t>::max()) {
    return Error(ErrorKind::Limit, "cannot allocate ", bytes, " bytes of memory");
  }
  void *mapping = mmap(nullptr, *reserved, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    return Error(ErrorKind::Limit, "cannot allocate ", bytes,
                 " bytes of memory: ", std::strerror(errno));
  }
  std::unique_ptr<HostMemory> memory(new HostMemory());
  memory->mapping = mapping;
  memory->mappingBytes = *reserved;
  memory->size = bytes;
  uint64_t start = reinterpret_cast<uint64_t>(mapping);
  if (huge) {
    start = (start + kHugePage - 1) & ~(kHugePage - 1);
    // Only advice: without huge pages everything still works, more slowly.
    (void)madvise(reinterpret_cast<void *>(start), *size, MADV_HUGEPAGE);
  }
  memory->data = reinterpret_cast<void *>(start);
  if (prefault && madvise(memory->data, *size, MADV_POPULATE_WRITE) != 0) {
    if (errno == ENOMEM) {
      return Error(ErrorKind::Limit, "cannot allocate ", bytes,
                   " bytes of memory: ", std::strerror(errno));
    }
    // Kernels before 5.14 do not know the request.
    volatile char *pages = static_cast<volatile char *>(memory->data);
    for (uint64_t at = 0; at < *size; at += kPage) {
      pages[at] = 0;
    }
  }
  return memory;
}

HostMemory::~HostMemory() {
  if (mapping) {
    munmap(mapping, mappingBytes);
  }
}

/// The number in a file that holds only one, or nothing ("max", no such file).
static std::optional<uint64_t> readNumber(const char *path) {
  std::FILE *file = std::fopen(path, "re");
  if (!file) {
    return std::nullopt;
  }
  unsigned long long value = 0;
  bool found = std::fscanf(file, "%llu", &value) == 1;
  std::fclose(file);
  return found ? std::optional<uint64_t>(value) : std::nullopt;
}

uint64_t dsv2::availableHostMemory() {
  uint64_t available = std::numeric_limits<uint64_t>::max();
  if (std::FILE *file = std::fopen("/proc/meminfo", "re")) {
    char line[256];
    unsigned long long kib = 0;
    while (std::fgets(line, sizeof(line), file)) {
      if (std::sscanf(line, "MemAvailable: %llu kB", &kib) == 1) {
        available = kib * 1024;
        break;
      }
    }
    std::fclose(file);
  }
  std::optional<uint64_t> limit = readNumber("/sys/fs/cgroup/memory.max");
  std::optional<uint64_t> used = readNumber("/sys/fs/cgroup/memory.current");
  if (limit && used) {
    available = std::min(available, *limit > *used ? *limit - *used : 0);
  }
  return available;
}
