//===- CpuDriver.h - The CPU as a device ------------------------*- C++ -*-===//
//
// Device memory is host memory, a launch is a job of the thread pool, and a
// kernel is a function in the code image:
//   void k(const uint64_t *slots, int64_t begin, int64_t end, void *scratch)
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_CPU_CPUDRIVER_H
#define DSV2_LIB_RUNTIME_DRIVERS_CPU_CPUDRIVER_H

#include "lib/Runtime/DriverRegistry.h"

namespace dsv2 {

/// Processes items [begin, end) of a dispatch. `scratch` is private to the
/// worker and 64-byte aligned.
using CpuKernel = void (*)(const uint64_t *slots, int64_t begin, int64_t end, void *scratch);

/// Usage for a number of threads out of range.
Expected<std::unique_ptr<Driver>> createCpuDriver(const DriverOptions &options);

/// The entry of the registry; its tiers are what CPUID allows.
DriverKind cpuDriverKind();

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_DRIVERS_CPU_CPUDRIVER_H
