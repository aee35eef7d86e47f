//===- Model.h - An artifact, its weights and a device ----------*- C++ -*-===//
//
// What is loaded once and shared by sessions: the chosen variant's tables, its
// code on the device, and the prepared weights.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_MODEL_H
#define DSV2_LIB_RUNTIME_MODEL_H

#include "lib/Artifact/Program.h"
#include "lib/Checkpoint/Checkpoint.h"
#include "lib/Runtime/Driver.h"
#include "lib/Runtime/DriverRegistry.h"
#include "lib/Runtime/WeightLayout.h"

#include <functional>
#include <memory>
#include <string>

namespace dsv2 {

struct ModelOptions {
  std::string artifact; ///< path of the .dsv2 file
  std::string tier;     ///< variant or tier by name; empty: the best one
  unsigned threads = 0; ///< 0: one per usable CPU
  /// Not empty: the driver that gets the variant's program instead of its own.
  std::string driver;
  bool check = true; ///< let a driver that can check kernels do so
  /// Run code that no record vouches for.
  bool trustCode = false;
  /// Where prepared weights and records of trust are kept; "none": nowhere.
  std::string cacheDirectory = "none";
  /// Only fill the cache directory: failing to write it is then an error.
  bool prepareOnly = false;
  /// Receives notes such as "preparing weights"; may be empty.
  std::function<void(const std::string &)> log;
};

/// How the weights came to be, for reports.
enum class WeightOrigin { Prepared, Cached };

class Model {
public:
  /// Reads and checks the artifact, chooses a variant, checks trust, and loads
  /// weights and code. Errors name the file. `checkpoint` need not outlive the
  /// call.
  static Expected<std::unique_ptr<Model>> open(const ModelOptions &options,
                                               const Checkpoint &checkpoint);

  /// The same from a program in memory, which is trusted, on a given device.
  static Expected<std::unique_ptr<Model>> create(Program program, size_t variant,
                                                 std::unique_ptr<Driver> driver,
                                                 const Checkpoint &checkpoint,
                                                 const ModelOptions &options);

  const ModelInfo &info() const { return program.model; }
  const Variant &variant() const { return program.variants[variantIndex]; }
  Driver &driver() const { return *device; }
  const DeviceCode &code() const { return *loadedCode; }
  const WeightLayout &layout() const { return weightLayout; }
  uint64_t weightsAddress() const { return weights->address(); }
  WeightOrigin weightOrigin() const { return origin; }

private:
  Model() = default;
  std::optional<Error> loadWeights(const Checkpoint &checkpoint, const ModelOptions &options);
  std::optional<Error> prepareInto(void *destination, const Checkpoint &checkpoint,
                                   const ModelOptions &options);

  Program program;
  size_t variantIndex = 0;
  std::unique_ptr<Driver> device;
  WeightLayout weightLayout;
  std::unique_ptr<DeviceMemory> weights;
  WeightOrigin origin = WeightOrigin::Prepared;
  std::unique_ptr<DeviceCode> loadedCode;
};

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_MODEL_H
