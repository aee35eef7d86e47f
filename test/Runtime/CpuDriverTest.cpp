//===- CpuDriverTest.cpp - Threads, code images, launches -----------------===//
//
// Code is written by hand as bytes: a few instructions without relocations.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/cpu/CpuDriver.h"
#include "lib/Runtime/CodeImage.h"
#include "lib/Runtime/drivers/cpu/HostMemory.h"
#include "lib/Runtime/drivers/cpu/ThreadPool.h"

#include <chrono>
#include <cstring>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <thread>

using namespace dsv2;

namespace {

constexpr uint64_t kPage = 4096;

/// for (i = begin; i < end; ++i) slots[0][i] += constant, where the 64-bit
/// constant is the first of the constants page; at offset 64 a kernel that puts
/// MXCSR into slots[0][begin], at offset 128 one that stores begin in scratch
/// and copies it to slots[0][begin].
Image testImage() {
  Image image;
  image.textBytes = kPage;
  image.bytes.assign(2 * kPage, 0xcc);
  const uint8_t add[] = {
      0x48, 0x8b, 0x07,                         // mov rax, [rdi]
      0x48, 0x8b, 0x0d, 0xf6, 0x0f, 0x00, 0x00, // mov rcx, [rip + 4096 - 10]
      0x48, 0x39, 0xd6,                         // cmp rsi, rdx
      0x7d, 0x09,                               // jge done
      0x48, 0x01, 0x0c, 0xf0,                   // add [rax + rsi*8], rcx
      0x48, 0xff, 0xc6,                         // inc rsi
      0xeb, 0xf2,                               // jmp back to cmp
      0xc3,                                     // done: ret
  };
  const uint8_t mxcsr[] = {
      0x48, 0x8b, 0x07,             // mov rax, [rdi]
      0x0f, 0xae, 0x1c, 0xf0, 0xc3, // stmxcsr [rax + rsi*8]; ret
  };
  const uint8_t scratch[] = {
      0x48, 0x89, 0x31,       // mov [rcx], rsi
      0x48, 0x8b, 0x07,       // mov rax, [rdi]
      0x48, 0x8b, 0x11,       // mov rdx, [rcx]
      0x48, 0x89, 0x14, 0xf0, // mov [rax + rsi*8], rdx
      0xc3,                   // ret
  };
  std::memcpy(image.bytes.data(), add, sizeof(add));
  std::memcpy(image.bytes.data() + 64, mxcsr, sizeof(mxcsr));
  std::memcpy(image.bytes.data() + 128, scratch, sizeof(scratch));
  uint64_t constant = 1000;
  std::memcpy(image.bytes.data() + kPage, &constant, sizeof(constant));
  return image;
}

DSV2_CALLS_KERNELS void call(CpuKernel kernel, const uint64_t *slots, int64_t begin, int64_t end) {
  kernel(slots, begin, end, nullptr);
}

std::vector<Kernel> testKernels() {
  std::vector<Kernel> kernels(3);
  for (size_t i = 0; i < kernels.size(); ++i) {
    kernels[i].name = "k" + std::to_string(i);
    kernels[i].offset = 64 * i;
    kernels[i].scratchBytes = 100;
  }
  return kernels;
}

TEST(ThreadPool, EveryWorkerSeesWhatTheOthersWroteBeforeABarrier) {
  for (unsigned workers : {1u, 2u, 3u, 8u}) {
    Expected<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(workers);
    ASSERT_TRUE(pool);
    struct Shared {
      ThreadPool &pool;
      std::vector<uint64_t> values;
      std::atomic<int> wrong{0};
    } shared{**pool, std::vector<uint64_t>(workers), {}};
    for (int run = 0; run < 20; ++run) {
      (*pool)->run(
          [](void *context, unsigned worker) {
            Shared &shared = *static_cast<Shared *>(context);
            unsigned next = (worker + 1) % shared.pool.workers();
            for (uint64_t round = 1; round <= 200; ++round) {
              shared.values[worker] = round;
              shared.pool.barrier();
              shared.wrong += shared.values[next] != round;
              shared.pool.barrier();
            }
          },
          &shared);
      if (run % 5 == 0) {
        // Long enough for all workers to sleep.
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    }
    EXPECT_EQ(shared.wrong, 0);
  }
}

TEST(ThreadPool, RefusesAWrongNumber) {
  EXPECT_FALSE(ThreadPool::create(0));
  EXPECT_FALSE(ThreadPool::create(1025));
}

TEST(HostMemory, IsZeroAndAligned) {
  for (uint64_t bytes : {uint64_t(0), uint64_t(1), uint64_t(4097), uint64_t(5) << 20}) {
    Expected<std::unique_ptr<HostMemory>> memory = HostMemory::allocate(bytes, bytes > 5000);
    ASSERT_TRUE(memory);
    EXPECT_EQ((*memory)->address() % (bytes > (2u << 20) ? 2u << 20 : 64), 0u);
    const char *data = static_cast<const char *>((*memory)->host());
    for (uint64_t i = 0; i < bytes; i += 1000) {
      ASSERT_EQ(data[i], 0);
    }
  }
  Expected<std::unique_ptr<HostMemory>> huge = HostMemory::allocate(~uint64_t(0) - 5, false);
  ASSERT_FALSE(huge);
  EXPECT_EQ(huge.error().kind(), ErrorKind::Limit);
  EXPECT_GT(availableHostMemory(), 1u << 20);
}

class CodeImageModes : public testing::TestWithParam<CodeMapping> {};

TEST_P(CodeImageModes, RunsAndCannotBeWritten) {
  Expected<std::unique_ptr<CodeImage>> image = CodeImage::map(testImage(), GetParam());
  ASSERT_TRUE(image) << image.error().message();
  auto add = reinterpret_cast<CpuKernel>(reinterpret_cast<uintptr_t>((*image)->begin()));
  uint64_t values[4] = {1, 2, 3, 4};
  uint64_t slots[1] = {reinterpret_cast<uint64_t>(values)};
  call(add, slots, 1, 3);
  EXPECT_EQ(values[0], 1u);
  EXPECT_EQ(values[1], 1002u);
  EXPECT_EQ(values[2], 1003u);
  EXPECT_EQ(values[3], 4u);
  auto *bytes = const_cast<volatile uint8_t *>((*image)->begin());
  EXPECT_DEATH(bytes[0] = 0xc3, "");
  EXPECT_DEATH(bytes[kPage] = 0xc3, "");
  EXPECT_DEATH((void)bytes[-1], "");
  EXPECT_DEATH((void)bytes[2 * kPage], "");
  auto constants = reinterpret_cast<CpuKernel>(reinterpret_cast<uintptr_t>(bytes) + kPage);
  EXPECT_DEATH(call(constants, slots, 0, 0), "");
}

INSTANTIATE_TEST_SUITE_P(Both, CodeImageModes,
                         testing::Values(CodeMapping::Anonymous, CodeMapping::SealedFile));

TEST(CodeImage, RefusesSizesThatAreNoPages) {
  Image image = testImage();
  image.bytes.pop_back();
  EXPECT_FALSE(CodeImage::map(image));
  image = testImage();
  image.textBytes = 3 * kPage;
  EXPECT_FALSE(CodeImage::map(image));
  image.textBytes = 0;
  EXPECT_FALSE(CodeImage::map(image));
  EXPECT_FALSE(CodeImage::map({}));
}

TEST(CpuDriver, SplitsItemsAmongWorkersInOrder) {
  for (unsigned threads : {1u, 2u, 3u, 5u}) {
    Expected<std::unique_ptr<Driver>> driver = createCpuDriver({threads});
    ASSERT_TRUE(driver);
    EXPECT_EQ((*driver)->workers(), threads);
    Expected<std::unique_ptr<DeviceCode>> code = (*driver)->load(testImage(), testKernels());
    ASSERT_TRUE(code) << code.error().message();
    for (int64_t items : {0, 1, 2, 7, 64, 1000}) {
      std::vector<uint64_t> values(1000);
      uint64_t slots[1] = {reinterpret_cast<uint64_t>(values.data())};
      std::vector<KernelCall> calls(50, KernelCall{0, slots, items});
      ASSERT_FALSE((*driver)->launch(**code, calls.data(), calls.size()));
      ASSERT_FALSE((*driver)->synchronize());
      for (int64_t i = 0; i < 1000; ++i) {
        ASSERT_EQ(values[i], i < items ? 50000u : 0u);
      }
    }
  }
}

TEST(CpuDriver, WorkersFlushDenormalsAndTheCallerIsLeftAsItWas) {
  Expected<std::unique_ptr<Driver>> driver = createCpuDriver({3});
  Expected<std::unique_ptr<DeviceCode>> code = (*driver)->load(testImage(), testKernels());
  ASSERT_TRUE(code);
  unsigned before = __builtin_ia32_stmxcsr();
  uint64_t values[3] = {};
  uint64_t slots[1] = {reinterpret_cast<uint64_t>(values)};
  KernelCall call{1, slots, 3};
  ASSERT_FALSE((*driver)->launch(**code, &call, 1));
  for (uint64_t value : values) {
    EXPECT_EQ(value & 0x8040, 0x8040u);
  }
  EXPECT_EQ(__builtin_ia32_stmxcsr(), before);
}

TEST(CpuDriver, EachWorkerHasScratchOfItsOwn) {
  Expected<std::unique_ptr<Driver>> driver = createCpuDriver({4});
  Expected<std::unique_ptr<DeviceCode>> code = (*driver)->load(testImage(), testKernels());
  ASSERT_TRUE(code);
  uint64_t values[4] = {};
  uint64_t slots[1] = {reinterpret_cast<uint64_t>(values)};
  KernelCall call{2, slots, 4};
  for (int i = 0; i < 100; ++i) {
    ASSERT_FALSE((*driver)->launch(**code, &call, 1));
    for (uint64_t worker = 0; worker < 4; ++worker) {
      ASSERT_EQ(values[worker], worker);
    }
  }
}

TEST(CpuDriver, RefusesAKernelOutsideTheText) {
  Expected<std::unique_ptr<Driver>> driver = createCpuDriver({1});
  std::vector<Kernel> kernels = testKernels();
  kernels[1].offset = kPage;
  EXPECT_FALSE((*driver)->load(testImage(), kernels));
  EXPECT_FALSE(createCpuDriver({5000}));
}

TEST(CpuDriver, DispatchCost) {
  // Not a pass mark (the machine is shared), a figure to look at.
  Expected<std::unique_ptr<Driver>> driver = createCpuDriver({2});
  Expected<std::unique_ptr<DeviceCode>> code = (*driver)->load(testImage(), testKernels());
  uint64_t values[2] = {};
  uint64_t slots[1] = {reinterpret_cast<uint64_t>(values)};
  std::vector<KernelCall> calls(2000, KernelCall{0, slots, 2});
  double best = 1e9;
  for (int i = 0; i < 10; ++i) {
    auto begin = std::chrono::steady_clock::now();
    ASSERT_FALSE((*driver)->launch(**code, calls.data(), calls.size()));
    std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - begin;
    best = std::min(best, time.count() / static_cast<double>(calls.size()));
  }
  RecordProperty("microseconds_per_dispatch", std::to_string(best));
  std::printf("%.3f microseconds per dispatch with two workers\n", best);
}

} // namespace
