//===- CudaDriver.cpp - NVIDIA GPUs ---------------------------------------===//
//
// Each function makes the device's context current first: calls may come from
// any thread.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/cuda/CudaDriver.h"

#include <algorithm>
#include <array>

using namespace dsv2;
using cuda::CudaLibrary;

namespace {

class CudaApi final : public StreamApi {
public:
  static Expected<std::unique_ptr<CudaApi>> create(std::shared_ptr<const CudaLibrary> library);
  ~CudaApi() override;

  std::string_view name() const override { return "cuda"; }
  int64_t multiprocessors() const override { return multiprocessorCount; }

  uint64_t freeBytes() override;
  Expected<uint64_t> allocate(uint64_t bytes) override;
  void release(uint64_t address) override;
  std::optional<Error> zero(uint64_t address, uint64_t bytes) override;
  Expected<void *> allocatePinned(uint64_t bytes) override;
  void releasePinned(void *memory) override;
  std::optional<Error> queueCopyIn(uint64_t device, const void *host, uint64_t bytes) override;
  std::optional<Error> queueCopyOut(void *host, uint64_t device, uint64_t bytes) override;
  std::optional<Error> queueCopy(uint64_t to, uint64_t from, uint64_t bytes) override;
  Expected<Handle> loadModule(const void *bytes) override;
  void unloadModule(Handle module) override;
  Expected<Handle> findKernel(Handle module, const std::string &name,
                              uint32_t sharedBytes) override;
  std::optional<Error> queueLaunch(Handle kernel, const LaunchShape &shape,
                                   void **parameters) override;
  bool hasTensorMaps() const override { return cu->TensorMapEncodeTiled != nullptr; }
  Expected<EncodedTensorMap> encodeTensorMap(const BoxedMatrix &matrix) override;
  bool hasGraphs() const override { return cu->hasGraphs(); }
  std::optional<Error> beginRecording() override;
  std::optional<Error> endRecording(Handle &executable, bool run) override;
  void releaseExecutable(Handle executable) override;
  std::optional<Error> synchronize() override;

private:
  explicit CudaApi(std::shared_ptr<const CudaLibrary> library) : cu(std::move(library)) {}

  void enter() const { (void)cu->CtxSetCurrent(context); }
  std::optional<Error> check(const char *call, cuda::Result result) const {
    return result == 0 ? std::nullopt : std::optional<Error>(cu->error(call, result));
  }

  std::shared_ptr<const CudaLibrary> cu;
  cuda::Device device = 0;
  cuda::Context context = nullptr;
  cuda::Stream stream = nullptr;
  int64_t multiprocessorCount = 1;
};

} // namespace

Expected<std::unique_ptr<CudaApi>> CudaApi::create(std::shared_ptr<const CudaLibrary> library) {
  std::unique_ptr<CudaApi> api(new CudaApi(std::move(library)));
  const CudaLibrary &cu = *api->cu;
  int count = 0, multiprocessors = 0;
  std::optional<Error> failure = api->check("DeviceGetCount", cu.DeviceGetCount(&count));
  if (!failure && count < 1) {
    return Error(ErrorKind::Unsupported, "the CUDA driver finds no device");
  }
  if (!failure) {
    failure = api->check("DeviceGet", cu.DeviceGet(&api->device, 0));
  }
  if (!failure) {
    failure = api->check(
        "DeviceGetAttribute",
        cu.DeviceGetAttribute(&multiprocessors, cuda::kMultiprocessorCount, api->device));
  }
  if (!failure) {
    failure =
        api->check("DevicePrimaryCtxRetain", cu.DevicePrimaryCtxRetain(&api->context, api->device));
  }
  if (!failure) {
    api->enter();
    failure = api->check("StreamCreate", cu.StreamCreate(&api->stream, 1 /*no implicit waits*/));
  }
  if (failure) {
    return *failure;
  }
  api->multiprocessorCount = std::max(1, multiprocessors);
  return api;
}

CudaApi::~CudaApi() {
  if (context) {
    enter();
    if (stream) {
      (void)cu->StreamDestroy(stream);
    }
    (void)cu->DevicePrimaryCtxRelease(device);
  }
}

uint64_t CudaApi::freeBytes() {
  enter();
  size_t free = 0, total = 0;
  return cu->MemGetInfo(&free, &total) == 0 ? free : 0;
}

Expected<uint64_t> CudaApi::allocate(uint64_t bytes) {
  enter();
  cuda::Address address = 0;
  if (std::optional<Error> failure = check("MemAlloc", cu->MemAlloc(&address, bytes))) {
    return failure->within(concat(bytes, " bytes of device memory"));
  }
  return address;
}

