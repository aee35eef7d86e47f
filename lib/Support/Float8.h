//===- Float8.h - The 8-bit floats of fp8 checkpoints -----------*- C++ -*-===//
//
// E4M3 as checkpoints store it ("fn": finite but for one NaN of each sign): one
// sign bit, four bits of exponent with bias 7, three of fraction. Every value is
// exact in f32.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_SUPPORT_FLOAT8_H
#define DSV2_LIB_SUPPORT_FLOAT8_H

#include <cmath>
#include <cstdint>
#include <limits>

namespace dsv2 {

/// The value of the bits of an e4m3fn number: largest 448, smallest 2^-9; 0x7f and 0xff are NaN.
inline float float8E4M3ToFloat(uint8_t bits) {
  int exponent = bits >> 3 & 15, fraction = bits & 7;
  float size = std::numeric_limits<float>::quiet_NaN();
  if (exponent == 0) {
    size = std::ldexp(static_cast<float>(fraction), -9);
  } else if (exponent != 15 || fraction != 7) {
    size = std::ldexp(static_cast<float>(8 + fraction), exponent - 10);
  }
  return (bits & 0x80) != 0 ? -size : size;
}

} // namespace dsv2

#endif // DSV2_LIB_SUPPORT_FLOAT8_H
