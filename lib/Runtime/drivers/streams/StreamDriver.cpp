//===- StreamDriver.cpp - A device with memory and a stream ---------------===//
//
// One stream, so everything that is queued runs in order. The host waits in
// copyOut and synchronize only.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/streams/StreamDriver.h"

#include "lib/Support/CheckedMath.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>

using namespace dsv2;

namespace {

/// Pinned memory for the tables of a step; larger copies wait.
constexpr uint64_t kStagingBytes = uint64_t(4) << 20;
/// Tensor maps that are kept from launch to launch.
constexpr size_t kKeptMaps = 4096;
/// A kernel with scratch memory runs in this many workgroups for each
/// multiprocessor at most.
constexpr int64_t kScratchBlocks = 8;

class StreamMemory final : public DeviceMemory {
public:
  StreamMemory(std::shared_ptr<StreamApi> api, uint64_t place, uint64_t size)
      : api(std::move(api)), place(place), size(size) {}
  ~StreamMemory() override { api->release(place); }
  uint64_t address() const override { return place; }
  uint64_t bytes() const override { return size; }
  void *host() const override { return nullptr; }

private:
  std::shared_ptr<StreamApi> api;
  uint64_t place, size;
};

class StreamCode final : public DeviceCode {
public:
  explicit StreamCode(std::shared_ptr<StreamApi> api) : api(std::move(api)) {}
  ~StreamCode() override {
    for (StreamApi::Handle executable : executables) {
      api->releaseExecutable(executable);
    }
    for (const auto &[offset, module] : modules) {
      api->unloadModule(module);
    }
  }

  struct LoadedKernel {
    StreamApi::Handle handle = nullptr;
    uint32_t threads = 1, sharedBytes = 0;
    bool usesScratch = false;
    std::string name = {};
    std::vector<TensorMap> tensorMaps = {};
  };

  std::shared_ptr<StreamApi> api;
  std::map<uint64_t, StreamApi::Handle> modules; ///< by their offset in the image
  bool binariesRefused = false;                  ///< while they were loaded
  std::vector<LoadedKernel> kernels;
  std::unique_ptr<StreamMemory> scratch;
  /// Recorded steps by their number of calls: steps with as many calls mostly
  /// have the same shape, and the library is asked either way.
  mutable std::vector<size_t> recordedCalls;
  mutable std::vector<StreamApi::Handle> executables;
};

class StreamDriver final : public Driver {
public:
  StreamDriver(std::unique_ptr<StreamApi> device, StreamImageRules rules)
      : api(std::move(device)), rules(std::move(rules)) {}
  ~StreamDriver() override {
    (void)api->synchronize();
    if (staging) {
      api->releasePinned(staging);
    }
  }

  std::string_view name() const override { return api->name(); }
  int64_t workers() const override { return api->multiprocessors(); }
  uint64_t availableBytes() const override { return api->freeBytes(); }
  Expected<std::unique_ptr<DeviceMemory>> allocate(uint64_t bytes, MemoryUse use) override;
  std::optional<Error> copyIn(uint64_t device, const void *host, uint64_t bytes) override;
  std::optional<Error> copyOut(void *host, uint64_t device, uint64_t bytes) override;
  Expected<std::unique_ptr<DeviceCode>> load(const Image &image,
                                             const std::vector<Kernel> &kernels) override;
  std::optional<Error> launch(const DeviceCode &code, const KernelCall *calls,
                              size_t count) override;
  std::optional<Error> synchronize() override;

private:
  Expected<std::unique_ptr<StreamMemory>> allocateZeroed(uint64_t bytes);
  Expected<StreamApi::Handle> loadModule(StreamCode &code, const Image &image,
                                         const Kernel &kernel);
  std::optional<Error> queue(const StreamCode &code, const KernelCall &call);
  /// The encoded map, kept: addresses stay, and so do most numbers of rows.
  Expected<const EncodedTensorMap *> tensorMap(const TensorMap &map, const KernelCall &call);
  std::optional<Error> finish();