void CudaApi::release(uint64_t address) {
  enter();
  (void)cu->MemFree(address);
}

std::optional<Error> CudaApi::zero(uint64_t address, uint64_t bytes) {
  enter();
  if (std::optional<Error> failure =
          check("MemsetD8Async", cu->MemsetD8Async(address, 0, bytes, stream))) {
    return failure;
  }
  return synchronize();
}

Expected<void *> CudaApi::allocatePinned(uint64_t bytes) {
  enter();
  void *memory = nullptr;
  if (std::optional<Error> failure = check("MemAllocHost", cu->MemAllocHost(&memory, bytes))) {
    return *failure;
  }
  return memory;
}

void CudaApi::releasePinned(void *memory) {
  enter();
  (void)cu->MemFreeHost(memory);
}

std::optional<Error> CudaApi::queueCopyIn(uint64_t to, const void *host, uint64_t bytes) {
  enter();
  return check("MemcpyHtoDAsync", cu->MemcpyHtoDAsync(to, host, bytes, stream));
}

std::optional<Error> CudaApi::queueCopyOut(void *host, uint64_t from, uint64_t bytes) {
  enter();
  return check("MemcpyDtoHAsync", cu->MemcpyDtoHAsync(host, from, bytes, stream));
}

std::optional<Error> CudaApi::queueCopy(uint64_t to, uint64_t from, uint64_t bytes) {
  enter();
  return check("MemcpyDtoDAsync", cu->MemcpyDtoDAsync(to, from, bytes, stream));
}

Expected<StreamApi::Handle> CudaApi::loadModule(const void *bytes) {
  enter();
  std::array<char, 4096> log{};
  int options[] = {cuda::kJitErrorLog, cuda::kJitErrorLogBytes};
  void *values[] = {log.data(), reinterpret_cast<void *>(log.size() - 1)};
  cuda::Module module = nullptr;
  if (std::optional<Error> failure =
          check("ModuleLoadDataEx", cu->ModuleLoadDataEx(&module, bytes, 2, options, values))) {
    return log[0] != 0 ? Error(failure->kind(), failure->message(), ": ", quote(log.data(), 500))
                       : *failure;
  }
  return module;
}

void CudaApi::unloadModule(Handle module) {
  enter();
  (void)cu->ModuleUnload(module);
}

Expected<StreamApi::Handle> CudaApi::findKernel(Handle module, const std::string &name,
                                                uint32_t sharedBytes) {
  enter();
  cuda::Function function = nullptr;
  std::optional<Error> failure =
      check("ModuleGetFunction", cu->ModuleGetFunction(&function, module, name.c_str()));
  // More than 48 KiB has to be asked for.
  if (!failure && sharedBytes > (48u << 10)) {
    failure = check("FuncSetAttribute", cu->FuncSetAttribute(function, cuda::kMaxDynamicSharedBytes,
                                                             static_cast<int>(sharedBytes)));
  }
  if (failure) {
    return *failure;
  }
  return function;
}

std::optional<Error> CudaApi::queueLaunch(Handle kernel, const LaunchShape &shape,
                                          void **parameters) {
  enter();
  return check("LaunchKernel", cu->LaunchKernel(kernel, shape.blocks, 1, 1, shape.threads, 1, 1,
                                                shape.sharedBytes, stream, parameters, nullptr));
}

Expected<EncodedTensorMap> CudaApi::encodeTensorMap(const BoxedMatrix &matrix) {
  enter();
  const uint64_t extents[] = {static_cast<uint64_t>(matrix.columns),
                              static_cast<uint64_t>(matrix.rows)};
  const uint64_t strides[] = {static_cast<uint64_t>(matrix.rowBytes)};
  const uint32_t box[] = {TensorMap::kBoxColumns, matrix.boxRows}, elementStrides[] = {1, 1};
  EncodedTensorMap encoded;
  std::optional<Error> failure =
      check("TensorMapEncodeTiled",
            cu->TensorMapEncodeTiled(&encoded, cuda::kTensorBF16, 2,
                                     reinterpret_cast<void *>(matrix.address), extents, strides,
                                     box, elementStrides, /*interleave=*/0, cuda::kTensorSwizzle128,
                                     cuda::kTensorPromoteL2To256, /*fill=*/0));
  if (failure) {
    return failure->within(concat("a tensor map of ", matrix.rows, " x ", matrix.columns,
                                  " elements in rows of ", matrix.rowBytes, " bytes, boxes of ",
                                  matrix.boxRows, " rows"));
  }
  return encoded;
}

