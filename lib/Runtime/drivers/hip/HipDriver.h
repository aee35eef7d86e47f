//===- HipDriver.h - AMD GPUs -----------------------------------*- C++ -*-===//
//
// The StreamApi of HIP's module functions, and its entry in the registry. Uses
// the first device.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_HIP_HIPDRIVER_H
#define DSV2_LIB_RUNTIME_DRIVERS_HIP_HIPDRIVER_H

#include "lib/Runtime/drivers/hip/HipLibrary.h"
#include "lib/Runtime/drivers/streams/StreamDriver.h"

#include <string_view>

namespace dsv2 {

/// A driver on the first device of an opened library.
Expected<std::unique_ptr<Driver>> createHipDriver(std::shared_ptr<const HipLibrary> library);

/// The tier of an architecture name: "gfx942:sramecc+:xnack-" runs "gfx942".
std::string hipTier(std::string_view architecture);

/// The entry of the registry.
DriverKind hipDriverKind();

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_DRIVERS_HIP_HIPDRIVER_H
