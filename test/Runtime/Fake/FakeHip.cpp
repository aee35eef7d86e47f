//===- FakeHip.cpp - A libamdhip64.so for tests ---------------------------===//
//
// The entry points that lib/Runtime/drivers/hip looks up, on a FakeDevice that
// calls itself gfx942.
//
//===----------------------------------------------------------------------===//
#include "test/Runtime/Fake/FakeDevice.h"

#define __HIP_PLATFORM_AMD__ 1
#include <hip/hip_runtime_api.h>

#include <cstdlib>

using namespace dsv2::fake;

extern "C" {

void fakeCounts(uint64_t counts[5]) {
  Device &d = device();
  uint64_t values[5] = {d.instantiated, d.updated, d.graphs, d.launches, d.allocations};
  std::memcpy(counts, values, sizeof(values));
}

hipError_t hipInit(unsigned) { return hipSuccess; }
const char *hipGetErrorName(hipError_t error) {
  return error == hipErrorOutOfMemory ? "hipErrorOutOfMemory" : "hipErrorFake";
}
const char *hipGetErrorString(hipError_t) { return "a fake reason"; }
hipError_t hipGetDeviceCount(int *count) { return *count = 1, hipSuccess; }
hipError_t hipSetDevice(int) { return hipSuccess; }
hipError_t hipDeviceGetAttribute(int *value, hipDeviceAttribute_t, int) {
  return *value = 4, hipSuccess;
}
hipError_t hipGetDeviceProperties(hipDeviceProp_t *properties, int) {
  std::strcpy(properties->name, "Fake MI300X");
  std::strcpy(properties->gcnArchName, "gfx942:sramecc+:xnack-");
  return hipSuccess;
}
hipError_t hipDeviceGetName(char *name, int, hipDevice_t) {
  return std::strcpy(name, "Fake MI300X"), hipSuccess;
}
/// Events: each is a number of what was queued before it; all work takes a millisecond.
hipError_t hipEventCreate(hipEvent_t *event) {
  return *event = reinterpret_cast<hipEvent_t>(new uint64_t(0)), hipSuccess;
}
hipError_t hipEventRecord(hipEvent_t event, hipStream_t) {
  static uint64_t time = 0;
  return *reinterpret_cast<uint64_t *>(event) = ++time, hipSuccess;
}
hipError_t hipEventSynchronize(hipEvent_t) { return device().synchronize(), hipSuccess; }
hipError_t hipEventElapsedTime(float *milliseconds, hipEvent_t begin, hipEvent_t end) {
  *milliseconds = static_cast<float>(*reinterpret_cast<uint64_t *>(end) -
                                     *reinterpret_cast<uint64_t *>(begin));
  return hipSuccess;
}
hipError_t hipEventDestroy(hipEvent_t event) {
  return delete reinterpret_cast<uint64_t *>(event), hipSuccess;
}
hipError_t hipMemGetInfo(size_t *free, size_t *total) {
  return *free = *total = size_t(1) << 30, hipSuccess;
}
hipError_t hipMalloc(void **memory, size_t bytes) {
  if (bytes > size_t(1) << 30) {
    return hipErrorOutOfMemory;
  }
  ++device().allocations;
  *memory = std::malloc(bytes);
  std::memset(*memory, 0xcd, bytes);
  return hipSuccess;
}
hipError_t hipFree(void *memory) {
  --device().allocations;
  return std::free(memory), hipSuccess;
}
hipError_t hipHostMalloc(void **memory, size_t bytes, unsigned) {
  return *memory = std::malloc(bytes), hipSuccess;
}
hipError_t hipHostFree(void *memory) { return std::free(memory), hipSuccess; }
hipError_t hipMemsetAsync(void *to, int value, size_t bytes, hipStream_t) {
  device().add([=] { std::memset(to, value, bytes); });
  return hipSuccess;
}
hipError_t hipMemcpyAsync(void *to, const void *from, size_t bytes, hipMemcpyKind, hipStream_t) {
  device().add([=] { std::memcpy(to, from, bytes); });
  return hipSuccess;
}
hipError_t hipModuleLoadData(hipModule_t *module, const void *image) {
  const char *text = static_cast<const char *>(image);
  if (std::strncmp(text, "kernels:", 8) != 0) {
    return hipErrorInvalidImage;
  }
  *module = reinterpret_cast<hipModule_t>(new std::string(text));
  return hipSuccess;
}
hipError_t hipModuleUnload(hipModule_t module) {
  delete reinterpret_cast<std::string *>(module);
  return hipSuccess;
}
hipError_t hipModuleGetFunction(hipFunction_t *function, hipModule_t module, const char *name) {
  static const char *const known[] = {"add", "scratch"};
  for (const char *each : known) {
    if (std::strcmp(each, name) == 0 &&
        reinterpret_cast<std::string *>(module)->find(name) != std::string::npos) {
      *function = reinterpret_cast<hipFunction_t>(const_cast<char *>(each));
      return hipSuccess;
    }
  }
  return hipErrorNotFound;
}
hipError_t hipModuleLaunchKernel(hipFunction_t function, unsigned gridX, unsigned, unsigned,
                                 unsigned blockX, unsigned, unsigned, unsigned sharedBytes,
                                 hipStream_t, void **parameters, void **) {
  Launch launch{reinterpret_cast<const char *>(function), gridX, blockX, sharedBytes, {}};
  readParameters(launch, parameters);
  device().add([launch] {
    ++device().launches;
    runLaunch(launch);
  });
  return hipSuccess;
}
hipError_t hipStreamCreateWithFlags(hipStream_t *stream, unsigned) {
  return *stream = reinterpret_cast<hipStream_t>(&device()), hipSuccess;
}
hipError_t hipStreamDestroy(hipStream_t) { return hipSuccess; }
hipError_t hipStreamSynchronize(hipStream_t) {
  if (device().recording) {
    return hipErrorStreamCaptureUnsupported;
  }
  return device().synchronize(), hipSuccess;
}
hipError_t hipStreamBeginCapture(hipStream_t, hipStreamCaptureMode) {
  device().recorded.clear();
  return device().recording = true, hipSuccess;
}
hipError_t hipStreamEndCapture(hipStream_t, hipGraph_t *graph) {
  device().recording = false;
  *graph = reinterpret_cast<hipGraph_t>(new Graph{std::move(device().recorded)});
  return hipSuccess;
}
hipError_t hipGraphInstantiate(hipGraphExec_t *executable, hipGraph_t graph, hipGraphNode_t *,
                               char *, size_t) {
  ++device().instantiated;
  *executable = reinterpret_cast<hipGraphExec_t>(new Graph(*reinterpret_cast<Graph *>(graph)));
  return hipSuccess;
}
hipError_t hipGraphExecUpdate(hipGraphExec_t executable, hipGraph_t graph, hipGraphNode_t *,
                              hipGraphExecUpdateResult *result) {
  auto *to = reinterpret_cast<Graph *>(executable);
  auto *from = reinterpret_cast<Graph *>(graph);
  if (to->work.size() != from->work.size()) {
    *result = hipGraphExecUpdateErrorTopologyChanged;
    return hipErrorGraphExecUpdateFailure;
  }
  *result = hipGraphExecUpdateSuccess;
  ++device().updated;
  return *to = *from, hipSuccess;
}
hipError_t hipGraphLaunch(hipGraphExec_t executable, hipStream_t) {
  ++device().graphs;
  for (const Device::Work &work : reinterpret_cast<Graph *>(executable)->work) {
    device().add(work);
  }
  return hipSuccess;
}
hipError_t hipGraphExecDestroy(hipGraphExec_t executable) {
  delete reinterpret_cast<Graph *>(executable);
  return hipSuccess;
}
hipError_t hipGraphDestroy(hipGraph_t graph) {
  delete reinterpret_cast<Graph *>(graph);
  return hipSuccess;
}

} // extern "C"
