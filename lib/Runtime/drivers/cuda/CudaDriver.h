//===- CudaDriver.h - NVIDIA GPUs -------------------------------*- C++ -*-===//
//
// The StreamApi of the CUDA driver API, and its entry in the registry. Uses the
// first device.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_CUDA_CUDADRIVER_H
#define DSV2_LIB_RUNTIME_DRIVERS_CUDA_CUDADRIVER_H

#include "lib/Runtime/drivers/cuda/CudaLibrary.h"
#include "lib/Runtime/drivers/streams/StreamDriver.h"

namespace dsv2 {

/// A driver on the first device of an opened library.
Expected<std::unique_ptr<Driver>>
createCudaDriver(std::shared_ptr<const cuda::CudaLibrary> library);

/// Tiers that a device of this compute capability runs, the best one last:
/// sm_80 code runs on every later one, sm_90a code on 9.0 only.
std::vector<std::string> cudaTiers(int major, int minor);

/// The entry of the registry.
DriverKind cudaDriverKind();

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_DRIVERS_CUDA_CUDADRIVER_H
