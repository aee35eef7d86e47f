//===- SimtDriver.cpp - A GPU played by the CPU ---------------------------===//
//
// A launch runs its calls in order, each workgroup of a call after the other:
// that order is one of those a GPU may take, and the shadow memory says whether
// another would have given another result.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/SimtDriver.h"

#include "lib/Runtime/CodeImage.h"
#include "lib/Runtime/TensorMaps.h"
#include "lib/Runtime/drivers/simt/GlobalMemory.h"
#include "lib/Support/CheckedMath.h"
#include "lib/Support/CpuTier.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace dsv2;
using namespace dsv2::simt;

namespace {

/// Workgroups at once, of the device that is played: more than one, so that
/// races between workgroups can show; few, since they run one by one.
constexpr int64_t kWorkgroups = 4;
constexpr uint32_t kMostThreads = 1024;
constexpr uint64_t kMostSharedBytes = 256 * 1024;
constexpr uint64_t kMostBytes = uint64_t(1) << 36;

class SimtMemory final : public DeviceMemory {
public:
  SimtMemory(GlobalMemory &memory, Range &range) : memory(memory), range(range) {}
  ~SimtMemory() override { memory.release(&range); }
  uint64_t address() const override { return range.begin(); }
  uint64_t bytes() const override { return range.bytes(); }
  void *host() const override { return nullptr; }

private:
  GlobalMemory &memory;
  Range &range;
};

class SimtCode final : public DeviceCode {
public:
  std::unique_ptr<CodeImage> image;
  std::vector<KernelCode> kernels;
};

/// Flushes subnormal numbers to zero while it lives, as compiled code assumes.
class FlushSubnormals {
public:
#if defined(__x86_64__)
  FlushSubnormals() : saved(_mm_getcsr()) { _mm_setcsr(saved | 0x8040); }
  ~FlushSubnormals() { _mm_setcsr(saved); }

private:
  unsigned saved;
#endif
};

class SimtDriver final : public Driver {
public:
  explicit SimtDriver(bool check) : group(memory, reports, check) {}

  std::string_view name() const override { return "simt"; }
  int64_t workers() const override { return kWorkgroups; }
  uint64_t availableBytes() const override { return kMostBytes; }

  Expected<std::unique_ptr<DeviceMemory>> allocate(uint64_t bytes, MemoryUse use) override {
    if (bytes > kMostBytes) {
      return Error(ErrorKind::Limit, "cannot allocate ", bytes, " bytes of memory");
    }
    Expected<Range *> range = memory.allocate(bytes, use);
    if (!range) {
      return range.takeError();
    }
    return std::unique_ptr<DeviceMemory>(std::make_unique<SimtMemory>(memory, **range));
  }
  std::optional<Error> copyIn(uint64_t device, const void *host, uint64_t bytes) override;
  std::optional<Error> copyOut(void *host, uint64_t device, uint64_t bytes) override;
  Expected<std::unique_ptr<DeviceCode>> load(const Image &image,
                                             const std::vector<Kernel> &kernels) override;
  std::optional<Error> launch(const DeviceCode &code, const KernelCall *calls,
                              size_t count) override;
  std::optional<Error> synchronize() override { return std::nullopt; }

private:
  Expected<Range *> rangeOf(uint64_t device, uint64_t bytes);
  std::optional<Error> runCall(const SimtCode &code, const KernelCall &call);

  std::mutex launching;
  GlobalMemory memory;
  Reports reports;
  Workgroup group;
  uint32_t launches = 0;
};

} // namespace

Expected<Range *> SimtDriver::rangeOf(uint64_t device, uint64_t bytes) {
  Range *range = memory.below(device);
  if (!range || (bytes != 0 && !range->holds(device, bytes))) {
    return Error(ErrorKind::Usage, "a copy of ", bytes,
                 " bytes leaves the device memory that was allocated");
  }
  return range;
}

std::optional<Error> SimtDriver::copyIn(uint64_t device, const void *host, uint64_t bytes) {
  Expected<Range *> range = rangeOf(device, bytes);
  if (!range) {
    return range.takeError();
  }
  std::memcpy(reinterpret_cast<void *>(device), host, bytes);
  (*range)->markWritten(device - (*range)->begin(), bytes);
  return std::nullopt;
}

std::optional<Error> SimtDriver::copyOut(void *host, uint64_t device, uint64_t bytes) {
  Expected<Range *> range = rangeOf(device, bytes);
  if (!range) {
    return range.takeError();
  }
  std::memcpy(host, reinterpret_cast<const void *>(device), bytes);
  return std::nullopt;
}

