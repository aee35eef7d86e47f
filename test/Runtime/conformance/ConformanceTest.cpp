//===- ConformanceTest.cpp - What every driver owes the runtime -----------===//
//
// One suite over all drivers of the build, through the interface alone. A driver
// whose device is missing skips with what it says of that; so does a test that a
// driver cannot take part in, with the reason.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/DriverRegistry.h"
#include "lib/Support/File.h"

#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <thread>

using namespace dsv2;

namespace {

std::vector<std::string> driverNames() {
  std::vector<std::string> names;
  DriverRegistry drivers = builtinDrivers();
  for (const DriverKind &kind : drivers.all()) {
    names.push_back(kind.name);
  }
  return names;
}

/// The suite's kernel for a driver; an empty text where there is none.
std::string codeFor(const std::string &driver) {
  Expected<std::string> code =
      readFile(std::string(DSV2_CONFORMANCE_KERNELS) + driver + ".bin", 4096);
  return code ? *code : std::string();
}

class Conformance : public ::testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    DriverRegistry drivers = builtinDrivers();
    const DriverKind *kind = drivers.find(GetParam());
    ASSERT_TRUE(kind);
    EXPECT_FALSE(kind->describe().empty());
    DriverOptions options;
    options.threads = 3;
    Expected<std::unique_ptr<Driver>> made = kind->create(options);
    if (!made) {
      EXPECT_FALSE(kind->acceptsAnyTier);
      GTEST_SKIP() << "driver " << kind->name << ": " << made.error().message();
    }
    driver = std::move(*made);
  }

  std::unique_ptr<DeviceMemory> allocate(uint64_t bytes, MemoryUse use = MemoryUse::Working) {
    Expected<std::unique_ptr<DeviceMemory>> memory = driver->allocate(bytes, use);
    EXPECT_TRUE(memory) << bytes << " bytes";
    return memory ? std::move(*memory) : nullptr;
  }
  std::vector<int64_t> read(const DeviceMemory &memory, size_t count) {
    std::vector<int64_t> values(count, -1);
    EXPECT_FALSE(driver->copyOut(values.data(), memory.address(), count * 8));
    return values;
  }
  /// The suite's kernel as an image and its one kernel.
  bool kernelImage() {
    std::string code = codeFor(GetParam());
    if (code.empty()) {
      return false;
    }
    image.textBytes = 4096;
    image.bytes.assign(4096, 0xcc);
    std::copy(code.begin(), code.end(), image.bytes.begin());
    kernels.resize(1);
    kernels[0].name = "kernel";
    kernels[0].size = code.size();
    kernels[0].threads = GetParam() == "simt" ? 64 : 1;
    return true;
  }

  std::unique_ptr<Driver> driver;
  Image image;
  std::vector<Kernel> kernels;
};

TEST_P(Conformance, SaysWhatItIs) {
  EXPECT_EQ(driver->name(), GetParam());
  EXPECT_GE(driver->workers(), 1);
  EXPECT_GT(driver->availableBytes(), uint64_t(1) << 20);
}

TEST_P(Conformance, MemoryIsZeroAlignedAndApart) {
  std::map<uint64_t, uint64_t> ranges;
  std::vector<std::unique_ptr<DeviceMemory>> all;
  for (MemoryUse use : {MemoryUse::Weights, MemoryUse::Cache, MemoryUse::Working}) {
    for (uint64_t bytes : {1, 8, 1000, 4096, 3 << 20}) {
      all.push_back(allocate(bytes, use));
      ASSERT_TRUE(all.back());
      EXPECT_GE(all.back()->bytes(), bytes);
      EXPECT_EQ(all.back()->address() % 64, 0u);
      std::vector<char> values(bytes, 1);
      ASSERT_FALSE(driver->copyOut(values.data(), all.back()->address(), bytes));
      EXPECT_EQ(std::count(values.begin(), values.end(), 0), static_cast<int64_t>(bytes));
      EXPECT_TRUE(ranges.emplace(all.back()->address(), bytes).second);
    }
  }
  uint64_t end = 0;
  for (auto [begin, bytes] : ranges) {
    EXPECT_GE(begin, end);
    end = begin + bytes;
  }
}

TEST_P(Conformance, RefusesMoreMemoryThanThereIs) {
  Expected<std::unique_ptr<DeviceMemory>> memory =
      driver->allocate(uint64_t(1) << 60, MemoryUse::Cache);
  ASSERT_FALSE(memory);
  EXPECT_EQ(memory.error().kind(), ErrorKind::Limit);
}

TEST_P(Conformance, CopiesBytes) {
  std::unique_ptr<DeviceMemory> memory = allocate(1000);
  std::vector<char> in(600), out(600);
  std::iota(in.begin(), in.end(), 1);
  ASSERT_FALSE(driver->copyIn(memory->address() + 13, in.data(), in.size()));
  ASSERT_FALSE(driver->copyOut(out.data(), memory->address() + 13, out.size()));
  EXPECT_EQ(in, out);
  EXPECT_FALSE(driver->copyIn(memory->address(), in.data(), 0));
  if (const void *host = memory->host()) {
    EXPECT_EQ(std::memcmp(static_cast<const char *>(host) + 13, in.data(), in.size()), 0);
  }
}

