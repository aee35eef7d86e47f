//===- HipLibrary.cpp - The part of HIP's runtime that we use -------------===//
//
// Every function is one that HIP 5 and 6 both export with the types of HIP 5's
// header.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/hip/HipLibrary.h"

#include <dlfcn.h>

using namespace dsv2;

Error HipLibrary::error(const char *call, hipError_t result) const {
  const char *name = hipGetErrorName(result), *text = hipGetErrorString(result);
  return Error(result == hipErrorOutOfMemory ? ErrorKind::Limit : ErrorKind::Io, call, ": ",
               name ? name : "unknown error", " (", text ? text : "no description", ")");
}

Expected<std::shared_ptr<const HipLibrary>>
HipLibrary::open(const std::vector<std::string> &paths) {
  void *handle = nullptr;
  std::string reason;
  for (const std::string &path : paths) {
    handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle) {
      break;
    }
    const char *text = dlerror();
    if (reason.empty()) {
      reason = text ? text : path;
    }
  }
  if (!handle) {
    return Error(ErrorKind::Unsupported, "no HIP library: ", reason);
  }
  auto library = std::make_shared<HipLibrary>();
  const char *missing = nullptr;
  auto find = [&](auto &function, const char *symbol) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(handle, symbol));
    if (!function && !missing) {
      missing = symbol;
    }
  };
#define DSV2_FIND(name) find(library->name, #name);
  DSV2_HIP_FUNCTIONS(DSV2_FIND)
#undef DSV2_FIND
  find(library->hipMalloc, "hipMalloc");
  find(library->hipHostMalloc, "hipHostMalloc");
  find(library->hipGetDeviceProperties, "hipGetDeviceProperties");
  if (missing) {
    dlclose(handle);
    return Error(ErrorKind::Unsupported, "the HIP library has no ", missing);
  }
  if (hipError_t result = library->hipInit(0)) {
    return Error(ErrorKind::Unsupported, library->error("hipInit", result).message());
  }
  return std::shared_ptr<const HipLibrary>(std::move(library));
}
