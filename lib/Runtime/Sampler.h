//===- Sampler.h - From logits to the next token ----------------*- C++ -*-===//
//
// Greedy by default. Each sequence has its own random numbers, so that its
// tokens do not depend on who else is in the batch.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_SAMPLER_H
#define DSV2_LIB_RUNTIME_SAMPLER_H

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace dsv2 {

struct SamplingOptions {
  double temperature = 0; ///< 0: always the largest logit
  uint64_t topK = 0;      ///< only the K largest; 0: all
  double topP = 1;        ///< only the largest that together reach P
  uint64_t seed = 0;
};

class Sampler {
public:
  Sampler(const SamplingOptions &options, uint64_t sequence);

  /// A token for f32 logits [vocab]. Ties go to the lowest id.
  int32_t next(const float *logits, int64_t vocab);

private:
  SamplingOptions options;
  std::mt19937_64 random;
  std::vector<std::pair<float, int32_t>> candidates;
};

/// The lowest index of the largest value; 0 when every value is NaN.
int32_t argmax(const float *values, int64_t count);

/// -ln softmax(logits)[token], in f64.
double negativeLogLikelihood(const float *logits, int64_t vocab, int32_t token);

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_SAMPLER_H
