//===- TestDriver.h - A device whose kernels are C++ functions --*- C++ -*-===//
//
// Runs a program without compiled code: kernel number i is functions[i]. Items
// are split as a CPU splits them, but the parts run last to first, so that a
// result that depends on their order shows. Memory can be hidden from the host,
// as that of a GPU is.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_RUNTIME_TESTDRIVER_H
#define DSV2_TEST_RUNTIME_TESTDRIVER_H

#include "lib/Runtime/Driver.h"

#include <cstdlib>
#include <cstring>
#include <functional>

namespace dsv2::test {

using TestKernel = std::function<void(const uint64_t *slots, int64_t begin, int64_t end)>;

class TestMemory final : public DeviceMemory {
public:
  TestMemory(uint64_t bytes, bool visible) : size(bytes), visible(visible) {
    data = std::aligned_alloc(64, (bytes + 127) / 64 * 64);
    std::memset(data, 0, bytes);
  }
  ~TestMemory() override { std::free(data); }
  uint64_t address() const override { return reinterpret_cast<uint64_t>(data); }
  uint64_t bytes() const override { return size; }
  void *host() const override { return visible ? data : nullptr; }

private:
  uint64_t size;
  bool visible;
  void *data;
};

class TestDriver final : public Driver {
public:
  explicit TestDriver(std::vector<TestKernel> functions) : functions(std::move(functions)) {}

  std::string_view name() const override { return "test"; }
  int64_t workers() const override { return workerCount; }
  uint64_t availableBytes() const override { return available; }
  Expected<std::unique_ptr<DeviceMemory>> allocate(uint64_t bytes, MemoryUse) override {
    return std::unique_ptr<DeviceMemory>(std::make_unique<TestMemory>(bytes, visible));
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
  std::optional<Error> launch(const DeviceCode &, const KernelCall *calls, size_t count) override {
    ++launches;
    if (failLaunch == launches) {
      return Error(ErrorKind::Io, "the device is gone");
    }
    for (size_t i = 0; i < count; ++i) {
      for (int64_t worker = workerCount; worker-- > 0;) {
        int64_t begin = calls[i].items * worker / workerCount;
        int64_t end = calls[i].items * (worker + 1) / workerCount;
        if (begin < end) {
          functions[calls[i].kernel](calls[i].slots, begin, end);
        }
      }
    }
    return std::nullopt;
  }
  std::optional<Error> synchronize() override { return std::nullopt; }

  int64_t workerCount = 2;
  uint64_t available = uint64_t(1) << 30;
  bool visible = true;
  int launches = 0;
  int failLaunch = -1; ///< number of the launch that fails

private:
  std::vector<TestKernel> functions;
};

} // namespace dsv2::test

#endif // DSV2_TEST_RUNTIME_TESTDRIVER_H
