//===- WeightProvider.h - Where the oracle's weights come from --*- C++ -*-===//
//
// Weights are asked for by the checkpoint's name, one tensor at a time: from a
// model directory, or made up from a seed so that a module can be run without
// one. Both give the same tensor for the same name, whoever asks.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_WEIGHTPROVIDER_H
#define DSV2_LIB_REFERENCE_WEIGHTPROVIDER_H

#include "lib/Checkpoint/Checkpoint.h"
#include "lib/Reference/Ops/Quantization.h"

#include <set>

namespace dsv2 {

/// Narrow numbers and, in another tensor, the scales of their blocks.
struct ScaledSource {
  StoredType stored = StoredType::F8E4M3FN;
  ScaleBlocks blocks;
  std::string scales; ///< the name of the tensor of scales
  DType scaleType = DType::F32;
};

class WeightProvider {
public:
  virtual ~WeightProvider() = default;
  /// The tensor called `name`, which must have this shape and dtype.
  virtual Expected<Tensor> load(const std::string &name, const std::vector<int64_t> &shape,
                                DType dtype) = 0;
  /// Each element of the scaled tensor called `name`, times its block's scale. The
  /// numbers must have this shape [M, N], the scales that of the blocks.
  virtual Expected<Tensor> loadScaled(const std::string &name, const std::vector<int64_t> &shape,
                                      const ScaledSource &source) = 0;
};

/// Reads F32, F16, BF16, F8_E4M3 and I8 tensors of a model directory.
class CheckpointWeights : public WeightProvider {
public:
  explicit CheckpointWeights(Checkpoint checkpoint) : checkpoint(std::move(checkpoint)) {}
  Expected<Tensor> load(const std::string &name, const std::vector<int64_t> &shape,
                        DType dtype) override;
  Expected<Tensor> loadScaled(const std::string &name, const std::vector<int64_t> &shape,
                              const ScaledSource &source) override;

private:
  Checkpoint checkpoint;
};

/// Names of tensors that must be made up in a special way, for mistakes to show.
struct WeightRoles {
  /// Gates [E,H]: the rows of some experts are equal, so that their scores tie and
  /// the choice among them is the lowest number's.
  std::set<std::string> gates;
  /// Correction biases [E] of gates: below -1, so that every choice is negative and a
  /// masked expert that counts 0 would win. Equal where the gate's rows are.
  std::set<std::string> corrections;
};

/// The experts of a gate with so many that tie: none of one or two, else the first
/// and the last and, of six or more, the middle one.
std::vector<int64_t> tiedExperts(int64_t experts);

/// Random weights that depend on seed and name only: 1 +- 0.3 for vectors (norms),
/// else uniform with standard deviation 1.5 / sqrt(K), K the last extent. With
/// that, attention, routing and logits of a random model are diverse. Values are
/// representable in bf16; those of scaled weights are then rounded to their type.
class RandomWeights : public WeightProvider {
public:
  explicit RandomWeights(uint64_t seed, WeightRoles roles = {})
      : seed(seed), roles(std::move(roles)) {}
  Expected<Tensor> load(const std::string &name, const std::vector<int64_t> &shape,
                        DType dtype) override;
  Expected<Tensor> loadScaled(const std::string &name, const std::vector<int64_t> &shape,
                              const ScaledSource &source) override;

private:
  uint64_t seed;
  WeightRoles roles;
};

/// A small generator (splitmix64), the same on every machine.
class RandomBits {
public:
  explicit RandomBits(uint64_t seed) : state(seed) {}
  uint64_t next();
  /// Uniform in [0, 1).
  double uniform() { return double(next() >> 11) * 0x1p-53; }

private:
  uint64_t state;
};

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_WEIGHTPROVIDER_H
