//===- Model.cpp - An artifact, its weights and a device ------------------===//
//
// The order of loading: what can be refused cheaply comes first, code is mapped
// last.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/Model.h"

#include "lib/Artifact/Artifact.h"
#include "lib/Artifact/Trust.h"
#include "lib/Runtime/WeightCache.h"
#include "lib/Runtime/WeightPreparation.h"

#include <algorithm>
#include <thread>

using namespace dsv2;

static void note(const ModelOptions &options, const std::string &text) {
  if (options.log) {
    options.log(text);
  }
}

Expected<std::unique_ptr<Model>> Model::open(const ModelOptions &options,
                                             const Checkpoint &checkpoint) {
  Expected<Artifact> artifact = readArtifact(options.artifact);
  if (!artifact) {
    return artifact.takeError();
  }
  DriverRegistry drivers = builtinDrivers();
  Expected<size_t> chosen = chooseVariant(artifact->program, drivers, options.tier, options.driver);
  if (!chosen) {
    return chosen.takeError().within(options.artifact);
  }
  // Preparing weights runs no code of the artifact.
  if (!options.prepareOnly && !options.trustCode &&
      !isTrusted(artifact->hash, options.cacheDirectory)) {
    return untrustedError(options.artifact, artifact->hash);
  }
  const Variant &variant = artifact->program.variants[*chosen];
  const DriverKind *kind = drivers.find(options.driver.empty() ? variant.driver : options.driver);
  if (options.tier.empty() && artifact->program.variants.size() > 1) {
    note(options, concat("running variant ", variant.name));
  }
  Expected<std::unique_ptr<Driver>> driver = kind->create({options.threads, options.check});
  if (!driver) {
    return driver.takeError();
  }
  return create(std::move(artifact->program), *chosen, std::move(*driver), checkpoint, options);
}

Expected<std::unique_ptr<Model>> Model::create(Program program, size_t variant,
                                               std::unique_ptr<Driver> driver,
                                               const Checkpoint &checkpoint,
                                               const ModelOptions &options) {
  std::unique_ptr<Model> model(new Model());
  model->program = std::move(program);
  model->variantIndex = variant;
  model->device = std::move(driver);
  if (std::optional<Error> failure = model->loadWeights(checkpoint, options)) {
    return *failure;
  }
  if (options.prepareOnly) {
    return model;
  }
  Expected<std::unique_ptr<DeviceCode>> code =
      model->device->load(model->variant().image, model->variant().kernels);
  if (!code) {
    return code.takeError().within(concat("variant ", quote(model->variant().name)));
  }
  model->loadedCode = std::move(*code);
  return model;
}

std::optional<Error> Model::loadWeights(const Checkpoint &checkpoint, const ModelOptions &options) {
  Expected<WeightLayout> layout = layOutWeights(variant().weights);
  if (!layout) {
    return layout.takeError();
  }
  weightLayout = std::move(*layout);
  uint64_t available = device->availableBytes();
  if (weightLayout.bytes > available) {
    return Error(ErrorKind::Limit, "prepared weights take ", weightLayout.bytes, " bytes, ",
                 available, " bytes of memory are free");
  }
  Expected<std::unique_ptr<DeviceMemory>> memory =
      device->allocate(weightLayout.bytes, MemoryUse::Weights);
  if (!memory) {
    return memory.takeError().within("prepared weights");
  }
  weights = std::move(*memory);
  if (void *host = weights->host()) {
    return prepareInto(host, checkpoint, options);
  }
  std::vector<char> staging(weightLayout.bytes, 0);
  if (std::optional<Error> failure = prepareInto(staging.data(), checkpoint, options)) {
    return failure;
  }
  return device->copyIn(weights->address(), staging.data(), staging.size());
}

std::optional<Error> Model::prepareInto(void *destination, const Checkpoint &checkpoint,
                                        const ModelOptions &options) {
  unsigned threads =
      options.threads != 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  bool useCache = !options.cacheDirectory.empty() && options.cacheDirectory != "none";
  // Source tensors are checked even when a prepared file could be read.
  Expected<std::unique_ptr<WeightPreparation>> preparation =
      WeightPreparation::plan(variant().weights, weightLayout, checkpoint);
  if (!preparation) {
    return preparation.takeError();
  }
  Sha256Digest key{};
  std::string path;
  if (useCache) {
    key = weightCacheKey(variant().weights, checkpoint);
    path = weightCachePath(options.cacheDirectory, key);
    WeightCacheRead read = readWeightCache(path, key, destination, weightLayout.bytes, threads);
    if (read.used) {
      origin = WeightOrigin::Cached;
      return std::nullopt;
    }
    if (!read.refused.empty()) {
      note(options, concat("prepared weights are not used: ", read.refused));
      // A damaged file may have been read in part; padding must be zero again.
      std::fill_n(static_cast<char *>(destination), weightLayout.bytes, 0);
    }
  }
  note(options, concat("preparing weights of ", checkpoint.directory()));
  if (std::optional<Error> failure = (*preparation)->run(destination, threads)) {
    return failure;
  }
  origin = WeightOrigin::Prepared;
  if (!useCache) {
    return std::nullopt;
  }
  std::optional<Error> failure =
      writeWeightCache(path, key, destination, weightLayout.bytes, threads);
  if (failure && !options.prepareOnly) {
    // The weights are there; only the next start has to prepare them again.
    note(options, concat("prepared weights are not kept: ", failure->message()));
    return std::nullopt;
  }
  return failure;
}
