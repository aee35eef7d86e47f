//===- RopeTable.h - frequencies of rotary position embedding ------------------===//
//
// The one place that computes rope's angles. At position 4,400 an inverse frequency that was
// rounded in another order moves logits by 1e-4, so importer, verifier, oracle and runtime all ask
// here.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_SUPPORT_ROPETABLE_H
#define DSV2_LIB_SUPPORT_ROPETABLE_H

#include <cstdint>
#include <optional>
#include <vector>

namespace dsv2 {

/// YaRN's parameters, named as config.json names them (arXiv:2309.00071).
struct YarnParameters {
  double factor = 1.0;
  int64_t original = 0; ///< original_max_position_embeddings, tokens
  double betaFast = 32.0;
  double betaSlow = 1.0;
  double mscale = 0.0;
  double mscaleAllDim = 0.0;
};

/// Inverse frequencies of `width` rotating elements (even): width/2 angles at position 1. Powers
/// are taken in f64 and rounded to f32; every further operation is rounded to f32.
std::vector<float> ropeInverseFrequencies(int64_t width, double theta,
                                          const std::optional<YarnParameters> &yarn);

/// What cosine and sine are multiplied by: g(factor, mscale) / g(factor, mscaleAllDim), rounded to
/// f32 (1 without YaRN, and for every shipped model).
float ropeMagnitude(const std::optional<YarnParameters> &yarn);

/// YaRN's g(s, m): 1 if s <= 1, else 0.1 m ln s + 1.
double yarnGain(double factor, double mscale);

/// Factor of the attention scores: headWidth^-0.5, times g(factor, mscaleAllDim)^2 if mscaleAllDim
/// is not 0. `headWidth` is nope and rope together.
double attentionScale(int64_t headWidth, double factor, double mscaleAllDim);

/// Cosine and sine of f32(position) * inverseFrequency (the product rounded to f32), taken in f64
/// and times `magnitude`, not rounded.
struct RopeRotation {
  double cosine;
  double sine;
};
RopeRotation ropeRotation(int64_t position, float inverseFrequency, double magnitude);

} // namespace dsv2

#endif // DSV2_LIB_SUPPORT_ROPETABLE_H
