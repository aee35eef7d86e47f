//===- NullDriver.h - A device that does nothing ----------------*- C++ -*-===//
//
// Has memory, accepts every program and runs none of it: what is left is the
// runtime's own work (dsv2-run --driver null). A folder to clone for a new
// device.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_NULL_NULLDRIVER_H
#define DSV2_LIB_RUNTIME_DRIVERS_NULL_NULLDRIVER_H

#include "lib/Runtime/DriverRegistry.h"

namespace dsv2 {

/// The entry of the registry.
DriverKind nullDriverKind();

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_DRIVERS_NULL_NULLDRIVER_H
