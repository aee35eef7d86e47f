//===- HipDriver.cpp - AMD GPUs -------------------------------------------===//
//
// Each function makes the device current first: calls may come from any thread.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/hip/HipDriver.h"

#include <algorithm>
#include <cstring>

using namespace dsv2;

namespace {

class HipApi final : public StreamApi {
public:
  static Expected<std::unique_ptr<HipApi>> create(std::shared_ptr<const HipLibrary> library);
  ~HipApi() override;

  std::string_view name() const override { return "hip"; }
  int64_t multiprocessors() const override { return multiprocessorCount; }

  uint64_t freeBytes() override;
  Expected<uint64_t> allocate(uint64_t bytes) override;
  void release(uint64_t address) override;
  std::optional<Error> zero(uint64_t address, uint64_t bytes) override;
  Expected<void *> allocatePinned(uint64_t bytes) override;
  void releasePinned(void *memory) override;
  std::optional<Error> queueCopyIn(uint64_t device, const void *host, uint64_t bytes) override {
    return copy(pointer(device), host, bytes, hipMemcpyHostToDevice);
  }
  std::optional<Error> queueCopyOut(void *host, uint64_t device, uint64_t bytes) override {
    return copy(host, pointer(device), bytes, hipMemcpyDeviceToHost);
  }
  std::optional<Error> queueCopy(uint64_t to, uint64_t from, uint64_t bytes) override {
    return copy(pointer(to), pointer(from), bytes, hipMemcpyDeviceToDevice);
  }
  Expected<Handle> loadModule(const void *bytes) override;
  void unloadModule(Handle module) override;
  Expected<Handle> findKernel(Handle module, const std::string &name,
                              uint32_t sharedBytes) override;
  std::optional<Error> queueLaunch(Handle kernel, const LaunchShape &shape,
                                   void **parameters) override;
  bool hasGraphs() const override { return true; }
  std::optional<Error> beginRecording() override;
  std::optional<Error> endRecording(Handle &executable, bool run) override;
  void releaseExecutable(Handle executable) override;
  std::optional<Error> synchronize() override;

private:
  explicit HipApi(std::shared_ptr<const HipLibrary> library) : hip(std::move(library)) {}

  static void *pointer(uint64_t address) { return reinterpret_cast<void *>(address); }
  void enter() const { (void)hip->hipSetDevice(0); }
  std::optional<Error> check(const char *call, hipError_t result) const {
    return result == hipSuccess ? std::nullopt : std::optional<Error>(hip->error(call, result));
  }
  std::optional<Error> copy(void *to, const void *from, uint64_t bytes, hipMemcpyKind kind) {
    enter();
    return check("hipMemcpyAsync", hip->hipMemcpyAsync(to, from, bytes, kind, stream));
  }

  std::shared_ptr<const HipLibrary> hip;
  hipStream_t stream = nullptr;
  int64_t multiprocessorCount = 1;
};

} // namespace

Expected<std::unique_ptr<HipApi>> HipApi::create(std::shared_ptr<const HipLibrary> library) {
  std::unique_ptr<HipApi> api(new HipApi(std::move(library)));
  const HipLibrary &hip = *api->hip;
  int count = 0, multiprocessors = 0;
  std::optional<Error> failure = api->check("hipGetDeviceCount", hip.hipGetDeviceCount(&count));
  if (!failure && count < 1) {
    return Error(ErrorKind::Unsupported, "HIP finds no device");
  }
  if (!failure) {
    failure = api->check("hipSetDevice", hip.hipSetDevice(0));
  }
  if (!failure) {
    failure = api->check(
        "hipDeviceGetAttribute",
        hip.hipDeviceGetAttribute(&multiprocessors, hipDeviceAttributeMultiprocessorCount, 0));
  }
  if (!failure) {
    failure = api->check("hipStreamCreateWithFlags",
                         hip.hipStreamCreateWithFlags(&api->stream, hipStreamNonBlocking));
  }
  if (failure) {
    return *failure;
  }
  api->multiprocessorCount = std::max(1, multiprocessors);
  return api;
}

HipApi::~HipApi() {
  if (stream) {
    enter();
    (void)hip->hipStreamDestroy(stream);
  }
}

uint64_t HipApi::freeBytes() {
  enter();
  size_t free = 0, total = 0;
  return hip->hipMemGetInfo(&free, &total) == hipSuccess ? free : 0;
}

Expected<uint64_t> HipApi::allocate(uint64_t bytes) {
  enter();
  void *memory = nullptr;
  if (std::optional<Error> failure = check("hipMalloc", hip->hipMalloc(&memory, bytes))) {
    return failure->within(concat(bytes, " bytes of device memory"));
  }
  return reinterpret_cast<uint64_t>(memory);
}

void HipApi::release(uint64_t address) {
  enter();
  (void)hip->hipFree(pointer(address));
}

std::optional<Error> HipApi::zero(uint64_t address, uint64_t bytes) {
  enter();
  if (std::optional<Error> failure =
          check("hipMemsetAsync", hip->hipMemsetAsync(pointer(address), 0, bytes, stream))) {
    return failure;
  }
  return synchronize();
}

Expected<void *> HipApi::allocatePinned(uint64_t bytes) {
  enter();
  void *memory = nullptr;
  if (std::optional<Error> failure =
          check("hipHostMalloc", hip->hipHostMalloc(&memory, bytes, hipHostMallocDefault))) {
    return *failure;
  }
  return memory;
}

void HipApi::releasePinned(void *memory) {
  enter();
  (void)hip->hipHostFree(memory);
}

Expected<StreamApi::Handle> HipApi::loadModule(const void *bytes) {
  enter();
  hipModule_t module = nullptr;
  if (std::optional<Error> failure =
          check("hipModuleLoadData", hip->hipModuleLoadData(&module, bytes))) {
    return *failure;
  }
  return static_cast<Handle>(module);
}

