//===- FakeCuda.cpp - A libcuda.so.1 for tests ----------------------------===//
//
// The entry points that lib/Runtime/drivers/cuda looks up, on a FakeDevice of
// compute capability 9.0. A module that is no text fails with a log; memory
// ends at 1 GiB.
//
//===----------------------------------------------------------------------===//
#include "test/Runtime/Fake/FakeDevice.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

using namespace dsv2::fake;

extern "C" {

void fakeCounts(uint64_t counts[5]) {
  Device &d = device();
  uint64_t values[5] = {d.instantiated, d.updated, d.graphs, d.launches, d.allocations};
  std::memcpy(counts, values, sizeof(values));
}

int cuInit(unsigned) { return 0; }
int cuDriverGetVersion(int *version) { return *version = 13000, 0; }
int cuGetErrorName(int error, const char **name) {
  *name = error == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_FAKE";
  return 0;
}
int cuGetErrorString(int, const char **text) { return *text = "a fake reason", 0; }
int cuDeviceGetCount(int *count) { return *count = 1, 0; }
int cuDeviceGet(int *out, int) { return *out = 0, 0; }
int cuDeviceGetName(char *name, int, int) { return std::strcpy(name, "Fake H100"), 0; }
int cuDeviceGetAttribute(int *value, int attribute, int) {
  *value = attribute == 16 ? 4 : attribute == 75 ? 9 : 0;
  return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int) { return *context = &device(), 0; }
int cuDevicePrimaryCtxRelease_v2(int) { return 0; }
int cuCtxSetCurrent(void *context) { return context == &device() ? 0 : 201; }
int cuMemGetInfo_v2(size_t *free, size_t *total) { return *free = *total = size_t(1) << 30, 0; }
int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  if (bytes > size_t(1) << 30) {
    return 2;
  }
  ++device().allocations;
  void *memory = std::malloc(bytes);
  std::memset(memory, 0xcd, bytes); // device memory is not zero
  return *address = reinterpret_cast<uint64_t>(memory), 0;
}
int cuMemFree_v2(uint64_t address) {
  --device().allocations;
  return std::free(reinterpret_cast<void *>(address)), 0;
}
int cuMemAllocHost_v2(void **memory, size_t bytes) { return *memory = std::malloc(bytes), 0; }
int cuMemFreeHost(void *memory) { return std::free(memory), 0; }
int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void *) {
  device().add([=] { std::memset(reinterpret_cast<void *>(to), value, bytes); });
  return 0;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *) {
  device().add([=] { std::memcpy(reinterpret_cast<void *>(to), from, bytes); });
  return 0;
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *) {
  device().add([=] { std::memcpy(to, reinterpret_cast<void *>(from), bytes); });
  return 0;
}
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *) {
  device().add(
      [=] { std::memcpy(reinterpret_cast<void *>(to), reinterpret_cast<void *>(from), bytes); });
  return 0;
}
int cuModuleLoadDataEx(void **module, const void *image, unsigned count, int *options,
                       void **values) {
  const char *text = static_cast<const char *>(image);
  if (std::strncmp(text, "binary for ", 11) == 0) {
    // CUDA_ERROR_NO_BINARY_FOR_GPU, unless it is for this device.
    text += 11;
    if (std::strncmp(text, "9.0 ", 4) != 0) {
      return 209;
    }
    text += 4;
  }
  if (std::strncmp(text, "kernels:", 8) != 0) {
    for (unsigned i = 0; i < count; ++i) {
      if (options[i] == 5) {
        std::strcpy(static_cast<char *>(values[i]), "ptxas: this is no text");
      }
    }
    return 218;
  }
  return *module = new std::string(text), 0;
}
int cuModuleUnload(void *module) { return delete static_cast<std::string *>(module), 0; }
int cuModuleGetFunction(void **function, void *module, const char *name) {
  static const char *const known[] = {"add", "scratch", "boxes"};
  for (const char *each : known) {
    if (std::strcmp(each, name) == 0 &&
        static_cast<std::string *>(module)->find(name) != std::string::npos) {
      return *function = const_cast<char *>(each), 0;
    }
  }
  return 500;
}
int cuFuncSetAttribute(void *, int attribute, int value) {
  return attribute == 8 && value <= 227 << 10 ? 0 : 1;
}
int cuLaunchKernel(void *function, unsigned gridX, unsigned, unsigned, unsigned blockX, unsigned,
                   unsigned, unsigned sharedBytes, void *, void **parameters, void **) {
  Launch launch{static_cast<const char *>(function), gridX, blockX, sharedBytes, {}};
  readParameters(launch, parameters);
  device().add([launch] {
    ++device().launches;
    runLaunch(launch);
  });
  return 0;
}
/// Writes what it is told, after the checks that the manual asks for; the last word
/// counts the calls.
int cuTensorMapEncodeTiled(void *map, int type, uint32_t rank, void *address,
                           const uint64_t *extents, const uint64_t *strides, const uint32_t *box,
                           const uint32_t *elementStrides, int interleave, int swizzle,
                           int promotion, int fill) {
  static uint64_t calls = 0;
  auto at = reinterpret_cast<uint64_t>(address);
  bool good = reinterpret_cast<uint64_t>(map) % 64 == 0 && rank == 2 && at % 16 == 0 &&
              strides[0] % 16 == 0 && strides[0] < uint64_t(1) << 40 && extents[0] >= 1 &&
              extents[1] >= 1 && extents[0] <= uint64_t(1) << 32 &&
              extents[1] <= uint64_t(1) << 32 && box[0] >= 1 && box[0] <= 256 && box[1] >= 1 &&
              box[1] <= 256 && elementStrides[0] == 1 && elementStrides[1] == 1;
  if (!good) {
    return 1;
  }
  uint64_t words[16] = {at, extents[0], extents[1], strides[0], box[0], box[1], 0, 0, 0, 0};
  const int choices[] = {type, interleave, swizzle, promotion, fill};
  std::copy(std::begin(choices), std::end(choices), words + 6);
  words[15] = ++calls;
  std::memcpy(map, words, sizeof(words));
  return 0;
}
/// Events: each is a number of what was queued before it; all work takes a millisecond.
int cuEventCreate(void **event, unsigned) { return *event = new uint64_t(0), 0; }
int cuEventRecord(void *event, void *) {
  static uint64_t time = 0;
  return *static_cast<uint64_t *>(event) = ++time, 0;
}
int cuEventSynchronize(void *) { return device().synchronize(), 0; }
int cuEventElapsedTime(float *milliseconds, void *begin, void *end) {
  *milliseconds =
      static_cast<float>(*static_cast<uint64_t *>(end) - *static_cast<uint64_t *>(begin));
  return 0;
}
int cuEventDestroy_v2(void *event) { return delete static_cast<uint64_t *>(event), 0; }
int cuStreamCreate(void **stream, unsigned) { return *stream = &device().queue, 0; }
int cuStreamDestroy_v2(void *) { return 0; }
int cuStreamSynchronize(void *) {
  if (device().recording) {
    return 900; // a captured stream cannot be waited for
  }
  return device().synchronize(), 0;
}
int cuStreamBeginCapture_v2(void *, int) {
  device().recorded.clear();
  return device().recording = true, 0;
}
int cuStreamEndCapture(void *, void **graph) {
  device().recording = false;
  return *graph = new Graph{std::move(device().recorded)}, 0;
}
int cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long) {
  ++device().instantiated;
  return *executable = new Graph(*static_cast<Graph *>(graph)), 0;
}
int cuGraphExecUpdate_v2(void *executable, void *graph, void *) {
  auto *to = static_cast<Graph *>(executable);
  auto *from = static_cast<Graph *>(graph);
  if (to->work.size() != from->work.size()) {
    return 910;
  }
  ++device().updated;
  return *to = *from, 0;
}
int cuGraphLaunch(void *executable, void *) {
  ++device().graphs;
  for (const Device::Work &work : static_cast<Graph *>(executable)->work) {
    device().add(work);
  }
  return 0;
}
int cuGraphExecDestroy(void *executable) { return delete static_cast<Graph *>(executable), 0; }
int cuGraphDestroy(void *graph) { return delete static_cast<Graph *>(graph), 0; }

} // extern "C"
