//===- CpuLimits.h - The speed that this CPU has right now ------*- C++ -*-===//
//
// Machines are shared, so a figure means something only beside the limits of
// the same minute: how fast memory is read, and how fast multiply-adds run.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_CPU_CPULIMITS_H
#define DSV2_LIB_RUNTIME_DRIVERS_CPU_CPULIMITS_H

#include "lib/Runtime/DriverRegistry.h"

namespace dsv2 {

/// Measures with the widest instructions that `tier` has. Where a tier has no
/// bf16 dot product, bf16 is widened and its peak is that of f32.
Expected<DeviceLimits> measureCpuLimits(const DriverOptions &options, std::string_view tier);

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_DRIVERS_CPU_CPULIMITS_H