  std::shared_ptr<StreamApi> api;
  StreamImageRules rules;
  std::mutex mutex;
  void *staging = nullptr;
  uint64_t staged = 0; ///< bytes of staging that queued copies still read
  std::vector<void *> parameters;
  std::map<BoxedMatrix, EncodedTensorMap> tensorMaps;
};

} // namespace

Expected<std::unique_ptr<StreamMemory>> StreamDriver::allocateZeroed(uint64_t bytes) {
  Expected<uint64_t> place = api->allocate(std::max<uint64_t>(bytes, 64));
  if (!place) {
    return place.takeError();
  }
  auto memory = std::make_unique<StreamMemory>(api, *place, bytes);
  if (std::optional<Error> failure = api->zero(*place, std::max<uint64_t>(bytes, 64))) {
    return *failure;
  }
  return memory;
}

Expected<std::unique_ptr<DeviceMemory>> StreamDriver::allocate(uint64_t bytes, MemoryUse) {
  std::lock_guard<std::mutex> lock(mutex);
  Expected<std::unique_ptr<StreamMemory>> memory = allocateZeroed(bytes);
  if (!memory) {
    return memory.takeError();
  }
  return std::unique_ptr<DeviceMemory>(std::move(*memory));
}

std::optional<Error> StreamDriver::finish() {
  staged = 0;
  return api->synchronize();
}

std::optional<Error> StreamDriver::copyIn(uint64_t device, const void *host, uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex);
  if (bytes == 0) {
    return std::nullopt;
  }
  if (bytes > kStagingBytes) {
    if (std::optional<Error> failure = api->queueCopyIn(device, host, bytes)) {
      return failure;
    }
    return finish();
  }
  if (!staging) {
    Expected<void *> pinned = api->allocatePinned(kStagingBytes);
    if (!pinned) {
      return pinned.takeError();
    }
    staging = *pinned;
  }
  uint64_t room = (bytes + 63) / 64 * 64;
  if (staged + room > kStagingBytes) {
    if (std::optional<Error> failure = finish()) {
      return failure;
    }
  }
  // From here on the caller's memory is free again: the copy reads the staging.
  char *at = static_cast<char *>(staging) + staged;
  std::memcpy(at, host, bytes);
  staged += room;
  return api->queueCopyIn(device, at, bytes);
}

std::optional<Error> StreamDriver::copyOut(void *host, uint64_t device, uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex);
  if (bytes == 0) {
    return std::nullopt;
  }
  if (std::optional<Error> failure = api->queueCopyOut(host, device, bytes)) {
    return failure;
  }
  return finish();
}

Expected<StreamApi::Handle> StreamDriver::loadModule(StreamCode &code, const Image &image,
                                                     const Kernel &kernel) {
  auto known = code.modules.find(kernel.offset);
  if (known != code.modules.end()) {
    return known->second;
  }
  std::optional<uint64_t> end = checkedAdd(kernel.offset, kernel.size);
  if (!end || *end > image.bytes.size()) {
    return Error(ErrorKind::InvalidFile, "offset ", kernel.offset, " and size ", kernel.size,
                 " do not lie in the image of ", image.bytes.size(), " bytes");
  }
  // Text needs a zero at its end; a binary does not mind one.
  auto load = [&](uint64_t from, uint64_t to) {
    std::vector<uint8_t> bytes(image.bytes.begin() + static_cast<ptrdiff_t>(from),
                               image.bytes.begin() + static_cast<ptrdiff_t>(to));
    bytes.push_back(0);
    return api->loadModule(bytes.data());
  };
  // A binary is for one architecture. The library says whether it is this one's; the text is for
  // all of them, and one refusal is answer enough.
  std::optional<uint64_t> binaryEnd = checkedAdd(kernel.binaryOffset, kernel.binarySize);
  if (kernel.binarySize != 0 && binaryEnd && *binaryEnd <= image.bytes.size() &&
      !code.binariesRefused) {
    Expected<StreamApi::Handle> binary = load(kernel.binaryOffset, *binaryEnd);
    if (binary) {
      code.modules[kernel.offset] = *binary;
      return binary;
    }
    code.binariesRefused = true;
  }
  Expected<StreamApi::Handle> module = load(kernel.offset, *end);
  if (module) {
    code.modules[kernel.offset] = *module;
  }
  return module;
}

