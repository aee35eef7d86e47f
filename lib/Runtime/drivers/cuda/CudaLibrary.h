//===- CudaLibrary.h - The part of the CUDA driver API we use ---*- C++ -*-===//
//
// Declarations of our own, after NVIDIA's reference manual of the driver API
// (https://docs.nvidia.com/cuda/cuda-driver-api/), so that the driver is
// compiled everywhere. The library is opened when a device is asked for.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_CUDA_CUDALIBRARY_H
#define DSV2_LIB_RUNTIME_DRIVERS_CUDA_CUDALIBRARY_H

#include "lib/Support/Error.h"

#include <cstddef>
#include <memory>
#include <string>

namespace dsv2::cuda {

using Result = int;       // CUresult; 0 is success
using Device = int;       // CUdevice
using Address = uint64_t; // CUdeviceptr
using Context = void *;   // CUcontext
using Module = void *;    // CUmodule
using Function = void *;  // CUfunction
using Stream = void *;    // CUstream
using Graph = void *;     // CUgraph
using GraphExec = void *; // CUgraphExec

/// Values of CUdevice_attribute.
enum Attribute : int {
  kMultiprocessorCount = 16,
  kComputeCapabilityMajor = 75,
  kComputeCapabilityMinor = 76,
};
/// Values of CUfunction_attribute, CUstreamCaptureMode and CUjit_option.
constexpr int kMaxDynamicSharedBytes = 8;
constexpr int kCaptureThreadLocal = 1;
constexpr int kJitErrorLog = 5, kJitErrorLogBytes = 6;

/// Values of CUtensorMapDataType, ...Swizzle and ...L2promotion; no interleaving
/// and zeros past the matrix are 0.
constexpr int kTensorBF16 = 9, kTensorSwizzle128 = 3, kTensorPromoteL2To256 = 3;

/// CUgraphExecUpdateResultInfo (CUDA 12).
struct GraphUpdateInfo {
  int result = 0;
  void *errorNode = nullptr;
  void *errorFromNode = nullptr;
};

/// The functions, by their names without the prefix "cu". Where the library
/// versions an entry point, the version used is in the .cpp file.
struct CudaLibrary {
  Result (*Init)(unsigned flags);
  Result (*DriverGetVersion)(int *version);
  Result (*GetErrorName)(Result error, const char **name);
  Result (*GetErrorString)(Result error, const char **text);
  Result (*DeviceGetCount)(int *count);
  Result (*DeviceGet)(Device *device, int ordinal);
  Result (*DeviceGetName)(char *name, int length, Device device);
  Result (*DeviceGetAttribute)(int *value, int attribute, Device device);
  Result (*DevicePrimaryCtxRetain)(Context *context, Device device);
  Result (*DevicePrimaryCtxRelease)(Device device);
  Result (*CtxSetCurrent)(Context context);
  Result (*MemGetInfo)(size_t *free, size_t *total);
  Result (*MemAlloc)(Address *address, size_t bytes);
  Result (*MemFree)(Address address);
  Result (*MemAllocHost)(void **memory, size_t bytes);
  Result (*MemFreeHost)(void *memory);
  Result (*MemsetD8Async)(Address address, unsigned char value, size_t bytes, Stream stream);
  Result (*MemcpyHtoDAsync)(Address to, const void *from, size_t bytes, Stream stream);
  Result (*MemcpyDtoHAsync)(void *to, Address from, size_t bytes, Stream stream);
  Result (*MemcpyDtoDAsync)(Address to, Address from, size_t bytes, Stream stream);
  Result (*ModuleLoadDataEx)(Module *module, const void *image, unsigned count, int *options,
                             void **values);
  Result (*ModuleUnload)(Module module);
  Result (*ModuleGetFunction)(Function *function, Module module, const char *name);
  Result (*FuncSetAttribute)(Function function, int attribute, int value);
  Result (*LaunchKernel)(Function function, unsigned gridX, unsigned gridY, unsigned gridZ,
                         unsigned blockX, unsigned blockY, unsigned blockZ, unsigned sharedBytes,
                         Stream stream, void **parameters, void **extra);
  Result (*StreamCreate)(Stream *stream, unsigned flags);
  Result (*StreamDestroy)(Stream stream);
  Result (*StreamSynchronize)(Stream stream);
  // Graphs: from CUDA 12 on; null in an older library.
  Result (*StreamBeginCapture)(Stream stream, int mode);
  Result (*StreamEndCapture)(Stream stream, Graph *graph);
  Result (*GraphInstantiateWithFlags)(GraphExec *executable, Graph graph, unsigned long long flags);
  Result (*GraphExecUpdate)(GraphExec executable, Graph graph, GraphUpdateInfo *info);
  Result (*GraphLaunch)(GraphExec executable, Stream stream);
  Result (*GraphExecDestroy)(GraphExec executable);
  Result (*GraphDestroy)(Graph graph);

  // Tensor maps: from CUDA 12 on; null in an older library.
  Result (*TensorMapEncodeTiled)(void *map, int type, uint32_t rank, void *address,
                                 const uint64_t *extents, const uint64_t *strides,
                                 const uint32_t *box, const uint32_t *elementStrides,
                                 int interleave, int swizzle, int promotion, int fill);

  bool hasGraphs() const { return GraphExecUpdate != nullptr; }

  /// Opens the library and initializes it. Unsupported when it is not there,
  /// lacks a function or finds no device; the error says which. The library
  /// stays open.
  static Expected<std::shared_ptr<const CudaLibrary>>
  open(const std::string &path = "libcuda.so.1");

  /// The error of a call: "cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY (out of memory)".
  Error error(const char *call, Result result) const;
};

} // namespace dsv2::cuda

#endif // DSV2_LIB_RUNTIME_DRIVERS_CUDA_CUDALIBRARY_H
