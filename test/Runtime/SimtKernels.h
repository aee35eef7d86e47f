//===- SimtKernels.h - GPU kernels written by hand --------------*- C++ -*-===//
//
// What the compiler emits, as C++: every access of shared or global memory is
// announced, everything that threads do together is a call. A kernel is a
// function; Lane is what it writes with.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_RUNTIME_SIMTKERNELS_H
#define DSV2_TEST_RUNTIME_SIMTKERNELS_H

#include "lib/Runtime/drivers/simt/SimtDriver.h"

#include <cstring>
#include <gtest/gtest.h>

namespace dsv2::test {

/// One thread's view.
struct Lane {
  SimtThread *self;
  const uint64_t *slots;

  int64_t id() const { return self->thread; }
  template <typename T> T load(const T *from, const char *where) const {
    self->calls->access(self, from, sizeof(T), 0, where);
    return *from;
  }
  template <typename T> void store(T *to, T value, const char *where) const {
    self->calls->access(self, to, sizeof(T), 1, where);
    *to = value;
  }
  template <typename T> T *global(size_t slot) const { return reinterpret_cast<T *>(slots[slot]); }
  template <typename T> T *shared(size_t offset = 0) const {
    return reinterpret_cast<T *>(self->shared + offset);
  }
  void barrier(const char *where, int32_t id = 0, int32_t threads = 0) const {
    self->calls->barrier(self, id, threads, where);
  }
  float shuffleXor(float value, int32_t offset, const char *where) const {
    int32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    int64_t result = self->calls->shuffle(self, 32, SimtShuffleXor, bits, offset, 32, where);
    bits = static_cast<int32_t>(result);
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  }
  void copyAsync(void *to, const void *from, int32_t bytes, const char *where) const {
    self->calls->asyncCopy(self, to, from, bytes, bytes, where);
  }
  void commit() const { self->calls->asyncCommit(self, "commit"); }
  void wait(int32_t pending) const { self->calls->asyncWait(self, pending, "wait"); }
};

/// Runs kernels on buffers of floats; each launch gives the text of its error,
/// empty where there is none.
class SimtTest : public ::testing::Test {
protected:
  void open(bool check = true) {
    DriverOptions options;
    options.check = check;
    Expected<std::unique_ptr<Driver>> made = createSimtDriver(options);
    ASSERT_TRUE(made) << made.error().message();
    driver = std::move(*made);
  }
  void SetUp() override { open(); }

  /// A buffer in device memory; the slot number. Without values: not written.
  size_t buffer(size_t floats, const float *values = nullptr, MemoryUse use = MemoryUse::Working) {
    Expected<std::unique_ptr<DeviceMemory>> made = driver->allocate(floats * 4, use);
    EXPECT_TRUE(made);
    if (values) {
      EXPECT_FALSE(driver->copyIn((*made)->address(), values, floats * 4));
    }
    slots.push_back((*made)->address());
    memory.push_back(std::move(*made));
    return slots.size() - 1;
  }
  std::vector<float> read(size_t slot) {
    std::vector<float> values(memory[slot]->bytes() / 4);
    EXPECT_FALSE(driver->copyOut(values.data(), slots[slot], values.size() * 4));
    return values;
  }
  std::string launch(SimtEntry entry, uint32_t threads, int64_t items = 1,
                     uint64_t sharedBytes = 4096, uint64_t scratchBytes = 0) {
    std::unique_ptr<DeviceCode> code =
        simtCodeOf({{entry, "kernel", threads, sharedBytes, scratchBytes}});
    KernelCall call{0, slots.data(), items, static_cast<uint32_t>(slots.size())};
    std::optional<Error> failure = driver->launch(*code, &call, 1);
    return failure ? failure->message() : std::string();
  }

  std::unique_ptr<Driver> driver;
  std::vector<std::unique_ptr<DeviceMemory>> memory;
  std::vector<uint64_t> slots;
};

/// Whether `text` holds each of the parts.
inline ::testing::AssertionResult says(const std::string &text,
                                       const std::vector<std::string> &parts) {
  for (const std::string &part : parts) {
    if (text.find(part) == std::string::npos) {
      return ::testing::AssertionFailure() << "'" << part << "' is not in: " << text;
    }
  }
  return ::testing::AssertionSuccess();
}

} // namespace dsv2::test

#endif // DSV2_TEST_RUNTIME_SIMTKERNELS_H
