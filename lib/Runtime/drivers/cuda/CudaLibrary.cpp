//===- CudaLibrary.cpp - The part of the CUDA driver API we use -----------===//
//
// Symbols are looked up by their versioned names, since the plain ones are
// those of 32-bit addresses.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/cuda/CudaLibrary.h"

#include <dlfcn.h>

namespace dsv2::cuda {

/// CUDA_ERROR_OUT_OF_MEMORY.
static constexpr Result kOutOfMemory = 2;

Error CudaLibrary::error(const char *call, Result result) const {
  const char *name = nullptr, *text = nullptr;
  if (GetErrorName(result, &name) != 0 || !name) {
    name = "unknown error";
  }
  if (GetErrorString(result, &text) != 0 || !text) {
    text = "no description";
  }
  return Error(result == kOutOfMemory ? ErrorKind::Limit : ErrorKind::Io, "cu", call, ": ", name,
               " (", text, ")");
}

Expected<std::shared_ptr<const CudaLibrary>> CudaLibrary::open(const std::string &path) {
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *reason = dlerror();
    return Error(ErrorKind::Unsupported,
                 "no CUDA driver library: ", reason ? reason : path.c_str());
  }
  auto library = std::make_shared<CudaLibrary>();
  const char *missing = nullptr;
  auto find = [&](auto &function, const char *symbol, bool required = true) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(handle, symbol));
    if (!function && required && !missing) {
      missing = symbol;
    }
  };
  find(library->Init, "cuInit");
  find(library->DriverGetVersion, "cuDriverGetVersion");
  find(library->GetErrorName, "cuGetErrorName");
  find(library->GetErrorString, "cuGetErrorString");
  find(library->DeviceGetCount, "cuDeviceGetCount");
  find(library->DeviceGet, "cuDeviceGet");
  find(library->DeviceGetName, "cuDeviceGetName");
  find(library->DeviceGetAttribute, "cuDeviceGetAttribute");
  find(library->DevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain");
  find(library->DevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2");
  find(library->CtxSetCurrent, "cuCtxSetCurrent");
  find(library->MemGetInfo, "cuMemGetInfo_v2");
  find(library->MemAlloc, "cuMemAlloc_v2");
  find(library->MemFree, "cuMemFree_v2");
  find(library->MemAllocHost, "cuMemAllocHost_v2");
  find(library->MemFreeHost, "cuMemFreeHost");
  find(library->MemsetD8Async, "cuMemsetD8Async");
  find(library->MemcpyHtoDAsync, "cuMemcpyHtoDAsync_v2");
  find(library->MemcpyDtoHAsync, "cuMemcpyDtoHAsync_v2");
  find(library->MemcpyDtoDAsync, "cuMemcpyDtoDAsync_v2");
  find(library->ModuleLoadDataEx, "cuModuleLoadDataEx");
  find(library->ModuleUnload, "cuModuleUnload");
  find(library->ModuleGetFunction, "cuModuleGetFunction");
  find(library->FuncSetAttribute, "cuFuncSetAttribute");
  find(library->LaunchKernel, "cuLaunchKernel");
  find(library->StreamCreate, "cuStreamCreate");
  find(library->StreamDestroy, "cuStreamDestroy_v2");
  find(library->StreamSynchronize, "cuStreamSynchronize");
  find(library->StreamBeginCapture, "cuStreamBeginCapture_v2", false);
  find(library->StreamEndCapture, "cuStreamEndCapture", false);
  find(library->GraphInstantiateWithFlags, "cuGraphInstantiateWithFlags", false);
  find(library->GraphExecUpdate, "cuGraphExecUpdate_v2", false);
  find(library->GraphLaunch, "cuGraphLaunch", false);
  find(library->GraphExecDestroy, "cuGraphExecDestroy", false);
  find(library->GraphDestroy, "cuGraphDestroy", false);
  find(library->TensorMapEncodeTiled, "cuTensorMapEncodeTiled", false);
  if (missing) {
    dlclose(handle);
    return Error(ErrorKind::Unsupported, "the CUDA driver library ", quote(path), " has no ",
                 missing);
  }
  // All of the graph functions or none.
  if (!library->StreamBeginCapture || !library->StreamEndCapture ||
      !library->GraphInstantiateWithFlags || !library->GraphLaunch || !library->GraphExecDestroy ||
      !library->GraphDestroy) {
    library->GraphExecUpdate = nullptr;
  }
  if (Result result = library->Init(0)) {
    return Error(ErrorKind::Unsupported, library->error("Init", result).message());
  }
  return std::shared_ptr<const CudaLibrary>(std::move(library));
}

} // namespace dsv2::cuda