TEST_P(Conformance, CopiesFromSeveralThreads) {
  constexpr int kThreads = 4, kRounds = 50;
  std::vector<std::unique_ptr<DeviceMemory>> memory;
  for (int t = 0; t < kThreads; ++t) {
    memory.push_back(allocate(800));
  }
  std::vector<std::thread> threads;
  std::vector<int> wrong(kThreads, 0);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t round = 0; round < kRounds; ++round) {
        std::vector<int64_t> in(100, round * kThreads + t), out(100);
        wrong[t] += driver->copyIn(memory[t]->address(), in.data(), 800).has_value();
        wrong[t] += driver->copyOut(out.data(), memory[t]->address(), 800).has_value();
        wrong[t] += in != out;
      }
    });
  }
  for (std::thread &thread : threads) {
    thread.join();
  }
  EXPECT_EQ(std::accumulate(wrong.begin(), wrong.end(), 0), 0);
}

TEST_P(Conformance, RunsEveryItemOnce) {
  if (!kernelImage()) {
    GTEST_SKIP() << "no code of this suite is for driver " << GetParam();
  }
  Expected<std::unique_ptr<DeviceCode>> code = driver->load(image, kernels);
  ASSERT_TRUE(code) << code.error().message();
  for (int64_t items : {1, 2, 3, 64, 1001}) {
    std::unique_ptr<DeviceMemory> memory = allocate(8 * (items + 1));
    std::vector<int64_t> zeros(items + 1, 0);
    ASSERT_FALSE(driver->copyIn(memory->address(), zeros.data(), zeros.size() * 8));
    uint64_t slots[2] = {memory->address(), 5};
    KernelCall call{0, slots, items, 2};
    ASSERT_FALSE(driver->launch(**code, &call, 1));
    ASSERT_FALSE(driver->synchronize());
    std::vector<int64_t> values = read(*memory, items + 1);
    EXPECT_EQ(std::count(values.begin(), values.end(), 5), items);
    EXPECT_EQ(values.back(), 0);
  }
}

TEST_P(Conformance, RunsCallsAndLaunchesInOrder) {
  if (!kernelImage()) {
    GTEST_SKIP() << "no code of this suite is for driver " << GetParam();
  }
  Expected<std::unique_ptr<DeviceCode>> code = driver->load(image, kernels);
  ASSERT_TRUE(code) << code.error().message();
  constexpr int64_t kItems = 100;
  std::unique_ptr<DeviceMemory> memory = allocate(8 * kItems);
  std::vector<int64_t> expected(kItems, 3);
  ASSERT_FALSE(driver->copyIn(memory->address(), expected.data(), 8 * kItems));
  uint64_t slots[8][2];
  KernelCall calls[8];
  for (uint64_t i = 0; i < 8; ++i) {
    slots[i][0] = memory->address();
    slots[i][1] = i * i;
    // Calls of one item and of many, since a driver may treat them apart.
    calls[i] = {0, slots[i], i % 3 == 0 ? 1 : kItems, 2};
  }
  for (int launch = 0; launch < 3; ++launch) {
    ASSERT_FALSE(driver->launch(**code, calls, 8));
    for (int64_t i = 0; i < 8; ++i) {
      for (int64_t item = 0; item < calls[i].items; ++item) {
        expected[item] = 2 * expected[item] + i * i;
      }
    }
  }
  ASSERT_FALSE(driver->synchronize());
  EXPECT_EQ(read(*memory, kItems), expected);
}

TEST_P(Conformance, RefusesBrokenImages) {
  if (!kernelImage()) {
    GTEST_SKIP() << "no code of this suite is for driver " << GetParam();
  }
  Image empty;
  EXPECT_FALSE(driver->load(empty, kernels));
  Image odd = image;
  odd.bytes.pop_back();
  EXPECT_FALSE(driver->load(odd, kernels));
  Image wrongFormat = image;
  wrongFormat.format = ImageFormat::Ptx;
  Expected<std::unique_ptr<DeviceCode>> refused = driver->load(wrongFormat, kernels);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("ptx"), std::string::npos) << refused.error().message();
  kernels[0].offset = 4096;
  Expected<std::unique_ptr<DeviceCode>> outside = driver->load(image, kernels);
  ASSERT_FALSE(outside);
  EXPECT_NE(outside.error().message().find("kernel 'kernel'"), std::string::npos);
}

TEST_P(Conformance, CodeOutlivesNothing) {
  if (!kernelImage()) {
    GTEST_SKIP() << "no code of this suite is for driver " << GetParam();
  }
  // Loaded twice, freed in between: the second is not disturbed.
  Expected<std::unique_ptr<DeviceCode>> first = driver->load(image, kernels);
  Expected<std::unique_ptr<DeviceCode>> second = driver->load(image, kernels);
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  first->reset();
  std::unique_ptr<DeviceMemory> memory = allocate(8);
  int64_t zero = 0;
  ASSERT_FALSE(driver->copyIn(memory->address(), &zero, 8));
  uint64_t slots[2] = {memory->address(), 9};
  KernelCall call{0, slots, 1, 2};
  ASSERT_FALSE(driver->launch(**second, &call, 1));
  ASSERT_FALSE(driver->synchronize());
  EXPECT_EQ(read(*memory, 1)[0], 9);
}

INSTANTIATE_TEST_SUITE_P(Drivers, Conformance, ::testing::ValuesIn(driverNames()),
                         [](const ::testing::TestParamInfo<std::string> &info) {
                           return info.param;
                         });

} // namespace
