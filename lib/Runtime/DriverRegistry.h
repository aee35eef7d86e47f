//===- DriverRegistry.h - The drivers of this build -------------*- C++ -*-===//
//
// A plain object, filled from the list of folders under drivers/ that CMake
// writes. Nothing else in the runtime names a driver.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERREGISTRY_H
#define DSV2_LIB_RUNTIME_DRIVERREGISTRY_H

#include "lib/Runtime/Driver.h"

#include <string>
#include <utility>
#include <vector>

namespace dsv2 {

struct DriverOptions {
  unsigned threads = 0; ///< workers of a CPU; 0: one per usable CPU
  bool check = true;    ///< where kernels can be checked as they run
};

/// What a device can do at most, measured now.
struct DeviceLimits {
  double readBytesPerSecond = 0; ///< sequential reads of memory, all workers
  /// Operations (2 per multiply and add) per second by type of the factors:
  /// "f32", "bf16"; sums are f32.
  std::vector<std::pair<std::string, double>> peakFlops;
};

/// One kind of device.
struct DriverKind {
  std::string name; ///< as variants name it
  /// Tiers of code that the devices here can run, the best one last; asks the
  /// hardware.
  std::vector<std::string> (*usableTiers)();
  /// What was found, for messages.
  std::string (*describe)();
  Expected<std::unique_ptr<Driver>> (*create)(const DriverOptions &options);
  /// Measures the limits of code of one tier, in less than a second or two.
  Expected<DeviceLimits> (*measureLimits)(const DriverOptions &options, std::string_view tier);
  /// Of two variants that can run, the one of the higher preference is taken.
  unsigned preference = 0;
  /// It runs no code, so code of any tier will do.
  bool acceptsAnyTier = false;
};

class DriverRegistry {
public:
  void add(DriverKind kind) { kinds.push_back(std::move(kind)); }
  /// Null if this build has none of that name.
  const DriverKind *find(std::string_view name) const;
  const std::vector<DriverKind> &all() const { return kinds; }

private:
  std::vector<DriverKind> kinds;
};

/// All drivers of this build.
DriverRegistry builtinDrivers();

/// The variant to run. With an empty `tier`: the one of the preferred driver
/// with the best tier that its device can run, the first among equals, never a
/// special one ("TIER:emulated"). Otherwise the first variant of that name, or
/// of that tier. Unsupported when there is none; the error says what was found.
/// A `driver` that is not empty stands in for those that the variants name.
Expected<size_t> chooseVariant(const Program &program, const DriverRegistry &drivers,
                               std::string_view tier, std::string_view driver = {});

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_DRIVERREGISTRY_H
