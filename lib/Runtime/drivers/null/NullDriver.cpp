//===- NullDriver.cpp - A device that does nothing ------------------------===//
//
// The shortest driver: every obligation of the interface but computing.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/null/NullDriver.h"

#include <cstdlib>
#include <cstring>

using namespace dsv2;

namespace {

constexpr uint64_t kAlignment = 64;
constexpr uint64_t kMostBytes = uint64_t(1) << 40;

class NullMemory final : public DeviceMemory {
public:
  NullMemory(void *data, uint64_t bytes) : data(data), size(bytes) {}
  ~NullMemory() override { std::free(data); }
  uint64_t address() const override {
    uint64_t start = reinterpret_cast<uint64_t>(data);
    return (start + kAlignment - 1) / kAlignment * kAlignment;
  }
  uint64_t bytes() const override { return size; }
  void *host() const override { return reinterpret_cast<void *>(address()); }

private:
  void *data;
  uint64_t size;
};

class NullDriver final : public Driver {
public:
  std::string_view name() const override { return "null"; }
  int64_t workers() const override { return 1; }
  uint64_t availableBytes() const override { return kMostBytes; }

  Expected<std::unique_ptr<DeviceMemory>> allocate(uint64_t bytes, MemoryUse use) override {
    // calloc leaves large ranges to the system until somebody touches them.
    void *data = bytes > kMostBytes ? nullptr : std::calloc(1, bytes + kAlignment);
    if (!data) {
      return Error(ErrorKind::Limit, "cannot allocate ", bytes, " bytes of memory");
    }
    return std::unique_ptr<DeviceMemory>(std::make_unique<NullMemory>(data, bytes));
  }
  std::optional<Error> copyIn(uint64_t device, const void *host, uint64_t bytes) override {
    std::memcpy(reinterpret_cast<void *>(device), host, bytes);
    return std::nullopt;
  }
  std::optional<Error> copyOut(void *host, uint64_t device, uint64_t bytes) override {
    std::memcpy(host, reinterpret_cast<const void *>(device), bytes);
    return std::nullopt;
  }
  Expected<std::unique_ptr<DeviceCode>> load(const Image &, const std::vector<Kernel> &) override {
    return std::make_unique<DeviceCode>();
  }
  std::optional<Error> launch(const DeviceCode &, const KernelCall *, size_t) override {
    return std::nullopt;
  }
  std::optional<Error> synchronize() override { return std::nullopt; }
};

Expected<std::unique_ptr<Driver>> create(const DriverOptions &) {
  return std::unique_ptr<Driver>(std::make_unique<NullDriver>());
}

std::vector<std::string> noTiers() { return {}; }
std::string describe() { return "nothing"; }

Expected<DeviceLimits> measureLimits(const DriverOptions &, std::string_view) {
  return Error(ErrorKind::Unsupported, "the driver 'null' computes nothing that could be measured");
}

} // namespace

DriverKind dsv2::nullDriverKind() {
  return {"null", noTiers, describe, create, measureLimits, 0, true};
}
