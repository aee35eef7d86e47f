//===- HostMemory.h - Large zeroed ranges on huge pages ---------*- C++ -*-===//
//
// Weights are read once per token, so the cost of address translation shows
// (up to 20% of the read bandwidth): ranges of 2 MiB and more are aligned to
// huge pages and the system is asked to use them.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_CPU_HOSTMEMORY_H
#define DSV2_LIB_RUNTIME_DRIVERS_CPU_HOSTMEMORY_H

#include "lib/Runtime/Driver.h"

namespace dsv2 {

/// Anonymous private memory.
class HostMemory final : public DeviceMemory {
public:
  /// Limit when the system refuses. With `prefault` every page is there when
  /// this returns.
  static Expected<std::unique_ptr<HostMemory>> allocate(uint64_t bytes, bool prefault);
  ~HostMemory() override;

  uint64_t address() const override { return reinterpret_cast<uint64_t>(data); }
  uint64_t bytes() const override { return size; }
  void *host() const override { return data; }

private:
  HostMemory() = default;
  void *data = nullptr;
  uint64_t size = 0;
  void *mapping = nullptr;
  uint64_t mappingBytes = 0;
};

/// Bytes that new allocations may use before the machine, or the control group
/// of this process, runs out. A guess: other processes allocate too.
uint64_t availableHostMemory();

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_DRIVERS_CPU_HOSTMEMORY_H
