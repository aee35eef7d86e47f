//===- BFloat16.h - bf16 to f32 and back ------------------------*- C++ -*-===//
//
// Conversions as the hardware (vcvtneps2bf16) and PyTorch make them: to the
// nearest, ties to even; a NaN stays a quiet NaN. Denormals are kept: whoever
// wants them flushed does that on the f32 side.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_SUPPORT_BFLOAT16_H
#define DSV2_LIB_SUPPORT_BFLOAT16_H

#include <cstdint>
#include <cstring>

namespace dsv2 {

/// The bits of `value` rounded to bf16.
inline uint16_t floatToBFloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    // Rounding could carry a NaN's payload into infinity: keep the sign and set
    // the quiet bit instead.
    return static_cast<uint16_t>(bits >> 16 | 0x40u);
  }
  bits += 0x7fffu + (bits >> 16 & 1u);
  return static_cast<uint16_t>(bits >> 16);
}

/// The value of bf16 bits: exact.
inline float bfloat16ToFloat(uint16_t bits) {
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

} // namespace dsv2

#endif // DSV2_LIB_SUPPORT_BFLOAT16_H
