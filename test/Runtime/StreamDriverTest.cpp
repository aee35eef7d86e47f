//===- StreamDriverTest.cpp - GPU drivers on fake libraries ---------------===//
//
// No GPU here: the libraries are test/Runtime/Fake, where queued work happens as
// late as the driver's interface allows. Each test runs for every vendor.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/cuda/CudaDriver.h"
#include "lib/Runtime/drivers/hip/HipDriver.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

using namespace dsv2;

namespace {

struct Vendor {
  const char *name;
  const char *library;
  ImageFormat format;
  Expected<std::unique_ptr<Driver>> (*create)(const char *library);
};

Expected<std::unique_ptr<Driver>> createCuda(const char *path) {
  auto library = cuda::CudaLibrary::open(path);
  return library ? createCudaDriver(*library)
                 : Expected<std::unique_ptr<Driver>>(library.takeError());
}

Expected<std::unique_ptr<Driver>> createHip(const char *path) {
  auto library = HipLibrary::open({path});
  return library ? createHipDriver(*library)
                 : Expected<std::unique_ptr<Driver>>(library.takeError());
}

const Vendor kVendors[] = {
    {"cuda", DSV2_FAKE_CUDA, ImageFormat::Ptx, createCuda},
    {"hip", DSV2_FAKE_HIP, ImageFormat::Hsaco, createHip},
};

class StreamDrivers : public testing::TestWithParam<Vendor> {
protected:
  void SetUp() override {
    Expected<std::unique_ptr<Driver>> made = GetParam().create(GetParam().library);
    ASSERT_TRUE(made) << made.error().message();
    driver = std::move(*made);
    void *handle = dlopen(GetParam().library, RTLD_NOW | RTLD_NOLOAD);
    ASSERT_NE(handle, nullptr);
    counts = reinterpret_cast<void (*)(uint64_t *)>(dlsym(handle, "fakeCounts"));
  }

  struct Counts {
    uint64_t instantiated, updated, graphs, launches, allocations;
  };
  Counts count() const {
    uint64_t values[5];
    counts(values);
    return {values[0], values[1], values[2], values[3], values[4]};
  }

  /// Two modules, "add" and "scratch", each 64-byte aligned.
  Image image() const {
    Image image;
    image.format = GetParam().format;
    image.bytes.assign(4096, 0);
    for (auto [at, text] : {std::pair(0, "kernels: add"), std::pair(64, "kernels: scratch")}) {
      std::copy_n(text, strlen(text), image.bytes.begin() + at);
    }
    return image;
  }
  std::vector<Kernel> kernels() const {
    std::vector<Kernel> kernels(2);
    kernels[0] = {"add", "generic", 0, 12, 0, 128, 65536};
    kernels[1] = {"scratch", "generic", 64, 16, 1000, 32, 0};
    return kernels;
  }

