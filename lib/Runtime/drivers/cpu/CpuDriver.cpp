//===- CpuDriver.cpp - The CPU as a device --------------------------------===//
//
// Workers run the whole list of calls together: between two calls there is at
// most one barrier and nothing else. Worker w of P takes items
// [n*w/P, n*(w+1)/P), so who computes what depends on nothing but the numbers.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/cpu/CpuDriver.h"

#include "lib/Runtime/CodeImage.h"
#include "lib/Runtime/drivers/cpu/CpuLimits.h"
#include "lib/Runtime/drivers/cpu/HostMemory.h"
#include "lib/Runtime/drivers/cpu/ThreadPool.h"
#include "lib/Support/CheckedMath.h"
#include "lib/Support/CpuTier.h"

#include <algorithm>
#include <cstring>
#include <mutex>

using namespace dsv2;

namespace {

class CpuCode final : public DeviceCode {
public:
  std::unique_ptr<CodeImage> image;
  std::vector<CpuKernel> kernels;
  /// One stretch per worker.
  std::unique_ptr<HostMemory> scratch;
  uint64_t scratchStride = 0;
};

class CpuDriver final : public Driver {
public:
  explicit CpuDriver(std::unique_ptr<ThreadPool> pool) : pool(std::move(pool)) {}

  std::string_view name() const override { return "cpu"; }
  int64_t workers() const override { return pool->workers(); }

  uint64_t availableBytes() const override { return availableHostMemory(); }
  Expected<std::unique_ptr<DeviceMemory>> allocate(uint64_t bytes, MemoryUse use) override;
  std::optional<Error> copyIn(uint64_t device, const void *host, uint64_t bytes) override {
    std::memcpy(reinterpret_cast<void *>(device), host, bytes);
    return std::nullopt;
  }
  std::optional<Error> copyOut(void *host, uint64_t device, uint64_t bytes) override {
    std::memcpy(host, reinterpret_cast<const void *>(device), bytes);
    return std::nullopt;
  }
  Expected<std::unique_ptr<DeviceCode>> load(const Image &image,
                                             const std::vector<Kernel> &kernels) override;
  std::optional<Error> launch(const DeviceCode &code, const KernelCall *calls,
                              size_t count) override;
  std::optional<Error> synchronize() override { return std::nullopt; }

private:
  std::unique_ptr<ThreadPool> pool;
  std::mutex launching;
};

/// What the workers of one launch share.
struct Launch {
  ThreadPool &pool;
  const CpuCode &code;
  const KernelCall *calls;
  size_t count;
};

} // namespace

Expected<std::unique_ptr<DeviceMemory>> CpuDriver::allocate(uint64_t bytes, MemoryUse use) {
  Expected<std::unique_ptr<HostMemory>> memory =
      HostMemory::allocate(bytes, use == MemoryUse::Working);
  if (!memory) {
    return memory.takeError();
  }
  return std::unique_ptr<DeviceMemory>(std::move(*memory));
}

Expected<std::unique_ptr<DeviceCode>> CpuDriver::load(const Image &image,
                                                      const std::vector<Kernel> &kernels) {
  if (image.format != ImageFormat::Flat) {
    return Error(ErrorKind::Unsupported, "an image of format ", imageFormatName(image.format),
                 " is not for the driver 'cpu', which runs flat code");
  }
  Expected<std::unique_ptr<CodeImage>> mapped = CodeImage::map(image);
  if (!mapped) {
    return mapped.takeError();
  }
  auto code = std::make_unique<CpuCode>();
  code->image = std::move(*mapped);
  uint64_t scratchBytes = 0;
  for (const Kernel &kernel : kernels) {
    if (kernel.offset >= image.textBytes) {
      return Error(ErrorKind::InvalidFile, "kernel ", quote(kernel.name), " begins at ",
                   kernel.offset, ", past the ", image.textBytes, " bytes of text");
    }
    if (!kernel.tensorMaps.empty()) {
      return Error(ErrorKind::Unsupported, "kernel ", quote(kernel.name),
                   " takes tensor maps, which driver 'cpu' does not have");
    }
    code->kernels.push_back(reinterpret_cast<CpuKernel>(
        reinterpret_cast<uintptr_t>(code->image->begin()) + kernel.offset));
    scratchBytes = std::max(scratchBytes, kernel.scratchBytes);
  }
  // An odd number of pages apart, so that equal offsets of two workers do not
  // fall into the same set of a shared cache.
  std::optional<uint64_t> stride = checkedAlign(scratchBytes, 8192);
  std::optional<uint64_t> total;
  if (stride && (stride = checkedAdd(*stride, 4096))) {
    total = checkedMul(*stride, pool->workers());
  }
  if (!total) {
    return Error(ErrorKind::Limit, "kernels ask for ", scratchBytes, " bytes of scratch memory");
  }
  Expected<std::unique_ptr<HostMemory>> scratch = HostMemory::allocate(*total, true);
  if (!scratch) {
    return scratch.takeError();
  }
  code->scratch = std::move(*scratch);
  code->scratchStride = *stride;
  return std::unique_ptr<DeviceCode>(std::move(code));
}

DSV2_CALLS_KERNELS static void runCalls(void *context, unsigned worker) {
  const Launch &launch = *static_cast<Launch *>(context);
  int64_t workers = launch.pool.workers();
  void *scratch =
      static_cast<char *>(launch.code.scratch->host()) + launch.code.scratchStride * worker;
  for (size_t i = 0; i < launch.count; ++i) {
    const KernelCall &call = launch.calls[i];
    // Two calls of one item each are the same worker's: nobody else waits.
    bool sameWorker = i != 0 && call.items <= 1 && launch.calls[i - 1].items <= 1;
    if (i != 0 && !sameWorker) {
      launch.pool.barrier();
    }
    int64_t begin = call.items * worker / workers;
    int64_t end = call.items * (worker + 1) / workers;
    if (begin < end) {
      launch.code.kernels[call.kernel](call.slots, begin, end, scratch);
    }
  }
}

std::optional<Error> CpuDriver::launch(const DeviceCode &code, const KernelCall *calls,
                                       size_t count) {
  std::lock_guard<std::mutex> lock(launching);
  Launch launch{*pool, static_cast<const CpuCode &>(code), calls, count};
  pool->run(runCalls, &launch);
  return std::nullopt;
}

Expected<std::unique_ptr<Driver>> dsv2::createCpuDriver(const DriverOptions &options) {
  Expected<std::unique_ptr<ThreadPool>> pool =
      ThreadPool::create(options.threads == 0 ? std::min(usableCpus(), 1024u) : options.threads);
  if (!pool) {
    return pool.takeError();
  }
  return std::unique_ptr<Driver>(std::make_unique<CpuDriver>(std::move(*pool)));
}

static std::vector<std::string> usableCpuTiers() {
  std::vector<std::string> tiers;
  for (const std::string &tier : knownCpuTiers()) {
    if (hostSupportsTier(tier)) {
      tiers.push_back(tier);
    }
  }
  return tiers;
}

static std::string describeCpu() {
  std::string best = bestHostTier();
  return concat(hostCpuName(),
                best.empty() ? std::string(" with no tier of ours") : concat(" with ", best));
}

DriverKind dsv2::cpuDriverKind() {
  return {"cpu", usableCpuTiers, describeCpu, createCpuDriver, measureCpuLimits};
}