void HipApi::unloadModule(Handle module) {
  enter();
  (void)hip->hipModuleUnload(static_cast<hipModule_t>(module));
}

Expected<StreamApi::Handle> HipApi::findKernel(Handle module, const std::string &name, uint32_t) {
  enter();
  hipFunction_t function = nullptr;
  if (std::optional<Error> failure = check(
          "hipModuleGetFunction",
          hip->hipModuleGetFunction(&function, static_cast<hipModule_t>(module), name.c_str()))) {
    return *failure;
  }
  return static_cast<Handle>(function);
}

std::optional<Error> HipApi::queueLaunch(Handle kernel, const LaunchShape &shape,
                                         void **parameters) {
  enter();
  return check("hipModuleLaunchKernel",
               hip->hipModuleLaunchKernel(static_cast<hipFunction_t>(kernel), shape.blocks, 1, 1,
                                          shape.threads, 1, 1, shape.sharedBytes, stream,
                                          parameters, nullptr));
}

std::optional<Error> HipApi::beginRecording() {
  enter();
  return check("hipStreamBeginCapture",
               hip->hipStreamBeginCapture(stream, hipStreamCaptureModeThreadLocal));
}

std::optional<Error> HipApi::endRecording(Handle &executable, bool run) {
  enter();
  hipGraph_t graph = nullptr;
  if (std::optional<Error> failure =
          check("hipStreamEndCapture", hip->hipStreamEndCapture(stream, &graph))) {
    return failure;
  }
  std::optional<Error> failure;
  auto ready = static_cast<hipGraphExec_t>(executable);
  hipGraphNode_t node = nullptr;
  hipGraphExecUpdateResult result = hipGraphExecUpdateSuccess;
  if (run && (!ready || hip->hipGraphExecUpdate(ready, graph, &node, &result) != hipSuccess ||
              result != hipGraphExecUpdateSuccess)) {
    // Another shape than the one made ready, or the first.
    releaseExecutable(ready);
    ready = nullptr;
    failure =
        check("hipGraphInstantiate", hip->hipGraphInstantiate(&ready, graph, nullptr, nullptr, 0));
    executable = failure ? nullptr : ready;
  }
  (void)hip->hipGraphDestroy(graph);
  if (failure || !run) {
    return failure;
  }
  return check("hipGraphLaunch", hip->hipGraphLaunch(ready, stream));
}

void HipApi::releaseExecutable(Handle executable) {
  enter();
  if (executable) {
    (void)hip->hipGraphExecDestroy(static_cast<hipGraphExec_t>(executable));
  }
}

std::optional<Error> HipApi::synchronize() {
  enter();
  return check("hipStreamSynchronize", hip->hipStreamSynchronize(stream));
}

//===----------------------------------------------------------------------===//
// The entry of the registry
//===----------------------------------------------------------------------===//

std::string dsv2::hipTier(std::string_view architecture) {
  return std::string(architecture.substr(0, architecture.find(':')));
}

Expected<std::unique_ptr<Driver>> dsv2::createHipDriver(std::shared_ptr<const HipLibrary> library) {
  Expected<std::unique_ptr<HipApi>> api = HipApi::create(std::move(library));
  if (!api) {
    return api.takeError();
  }
  return createStreamDriver(std::move(*api), {{ImageFormat::Hsaco}});
}

/// What the machine has, asked once.
struct FoundDevice {
  std::vector<std::string> tiers;
  std::string text;
};

static FoundDevice findDevice() {
  Expected<std::shared_ptr<const HipLibrary>> library = HipLibrary::open();
  if (!library) {
    return {{}, library.error().message()};
  }
  const HipLibrary &hip = **library;
  int count = 0;
  if (hip.hipGetDeviceCount(&count) != hipSuccess || count < 1) {
    return {{}, "HIP finds no device"};
  }
  // A later library may know more fields than the header: leave room for them.
  union {
    hipDeviceProp_t properties;
    char room[16384];
  } memory = {};
  if (hip.hipGetDeviceProperties(&memory.properties, 0) != hipSuccess) {
    return {{}, "a HIP device that does not say what it is"};
  }
  const hipDeviceProp_t &properties = memory.properties;
  std::string tier = hipTier(std::string_view(
      properties.gcnArchName, strnlen(properties.gcnArchName, sizeof(properties.gcnArchName))));
  std::string name(properties.name, strnlen(properties.name, sizeof(properties.name)));
  return {{tier}, concat(name, " (", tier, ")")};
}

static const FoundDevice &foundDevice() {
  static const FoundDevice found = findDevice();
  return found;
}

DriverKind dsv2::hipDriverKind() {
  DriverKind kind;
  kind.name = "hip";
  kind.preference = 1;
  kind.usableTiers = [] { return foundDevice().tiers; };
  kind.describe = [] { return foundDevice().text; };
  kind.create = [](const DriverOptions &) -> Expected<std::unique_ptr<Driver>> {
    Expected<std::shared_ptr<const HipLibrary>> library = HipLibrary::open();
    return library ? createHipDriver(std::move(*library))
                   : Expected<std::unique_ptr<Driver>>(library.takeError());
  };
  kind.measureLimits = [](const DriverOptions &, std::string_view) -> Expected<DeviceLimits> {
    Expected<std::shared_ptr<const HipLibrary>> library = HipLibrary::open();
    if (!library) {
      return library.takeError();
    }
    Expected<std::unique_ptr<HipApi>> api = HipApi::create(std::move(*library));
    return api ? measureStreamLimits(**api) : Expected<DeviceLimits>(api.takeError());
  };
  return kind;
}
