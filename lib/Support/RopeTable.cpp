//===- RopeTable.cpp - frequencies of rotary position embedding ----------------===//
//
// Each f32 operation stands in a statement of its own and contraction is off: a fused multiply-add
// would round once where the meaning says twice.
//
//===----------------------------------------------------------------------===//

#include "lib/Support/RopeTable.h"

#include <algorithm>
#include <cmath>

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

namespace dsv2 {

static constexpr double kPi = 3.14159265358979323846;

/// Index of the pair (as a real number) that turns `rotations` times within `original` tokens.
static double correctionDim(double rotations, int64_t width, double theta, int64_t original) {
  return static_cast<double>(width) *
         std::log(static_cast<double>(original) / (rotations * 2 * kPi)) / (2 * std::log(theta));
}

std::vector<float> ropeInverseFrequencies(int64_t width, double theta,
                                          const std::optional<YarnParameters> &yarn) {
  double low = 0;
  double high = 0;
  if (yarn) {
    low = std::max(std::floor(correctionDim(yarn->betaFast, width, theta, yarn->original)), 0.0);
    high = std::min(std::ceil(correctionDim(yarn->betaSlow, width, theta, yarn->original)),
                    static_cast<double>(width - 1));
    if (low == high) {
      high += 0.001;
    }
  }
  std::vector<float> frequencies;
  for (int64_t i = 0; i < width / 2; ++i) {
    float exponent = static_cast<float>(2 * i) / static_cast<float>(width);
    float period = static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
    float plain = 1.0f / period;
    if (!yarn) {
      frequencies.push_back(plain);
      continue;
    }
    float stretchedPeriod = static_cast<float>(yarn->factor) * period;
    float stretched = 1.0f / stretchedPeriod;
    float distance = static_cast<float>(i) - static_cast<float>(low);
    float ramp = distance / static_cast<float>(high - low);
    ramp = std::min(std::max(ramp, 0.0f), 1.0f);
    float keep = 1.0f - ramp;
    float stretchedPart = stretched * ramp;
    float plainPart = plain * keep;
    frequencies.push_back(stretchedPart + plainPart);
  }
  return frequencies;
}

double yarnGain(double factor, double mscale) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

float ropeMagnitude(const std::optional<YarnParameters> &yarn) {
  if (!yarn) {
    return 1.0f;
  }
  return static_cast<float>(yarnGain(yarn->factor, yarn->mscale) /
                            yarnGain(yarn->factor, yarn->mscaleAllDim));
}

double attentionScale(int64_t headWidth, double factor, double mscaleAllDim) {
  double scale = 1.0 / std::sqrt(static_cast<double>(headWidth));
  if (mscaleAllDim != 0.0) {
    double gain = yarnGain(factor, mscaleAllDim);
    scale *= gain * gain;
  }
  return scale;
}

RopeRotation ropeRotation(int64_t position, float inverseFrequency, double magnitude) {
  float angle = static_cast<float>(position) * inverseFrequency;
  return {std::cos(static_cast<double>(angle)) * magnitude,
          std::sin(static_cast<double>(angle)) * magnitude};
}

} // namespace dsv2