  std::unique_ptr<Driver> driver;
  void (*counts)(uint64_t *) = nullptr;
};

TEST_P(StreamDrivers, MemoryIsZeroAndIsGivenBack) {
  uint64_t before = count().allocations;
  {
    Expected<std::unique_ptr<DeviceMemory>> memory = driver->allocate(1000, MemoryUse::Working);
    ASSERT_TRUE(memory);
    EXPECT_EQ((*memory)->host(), nullptr);
    EXPECT_EQ((*memory)->bytes(), 1000u);
    std::vector<char> bytes(1000, 1);
    ASSERT_FALSE(driver->copyOut(bytes.data(), (*memory)->address(), bytes.size()));
    EXPECT_EQ(bytes, std::vector<char>(1000, 0));
    EXPECT_EQ(count().allocations, before + 1);
  }
  EXPECT_EQ(count().allocations, before);
  Expected<std::unique_ptr<DeviceMemory>> huge =
      driver->allocate(uint64_t(2) << 30, MemoryUse::Cache);
  ASSERT_FALSE(huge);
  EXPECT_EQ(huge.error().kind(), ErrorKind::Limit);
  EXPECT_NE(huge.error().message().find("OutOfMemory") == std::string::npos,
            huge.error().message().find("OUT_OF_MEMORY") == std::string::npos)
      << huge.error().message();
}

TEST_P(StreamDrivers, CopiesDoNotReadTheHostLater) {
  // Small ones pass through staging memory, which fills up and is used again.
  for (uint64_t bytes : {uint64_t(1), uint64_t(1000), uint64_t(3) << 20, uint64_t(9) << 20}) {
    Expected<std::unique_ptr<DeviceMemory>> memory = driver->allocate(4 * bytes, MemoryUse::Cache);
    ASSERT_TRUE(memory);
    std::vector<char> host(bytes);
    for (char part = 0; part < 4; ++part) {
      std::fill(host.begin(), host.end(), static_cast<char>(part + 1));
      ASSERT_FALSE(driver->copyIn((*memory)->address() + static_cast<uint64_t>(part) * bytes,
                                  host.data(), bytes));
    }
    std::fill(host.begin(), host.end(), 'x');
    std::vector<char> all(4 * bytes);
    ASSERT_FALSE(driver->copyOut(all.data(), (*memory)->address(), all.size()));
    for (uint64_t i = 0; i < all.size(); ++i) {
      ASSERT_EQ(all[i], static_cast<char>(i / bytes + 1)) << i;
    }
  }
}

TEST_P(StreamDrivers, LaunchesInOrderAsOneGraphThatIsUsedAgain) {
  Expected<std::unique_ptr<DeviceCode>> code = driver->load(image(), kernels());
  ASSERT_TRUE(code) << code.error().message();
  Expected<std::unique_ptr<DeviceMemory>> memory = driver->allocate(800, MemoryUse::Cache);
  uint64_t slots[2] = {(*memory)->address(), 3};
  Counts before = count();
  for (int64_t items : {100, 7, 1}) {
    std::vector<uint64_t> values(100, 1000);
    ASSERT_FALSE(driver->copyIn((*memory)->address(), values.data(), 800));
    std::vector<KernelCall> calls(5, KernelCall{0, slots, items, 2});
    ASSERT_FALSE(driver->launch(**code, calls.data(), calls.size()));
    ASSERT_FALSE(driver->synchronize());
    ASSERT_FALSE(driver->copyOut(values.data(), (*memory)->address(), 800));
    for (int64_t i = 0; i < 100; ++i) {
      ASSERT_EQ(values[static_cast<size_t>(i)], i < items ? 1015u : 1000u);
    }
  }
  Counts after = count();
  EXPECT_EQ(after.launches - before.launches, 15u);
  EXPECT_EQ(after.graphs - before.graphs, 3u);
  EXPECT_EQ(after.instantiated - before.instantiated, 1u);
  EXPECT_EQ(after.updated - before.updated, 2u);
  // One call needs no graph; none at all is fine.
  KernelCall call{0, slots, 1, 2};
  ASSERT_FALSE(driver->launch(**code, &call, 1));
  ASSERT_FALSE(driver->launch(**code, nullptr, 0));
  ASSERT_FALSE(driver->synchronize());
  EXPECT_EQ(count().graphs, after.graphs);
}

TEST_P(StreamDrivers, ScratchLimitsTheGrid) {
  Expected<std::unique_ptr<DeviceCode>> code = driver->load(image(), kernels());
  ASSERT_TRUE(code);
  Expected<std::unique_ptr<DeviceMemory>> memory = driver->allocate(8000, MemoryUse::Cache);
  uint64_t slots[1] = {(*memory)->address()};
  KernelCall call{1, slots, 1000, 1};
  ASSERT_FALSE(driver->launch(**code, &call, 1));
  std::vector<uint64_t> values(1000);
  ASSERT_FALSE(driver->copyOut(values.data(), (*memory)->address(), 8000));
  // Four multiprocessors, eight workgroups each.
  EXPECT_EQ(driver->workers(), 4);
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(values[i] != 0, i < 32) << i;
  }
}

TEST_P(StreamDrivers, RefusesWhatItCannotLoad) {
  auto message = [&](const Image &image, const std::vector<Kernel> &kernels) {
    Expected<std::unique_ptr<DeviceCode>> code = driver->load(image, kernels);
    return code ? std::string() : code.error().message();
  };
  Image flat = image();
  flat.format = ImageFormat::Flat;
  EXPECT_NE(message(flat, kernels()).find("format flat"), std::string::npos);
  Image broken = image();
  broken.bytes[64] = 'x';
  EXPECT_NE(message(broken, kernels()).find("kernel 'scratch'"), std::string::npos);
  std::vector<Kernel> unknown = kernels();
  unknown[0].name = "absent";
  EXPECT_NE(message(image(), unknown).find("kernel 'absent'"), std::string::npos);
  std::vector<Kernel> outside = kernels();
  outside[1].size = 5000;
  EXPECT_NE(message(image(), outside).find("do not lie in"), std::string::npos);
  std::vector<Kernel> large = kernels();
  large[0].threads = 2000;
  EXPECT_NE(message(image(), large).find("2000 threads"), std::string::npos);
  Expected<std::unique_ptr<DeviceCode>> code = driver->load(image(), kernels());
  uint64_t slots[2] = {};
  KernelCall call{7, slots, 1, 2};
  EXPECT_TRUE(driver->launch(**code, &call, 1));
}

