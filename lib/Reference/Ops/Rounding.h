//===- Rounding.h - f64 to the types that the IR states ---------*- C++ -*-===//
//
// The oracle computes in f64. Where the IR states a rounding and `--round` asks
// for it, a value goes through f32 (as the accumulators of every target are) and
// from there to bf16 or f16.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_OPS_ROUNDING_H
#define DSV2_LIB_REFERENCE_OPS_ROUNDING_H

#include "lib/Reference/Ops/Tensor.h"
#include "lib/Support/BFloat16.h"

#include <algorithm>
#include <cmath>

namespace dsv2 {

enum class Rounding { None, F32, BF16, F16 };

/// The f16 nearest to `value`, ties to even; infinite from 65520 on.
inline double roundToHalf(double value) {
  if (value == 0 || !std::isfinite(value)) {
    return value;
  }
  // 1,024 values from a power of two to the next; below 2^-14 they are subnormal.
  double distance = std::ldexp(1.0, std::max(std::ilogb(value), -14) - 10);
  double nearest = std::nearbyint(value / distance) * distance;
  return std::abs(nearest) > 65504 ? std::copysign(INFINITY, value) : nearest;
}

/// `value` rounded to nearest, ties to even.
inline double roundTo(double value, Rounding type) {
  switch (type) {
  case Rounding::None:
    return value;
  case Rounding::F32:
    return double(float(value));
  case Rounding::BF16:
    return double(bfloat16ToFloat(floatToBFloat16(float(value))));
  case Rounding::F16:
    return roundToHalf(float(value));
  }
  return value;
}

inline void roundInPlace(std::vector<double> &values, Rounding type) {
  if (type == Rounding::None) {
    return;
  }
  for (double &value : values) {
    value = roundTo(value, type);
  }
}

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_OPS_ROUNDING_H