Expected<std::unique_ptr<DeviceCode>> StreamDriver::load(const Image &image,
                                                         const std::vector<Kernel> &kernels) {
  std::lock_guard<std::mutex> lock(mutex);
  if (std::find(rules.formats.begin(), rules.formats.end(), image.format) == rules.formats.end()) {
    return Error(ErrorKind::InvalidFile, "the image has the format ", imageFormatName(image.format),
                 ", which driver ", quote(api->name()), " does not load");
  }
  auto code = std::make_unique<StreamCode>(api);
  uint64_t scratchBytes = 0;
  for (const Kernel &kernel : kernels) {
    if (kernel.threads < 1 || kernel.threads > 1024) {
      return Error(ErrorKind::InvalidFile, "kernel ", quote(kernel.name), " has workgroups of ",
                   kernel.threads, " threads, expected 1 to 1024");
    }
    if (!kernel.tensorMaps.empty() && !api->hasTensorMaps()) {
      return Error(ErrorKind::Unsupported, "kernel ", quote(kernel.name),
                   " takes tensor maps, which driver ", quote(api->name()),
                   " or its library does not have");
    }
    Expected<StreamApi::Handle> module = loadModule(*code, image, kernel);
    if (!module) {
      return module.takeError().within(concat("kernel ", quote(kernel.name)));
    }
    Expected<StreamApi::Handle> found = api->findKernel(*module, kernel.name, kernel.sharedBytes);
    if (!found) {
      return found.takeError().within(concat("kernel ", quote(kernel.name)));
    }
    code->kernels.push_back({*found, kernel.threads, kernel.sharedBytes, kernel.scratchBytes != 0,
                             kernel.name, kernel.tensorMaps});
    scratchBytes = std::max(scratchBytes, kernel.scratchBytes);
  }
  if (scratchBytes != 0) {
    std::optional<uint64_t> total =
        checkedMul(scratchBytes, static_cast<uint64_t>(kScratchBlocks * workers()));
    if (!total) {
      return Error(ErrorKind::Limit, "kernels ask for ", scratchBytes, " bytes of scratch memory");
    }
    Expected<std::unique_ptr<StreamMemory>> scratch = allocateZeroed(*total);
    if (!scratch) {
      return scratch.takeError().within("scratch memory");
    }
    code->scratch = std::move(*scratch);
  }
  return std::unique_ptr<DeviceCode>(std::move(code));
}

Expected<const EncodedTensorMap *> StreamDriver::tensorMap(const TensorMap &map,
                                                           const KernelCall &call) {
  Expected<BoxedMatrix> matrix = boxedMatrix(map, call);
  if (!matrix) {
    return matrix.takeError();
  }
  auto known = tensorMaps.find(*matrix);
  if (known == tensorMaps.end()) {
    Expected<EncodedTensorMap> encoded = api->encodeTensorMap(*matrix);
    if (!encoded) {
      return encoded.takeError();
    }
    known = tensorMaps.emplace(*matrix, *encoded).first;
  }
  return &known->second;
}