TEST_P(StreamDrivers, SayWhatIsMissing) {
  Expected<std::unique_ptr<Driver>> absent = GetParam().create("/absent/library.so");
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().kind(), ErrorKind::Unsupported);
  EXPECT_NE(absent.error().message().find("/absent/library.so"), std::string::npos);
  // A library of something else: the first function that it lacks is named.
  Expected<std::unique_ptr<Driver>> other = GetParam().create("libc.so.6");
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message().find("Init"), std::string::npos) << other.error().message();
}

INSTANTIATE_TEST_SUITE_P(Vendors, StreamDrivers, testing::ValuesIn(kVendors),
                         [](const auto &info) { return std::string(info.param.name); });

/// A kernel that stores the tensor map of its first slot there.
struct Boxes {
  Boxes() {
    image.bytes.assign(4096, 0);
    std::string text = "kernels: boxes";
    std::copy(text.begin(), text.end(), image.bytes.begin());
    kernel.name = "boxes";
    kernel.builder = "matmul";
    kernel.size = text.size();
    kernel.threads = 128;
    kernel.tensorMaps = {{0, 60, 128, 1, 64}};
  }
  Image image;
  Kernel kernel;
};

TEST(CudaDriver, DescribesMatricesOnceAndPassesThemByValue) {
  Expected<std::unique_ptr<Driver>> driver = createCuda(DSV2_FAKE_CUDA);
  ASSERT_TRUE(driver);
  Boxes boxes;
  boxes.image.format = ImageFormat::Ptx;
  Expected<std::unique_ptr<DeviceMemory>> memory = (*driver)->allocate(256, MemoryUse::Working);
  uint64_t address = (*memory)->address() / 16 * 16 + 16;
  /// The sixteen words of the map, with so many rows.
  auto words = [&](uint64_t at, uint64_t rows) {
    Expected<std::unique_ptr<DeviceCode>> code = (*driver)->load(boxes.image, {boxes.kernel});
    EXPECT_TRUE(code) << code.error().message();
    uint64_t slots[2] = {at, rows};
    KernelCall call{0, slots, 3, 2};
    std::optional<Error> failure = (*driver)->launch(**code, &call, 1);
    EXPECT_FALSE(failure) << failure->message();
    std::vector<uint64_t> out(16);
    EXPECT_FALSE((*driver)->copyOut(out.data(), at, 128));
    return out;
  };
  std::vector<uint64_t> first = words(address, 7);
  // bf16, no interleaving, 128-byte swizzle, promotion to 256 bytes, zeros past the end.
  std::vector<uint64_t> expected = {address, 60, 7, 128, 64, 64, 9, 0, 3, 3, 0, 0, 0, 0, 0};
  EXPECT_EQ(std::vector<uint64_t>(first.begin(), first.begin() + 15), expected);
  // Encoded again only where something differs.
  EXPECT_EQ(words(address, 7), first);
  EXPECT_EQ(words(address, 8)[15], first[15] + 1);
  EXPECT_EQ(words(address + 16, 8)[15], first[15] + 2);
  EXPECT_EQ(words(address, 8)[15], first[15] + 1);
  // Numbers that cannot be described, and no bound at all.
  EXPECT_EQ(words(address, 0)[2], 1u);
  EXPECT_EQ(words(address, uint64_t(1) << 40)[2], (uint64_t(1) << 31) - 1);
  boxes.kernel.tensorMaps[0].rowsSlot = -1;
  EXPECT_EQ(words(address, 7)[2], (uint64_t(1) << 31) - 1);
}

