//===- Driver.h - What the runtime asks of a device -------------*- C++ -*-===//
//
// The one interface between the runtime's core and a kind of device. It asks
// for capabilities (can the host write this memory?), never for vendors. A
// driver lives in drivers/<name>/ and is made by its create function; the core
// sees only this header.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVER_H
#define DSV2_LIB_RUNTIME_DRIVER_H

#include "lib/Artifact/Program.h"
#include "lib/Support/Error.h"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace dsv2 {

/// What an allocation is for.
enum class MemoryUse {
  Weights, ///< filled by copies; kernels only read it
  Cache,   ///< may be larger than what is ever used
  Working  ///< no access to it should have to wait for the system
};

/// A range of device memory; freed by its destructor. At least 64-byte aligned
/// and zero when it is made.
class DeviceMemory {
public:
  virtual ~DeviceMemory() = default;
  /// What kernels get as a pointer.
  virtual uint64_t address() const = 0;
  virtual uint64_t bytes() const = 0;
  /// The same memory for the host, or null where only copies reach it.
  virtual void *host() const = 0;
};

/// The code of one variant, ready to launch. Immutable.
class DeviceCode {
public:
  virtual ~DeviceCode() = default;
};

/// One dispatch with every argument resolved. `slots` stays untouched until
/// the launch has been synchronized.
struct KernelCall {
  uint32_t kernel; ///< number in the variant's list
  const uint64_t *slots;
  int64_t items;
  uint32_t slotCount = 0;
};

/// A device. Calls may come from several threads; launches run one at a time,
/// in the order in which they are made.
class Driver {
public:
  virtual ~Driver() = default;

  /// The name that variants refer to: "cpu".
  virtual std::string_view name() const = 0;
  /// The value of the launch symbol P.
  virtual int64_t workers() const = 0;

  /// Bytes that allocations may still take; a guess where others allocate too.
  virtual uint64_t availableBytes() const = 0;
  /// Zeroed memory; Limit when there is not enough.
  virtual Expected<std::unique_ptr<DeviceMemory>> allocate(uint64_t bytes, MemoryUse use) = 0;
  /// Both wait until the copy is complete.
  virtual std::optional<Error> copyIn(uint64_t device, const void *host, uint64_t bytes) = 0;
  virtual std::optional<Error> copyOut(void *host, uint64_t device, uint64_t bytes) = 0;

  /// Makes code executable. The caller has checked that it is trusted.
  virtual Expected<std::unique_ptr<DeviceCode>> load(const Image &image,
                                                     const std::vector<Kernel> &kernels) = 0;
  /// Queues `count` calls that run in order, each after the one before is done.
  virtual std::optional<Error> launch(const DeviceCode &code, const KernelCall *calls,
                                      size_t count) = 0;
  /// Waits for all launches.
  virtual std::optional<Error> synchronize() = 0;
};

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_DRIVER_H