Expected<std::unique_ptr<DeviceCode>> SimtDriver::load(const Image &image,
                                                       const std::vector<Kernel> &kernels) {
  if (image.format != ImageFormat::Flat) {
    return Error(ErrorKind::Unsupported, "an image of format ", imageFormatName(image.format),
                 " is not for the driver 'simt', which runs flat code");
  }
  Expected<std::unique_ptr<CodeImage>> mapped = CodeImage::map(image);
  if (!mapped) {
    return mapped.takeError();
  }
  auto code = std::make_unique<SimtCode>();
  code->image = std::move(*mapped);
  for (const Kernel &kernel : kernels) {
    if (kernel.offset >= image.textBytes) {
      return Error(ErrorKind::InvalidFile, "kernel ", quote(kernel.name), " begins at ",
                   kernel.offset, ", past the ", image.textBytes, " bytes of text");
    }
    if (kernel.threads < 1 || kernel.threads > kMostThreads ||
        kernel.sharedBytes > kMostSharedBytes) {
      return Error(ErrorKind::Limit, "kernel ", quote(kernel.name), " wants ", kernel.threads,
                   " threads and ", kernel.sharedBytes, " bytes of workgroup memory; 1 to ",
                   kMostThreads, " threads and at most ", kMostSharedBytes, " bytes are possible");
    }
    code->kernels.push_back({reinterpret_cast<SimtEntry>(
                                 reinterpret_cast<uintptr_t>(code->image->begin()) + kernel.offset),
                             kernel.name, static_cast<uint32_t>(kernel.threads), kernel.sharedBytes,
                             kernel.scratchBytes, kernel.tensorMaps});
  }
  return std::unique_ptr<DeviceCode>(std::move(code));
}

std::optional<Error> SimtDriver::runCall(const SimtCode &code, const KernelCall &call) {
  if (call.kernel >= code.kernels.size()) {
    return Error(ErrorKind::Usage, "there is no kernel ", call.kernel);
  }
  const KernelCode &kernel = code.kernels[call.kernel];
  if (std::optional<Error> failure = group.reserve(kernel.threads, kernel.sharedBytes)) {
    return failure;
  }
  // Tensor maps follow the slots, by their addresses.
  std::vector<SimtTensorMap> maps;
  std::vector<uint64_t> slots(call.slots, call.slots + call.slotCount);
  maps.reserve(kernel.tensorMaps.size());
  for (const TensorMap &map : kernel.tensorMaps) {
    Expected<BoxedMatrix> matrix = boxedMatrix(map, call);
    if (!matrix) {
      return matrix.takeError().within(concat("kernel ", quote(kernel.name)));
    }
    maps.push_back({reinterpret_cast<const uint8_t *>(matrix->address),
                    static_cast<uint64_t>(matrix->columns), static_cast<uint64_t>(matrix->rowBytes),
                    static_cast<uint64_t>(matrix->rows),
                    static_cast<uint32_t>(elementBytes(ElementType::BF16)), TensorMap::kBoxColumns,
                    matrix->boxRows, /*swizzleBytes=*/128});
    slots.push_back(reinterpret_cast<uint64_t>(&maps.back()));
  }
  Grid grid{&kernel, slots.data(), call.slotCount, call.items, std::min(call.items, kWorkgroups),
            nullptr};
  std::unique_ptr<DeviceMemory> scratch;
  if (kernel.scratchBytes != 0) {
    // Workgroup g begins at g strides of whole lines.
    std::optional<uint64_t> bytes = checkedAlign(kernel.scratchBytes, 64);
    bytes = bytes ? checkedMul(*bytes, static_cast<uint64_t>(grid.workgroups)) : bytes;
    if (!bytes) {
      return Error(ErrorKind::Limit, "kernel ", quote(kernel.name), " asks for ",
                   kernel.scratchBytes, " bytes of scratch memory a workgroup");
    }
    Expected<std::unique_ptr<DeviceMemory>> made = allocate(*bytes, MemoryUse::Working);
    if (!made) {
      return made.takeError();
    }
    scratch = std::move(*made);
    grid.scratch = reinterpret_cast<void *>(scratch->address());
  }
  ++launches;
  for (int64_t number = 0; number < grid.workgroups; ++number) {
    // What comes after a finding is worth nothing.
    if (!group.run(grid, number, launches) || reports.count() != 0) {
      break;
    }
  }
  return reports.take();
}

std::optional<Error> SimtDriver::launch(const DeviceCode &code, const KernelCall *calls,
                                        size_t count) {
  std::lock_guard<std::mutex> lock(launching);
  FlushSubnormals flush;
  for (size_t i = 0; i < count; ++i) {
    if (std::optional<Error> failure = runCall(static_cast<const SimtCode &>(code), calls[i])) {
      return failure;
    }
  }
  return std::nullopt;
}

std::unique_ptr<DeviceCode> dsv2::simtCodeOf(std::vector<KernelCode> kernels) {
  auto code = std::make_unique<SimtCode>();
  code->kernels = std::move(kernels);
  return code;
}

Expected<std::unique_ptr<Driver>> dsv2::createSimtDriver(const DriverOptions &options) {
  if (!haveFibers()) {
    return Error(ErrorKind::Unsupported, "the driver 'simt' runs on x86-64 only");
  }
  return std::unique_ptr<Driver>(std::make_unique<SimtDriver>(options.check));
}

static std::vector<std::string> usableTiers() {
  std::vector<std::string> tiers;
  for (const std::string &tier : knownCpuTiers()) {
    if (haveFibers() && hostSupportsTier(tier)) {
      tiers.push_back(tier);
    }
  }
  return tiers;
}

static std::string describeSimt() { return concat("GPU threads played by ", hostCpuName()); }

static Expected<DeviceLimits> noLimits(const DriverOptions &, std::string_view) {
  return Error(ErrorKind::Unsupported, "the driver 'simt' is for checks: its speed says nothing");
}

DriverKind dsv2::simtDriverKind() {
  return {"simt", usableTiers, describeSimt, createSimtDriver, noLimits};
}