std::optional<Error> StreamDriver::queue(const StreamCode &code, const KernelCall &call) {
  const StreamCode::LoadedKernel &kernel = code.kernels[call.kernel];
  int64_t most = kernel.usesScratch ? kScratchBlocks * workers()
                                    : int64_t(std::numeric_limits<int32_t>::max());
  int64_t items = call.items, blocks = std::min(items, most);
  if (blocks < 1) {
    return std::nullopt;
  }
  uint64_t scratch = code.scratch ? code.scratch->address() : 0;
  parameters.clear();
  for (uint32_t slot = 0; slot < call.slotCount; ++slot) {
    parameters.push_back(const_cast<uint64_t *>(call.slots + slot));
  }
  if (tensorMaps.size() > kKeptMaps) {
    tensorMaps.clear(); // what was queued has its own copies
  }
  for (const TensorMap &map : kernel.tensorMaps) {
    Expected<const EncodedTensorMap *> encoded = tensorMap(map, call);
    if (!encoded) {
      return encoded.takeError().within(concat("kernel ", quote(kernel.name)));
    }
    parameters.push_back(const_cast<EncodedTensorMap *>(*encoded));
  }
  for (void *last :
       {static_cast<void *>(&items), static_cast<void *>(&blocks), static_cast<void *>(&scratch)}) {
    parameters.push_back(last);
  }
  // Values are copied by the call.
  return api->queueLaunch(kernel.handle,
                          {static_cast<uint32_t>(blocks), kernel.threads, kernel.sharedBytes},
                          parameters.data());
}

std::optional<Error> StreamDriver::launch(const DeviceCode &code, const KernelCall *calls,
                                          size_t count) {
  std::lock_guard<std::mutex> lock(mutex);
  const auto &loaded = static_cast<const StreamCode &>(code);
  for (size_t i = 0; i < count; ++i) {
    if (calls[i].kernel >= loaded.kernels.size()) {
      return Error(ErrorKind::InvalidFile, "there is no kernel ", calls[i].kernel);
    }
  }
  bool record = api->hasGraphs() && count > 1;
  if (record) {
    if (std::optional<Error> failure = api->beginRecording()) {
      return failure;
    }
  }
  std::optional<Error> failure;
  for (size_t i = 0; i < count && !failure; ++i) {
    failure = queue(loaded, calls[i]);
  }
  if (!record) {
    return failure;
  }
  auto known = std::find(loaded.recordedCalls.begin(), loaded.recordedCalls.end(), count);
  size_t place = static_cast<size_t>(known - loaded.recordedCalls.begin());
  if (known == loaded.recordedCalls.end()) {
    loaded.recordedCalls.push_back(count);
    loaded.executables.push_back(nullptr);
  }
  // A recording that failed half-way has to be ended too.
  std::optional<Error> ended = api->endRecording(loaded.executables[place], /*run=*/!failure);
  return failure ? failure : ended;
}

std::optional<Error> StreamDriver::synchronize() {
  std::lock_guard<std::mutex> lock(mutex);
  return finish();
}

std::unique_ptr<Driver> dsv2::createStreamDriver(std::unique_ptr<StreamApi> api,
                                                 StreamImageRules rules) {
  return std::make_unique<StreamDriver>(std::move(api), std::move(rules));
}

Expected<DeviceLimits> dsv2::measureStreamLimits(StreamApi &api) {
  uint64_t bytes = std::min<uint64_t>(uint64_t(256) << 20, api.freeBytes() / 4 / 64 * 64);
  Expected<uint64_t> memory = api.allocate(2 * bytes + 64);
  if (!memory) {
    return memory.takeError();
  }
  std::optional<Error> failure = api.zero(*memory, 2 * bytes);
  double best = 0;
  for (int run = 0; run < 5 && !failure; ++run) {
    constexpr int kCopies = 8;
    auto begin = std::chrono::steady_clock::now();
    for (int copy = 0; copy < kCopies && !failure; ++copy) {
      failure = api.queueCopy(*memory + bytes, *memory, bytes);
    }
    if (!failure) {
      failure = api.synchronize();
    }
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    // A copy reads and writes.
    best = std::max(best, 2.0 * kCopies * static_cast<double>(bytes) / seconds.count());
  }
  api.release(*memory);
  if (failure) {
    return *failure;
  }
  DeviceLimits limits;
  limits.readBytesPerSecond = best;
  return limits;
}
