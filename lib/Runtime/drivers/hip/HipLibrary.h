//===- HipLibrary.h - The part of HIP's runtime that we use -----*- C++ -*-===//
//
// Functions have the types of hip_runtime_api.h; the library is opened when a
// device is asked for, and never linked.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_HIP_HIPLIBRARY_H
#define DSV2_LIB_RUNTIME_DRIVERS_HIP_HIPLIBRARY_H

#include "lib/Support/Error.h"

#include <memory>
#include <string>
#include <vector>

#ifndef __HIP_PLATFORM_AMD__
#define __HIP_PLATFORM_AMD__ 1
#endif
#include <hip/hip_runtime_api.h>

namespace dsv2 {

/// Functions of the library by name.
struct HipLibrary {
#define DSV2_HIP_FUNCTIONS(F)                                                                      \
  F(hipInit)                                                                                       \
  F(hipGetErrorName)                                                                               \
  F(hipGetErrorString)                                                                             \
  F(hipGetDeviceCount)                                                                             \
  F(hipSetDevice)                                                                                  \
  F(hipDeviceGetAttribute)                                                                         \
  F(hipMemGetInfo)                                                                                 \
  F(hipFree)                                                                                       \
  F(hipHostFree)                                                                                   \
  F(hipMemsetAsync)                                                                                \
  F(hipMemcpyAsync)                                                                                \
  F(hipModuleLoadData)                                                                             \
  F(hipModuleUnload)                                                                               \
  F(hipModuleGetFunction)                                                                          \
  F(hipModuleLaunchKernel)                                                                         \
  F(hipStreamCreateWithFlags)                                                                      \
  F(hipStreamDestroy)                                                                              \
  F(hipStreamSynchronize)                                                                          \
  F(hipStreamBeginCapture)                                                                         \
  F(hipStreamEndCapture)                                                                           \
  F(hipGraphInstantiate)                                                                           \
  F(hipGraphExecUpdate)                                                                            \
  F(hipGraphLaunch)                                                                                \
  F(hipGraphExecDestroy)                                                                           \
  F(hipGraphDestroy)
#define DSV2_DECLARE(name) decltype(&::name) name = nullptr;
  DSV2_HIP_FUNCTIONS(DSV2_DECLARE)
#undef DSV2_DECLARE
  // The header has templates of these names too.
  hipError_t (*hipMalloc)(void **memory, size_t bytes) = nullptr;
  hipError_t (*hipHostMalloc)(void **memory, size_t bytes, unsigned flags) = nullptr;
  hipError_t (*hipGetDeviceProperties)(hipDeviceProp_t *properties, int device) = nullptr;

  /// Opens the first of `paths` that exists and initializes it. Unsupported when
  /// none does, or a function is missing; the error says which.
  static Expected<std::shared_ptr<const HipLibrary>>
  open(const std::vector<std::string> &paths = {"libamdhip64.so.6", "libamdhip64.so.5",
                                                "libamdhip64.so"});

  /// The error of a call: "hipMalloc: hipErrorOutOfMemory (out of memory)".
  Error error(const char *call, hipError_t result) const;
};

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_DRIVERS_HIP_HIPLIBRARY_H