std::optional<Error> CudaApi::beginRecording() {
  enter();
  return check("StreamBeginCapture", cu->StreamBeginCapture(stream, cuda::kCaptureThreadLocal));
}

std::optional<Error> CudaApi::endRecording(Handle &executable, bool run) {
  enter();
  cuda::Graph graph = nullptr;
  if (std::optional<Error> failure =
          check("StreamEndCapture", cu->StreamEndCapture(stream, &graph))) {
    return failure;
  }
  if (!run) {
    (void)cu->GraphDestroy(graph);
    return std::nullopt;
  }
  std::optional<Error> failure;
  cuda::GraphUpdateInfo info;
  if (!executable || cu->GraphExecUpdate(executable, graph, &info) != 0) {
    // Another shape than the one made ready, or the first.
    if (executable) {
      (void)cu->GraphExecDestroy(executable);
      executable = nullptr;
    }
    failure = check("GraphInstantiate", cu->GraphInstantiateWithFlags(&executable, graph, 0));
  }
  (void)cu->GraphDestroy(graph);
  return failure ? failure : check("GraphLaunch", cu->GraphLaunch(executable, stream));
}

void CudaApi::releaseExecutable(Handle executable) {
  enter();
  if (executable) {
    (void)cu->GraphExecDestroy(executable);
  }
}

std::optional<Error> CudaApi::synchronize() {
  enter();
  return check("StreamSynchronize", cu->StreamSynchronize(stream));
}

//===----------------------------------------------------------------------===//
// The entry of the registry
//===----------------------------------------------------------------------===//

std::vector<std::string> dsv2::cudaTiers(int major, int minor) {
  std::vector<std::string> tiers;
  if (major >= 8) {
    tiers.push_back("sm_80");
  }
  if (major == 9 && minor == 0) {
    tiers.push_back("sm_90a");
  }
  return tiers;
}

Expected<std::unique_ptr<Driver>>
dsv2::createCudaDriver(std::shared_ptr<const CudaLibrary> library) {
  Expected<std::unique_ptr<CudaApi>> api = CudaApi::create(std::move(library));
  if (!api) {
    return api.takeError();
  }
  return createStreamDriver(std::move(*api), {{ImageFormat::Ptx, ImageFormat::Cubin}});
}

/// What the machine has, asked once.
struct FoundDevice {
  std::vector<std::string> tiers;
  std::string text;
};

static FoundDevice findDevice() {
  Expected<std::shared_ptr<const CudaLibrary>> library = CudaLibrary::open();
  if (!library) {
    return {{}, library.error().message()};
  }
  const CudaLibrary &cu = **library;
  int count = 0;
  cuda::Device device = 0;
  if (cu.DeviceGetCount(&count) != 0 || count < 1 || cu.DeviceGet(&device, 0) != 0) {
    return {{}, "the CUDA driver finds no device"};
  }
  char name[256] = {};
  int major = 0, minor = 0;
  if (cu.DeviceGetName(name, sizeof(name) - 1, device) != 0 ||
      cu.DeviceGetAttribute(&major, cuda::kComputeCapabilityMajor, device) != 0 ||
      cu.DeviceGetAttribute(&minor, cuda::kComputeCapabilityMinor, device) != 0) {
    return {{}, "a CUDA device that does not say what it is"};
  }
  return {cudaTiers(major, minor), concat(name, " of compute capability ", major, ".", minor)};
}

static const FoundDevice &foundDevice() {
  static const FoundDevice found = findDevice();
  return found;
}

DriverKind dsv2::cudaDriverKind() {
  DriverKind kind;
  kind.name = "cuda";
  kind.preference = 1;
  kind.usableTiers = [] { return foundDevice().tiers; };
  kind.describe = [] { return foundDevice().text; };
  kind.create = [](const DriverOptions &) -> Expected<std::unique_ptr<Driver>> {
    Expected<std::shared_ptr<const CudaLibrary>> library = CudaLibrary::open();
    return library ? createCudaDriver(std::move(*library))
                   : Expected<std::unique_ptr<Driver>>(library.takeError());
  };
  kind.measureLimits = [](const DriverOptions &, std::string_view) -> Expected<DeviceLimits> {
    Expected<std::shared_ptr<const CudaLibrary>> library = CudaLibrary::open();
    if (!library) {
      return library.takeError();
    }
    Expected<std::unique_ptr<CudaApi>> api = CudaApi::create(std::move(*library));
    return api ? measureStreamLimits(**api) : Expected<DeviceLimits>(api.takeError());
  };
  return kind;
}