TEST(CudaDriver, RefusesMatricesThatItCannotDescribe) {
  Expected<std::unique_ptr<Driver>> driver = createCuda(DSV2_FAKE_CUDA);
  ASSERT_TRUE(driver);
  Boxes boxes;
  boxes.image.format = ImageFormat::Ptx;
  auto message = [&](uint64_t address) {
    Expected<std::unique_ptr<DeviceCode>> code = (*driver)->load(boxes.image, {boxes.kernel});
    uint64_t slots[2] = {address, 7};
    KernelCall call{0, slots, 3, 2};
    std::optional<Error> failure = (*driver)->launch(**code, &call, 1);
    return failure ? failure->message() : std::string();
  };
  EXPECT_NE(message(24).find("kernel 'boxes': a tensor map of slot 0, whose address is 8 bytes "
                             "past a multiple of 16"),
            std::string::npos)
      << message(24);
  boxes.kernel.tensorMaps[0].rowBytes = 24;
  EXPECT_NE(message(32).find("kernel 'boxes': a tensor map of 7 x 60 elements in rows of 24"),
            std::string::npos)
      << message(32);
  boxes.kernel.tensorMaps[0].slot = 2;
  EXPECT_NE(message(32).find("a tensor map of slot 2, the call has 2"), std::string::npos)
      << message(32);
}

/// Whether kernel "add" loads from a module with the given text and binary.
std::string messageOfLoad(const std::string &text, const std::string &binary) {
  Expected<std::unique_ptr<Driver>> driver = createCuda(DSV2_FAKE_CUDA);
  EXPECT_TRUE(driver);
  Image image;
  image.format = ImageFormat::Ptx;
  image.bytes.assign(4096, 0);
  std::copy(text.begin(), text.end(), image.bytes.begin());
  std::copy(binary.begin(), binary.end(), image.bytes.begin() + 64);
  Kernel kernel{"add", "generic", 0, text.size(), 0, 128, 0};
  kernel.binaryOffset = 64;
  kernel.binarySize = binary.size();
  Expected<std::unique_ptr<DeviceCode>> code = (*driver)->load(image, {kernel});
  return code ? std::string() : code.error().message();
}

TEST(CudaDriver, TakesTheBinaryOfItsOwnArchitectureElseTheText) {
  // The text holds another kernel, so only the binary can have given this one.
  EXPECT_EQ(messageOfLoad("kernels: scratch", "binary for 9.0 kernels: add"), "");
  EXPECT_EQ(messageOfLoad("kernels: add", "binary for 8.0 kernels: scratch"), "");
  EXPECT_EQ(messageOfLoad("kernels: add", "damaged"), "");
  // When neither loads it is the text's error that counts.
  EXPECT_NE(messageOfLoad("damaged", "binary for 8.0 kernels: add").find("this is no text"),
            std::string::npos);
  EXPECT_NE(messageOfLoad("kernels: scratch", "binary for 8.0 kernels: add").find("kernel 'add'"),
            std::string::npos);
}

TEST(HipDriver, RefusesTensorMapsByName) {
  Expected<std::unique_ptr<Driver>> driver = createHip(DSV2_FAKE_HIP);
  ASSERT_TRUE(driver);
  Boxes boxes;
  boxes.image.format = ImageFormat::Hsaco;
  Expected<std::unique_ptr<DeviceCode>> code = (*driver)->load(boxes.image, {boxes.kernel});
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().kind(), ErrorKind::Unsupported);
  EXPECT_NE(code.error().message().find("kernel 'boxes' takes tensor maps, which driver 'hip'"),
            std::string::npos)
      << code.error().message();
}

TEST(CudaDriver, TiersOfAComputeCapability) {
  EXPECT_TRUE(cudaTiers(7, 5).empty());
  EXPECT_EQ(cudaTiers(8, 0), std::vector<std::string>{"sm_80"});
  EXPECT_EQ(cudaTiers(8, 9), std::vector<std::string>{"sm_80"});
  EXPECT_EQ(cudaTiers(9, 0), (std::vector<std::string>{"sm_80", "sm_90a"}));
  EXPECT_EQ(cudaTiers(12, 0), std::vector<std::string>{"sm_80"});
}

TEST(HipDriver, TierOfAnArchitecture) {
  EXPECT_EQ(hipTier("gfx942:sramecc+:xnack-"), "gfx942");
  EXPECT_EQ(hipTier("gfx1100"), "gfx1100");
}

} // namespace
