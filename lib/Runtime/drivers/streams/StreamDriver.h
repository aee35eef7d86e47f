//===- StreamDriver.h - A device with memory and a stream -------*- C++ -*-===//
//
// The driver of every GPU: weights and buffers in device memory, step tables
// sent ahead of the launches through pinned memory, and the calls of a step
// queued (or recorded as one graph) without the host waiting in between.
//
// Parameters of a kernel: its slots, 8 bytes each, its tensor maps by value (128
// bytes, 64-byte aligned), then items and workgroups (i64) and the scratch memory
// (pointer). Workgroup g of W takes items
// [items*g/W, items*(g+1)/W).
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_STREAMS_STREAMDRIVER_H
#define DSV2_LIB_RUNTIME_DRIVERS_STREAMS_STREAMDRIVER_H

#include "lib/Runtime/DriverRegistry.h"
#include "lib/Runtime/drivers/streams/StreamApi.h"

namespace dsv2 {

/// What a code image must be for this device.
struct StreamImageRules {
  /// Formats that the device loads.
  std::vector<ImageFormat> formats;
};

/// The driver above an opened device.
std::unique_ptr<Driver> createStreamDriver(std::unique_ptr<StreamApi> api, StreamImageRules rules);

/// Bandwidth of copies inside the memory of the device, reads and writes counted
/// together. Peak rates are not measured: that takes a tuned kernel.
Expected<DeviceLimits> measureStreamLimits(StreamApi &api);

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_DRIVERS_STREAMS_STREAMDRIVER_H
