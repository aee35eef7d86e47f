//===- SimtDriver.h - A GPU played by the CPU -------------------*- C++ -*-===//
//
// Runs kernels that were written for a GPU and compiled for this CPU, one fiber
// a GPU thread, and checks every access on the way (lib/Support/SimtAbi.h,
// docs/rationale/simt.md). A finding is the error of the launch. Memory is
// reached by copies only, as a GPU's.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_SIMT_SIMTDRIVER_H
#define DSV2_LIB_RUNTIME_DRIVERS_SIMT_SIMTDRIVER_H

#include "lib/Runtime/DriverRegistry.h"
#include "lib/Runtime/drivers/simt/Workgroup.h"

namespace dsv2 {

/// Unsupported where fibers do not exist.
Expected<std::unique_ptr<Driver>> createSimtDriver(const DriverOptions &options);

/// Code that is not in an image: kernels as functions of this process.
std::unique_ptr<DeviceCode> simtCodeOf(std::vector<simt::KernelCode> kernels);

/// The entry of the registry; its tiers are what CPUID allows.
DriverKind simtDriverKind();

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_DRIVERS_SIMT_SIMTDRIVER_H
