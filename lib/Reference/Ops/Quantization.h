//===- Quantization.h - Values as stored numbers times scales ---*- C++ -*-===//
//
// A scaled value is a narrow number times the scale of its block. The oracle keeps
// the product, which is exact in f64, so a scaled tensor is a tensor like any
// other; only where numbers come from (a checkpoint) and where values are rounded
// to such (a quantized weight, an activation) knows the narrow type.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_OPS_QUANTIZATION_H
#define DSV2_LIB_REFERENCE_OPS_QUANTIZATION_H

#include "lib/Reference/Ops/Rounding.h"

namespace dsv2 {

enum class StoredType { F8E4M3FN, I8, I4 };

/// The largest stored magnitude: 448, 127, 7. Integers are symmetric.
double largestStored(StoredType type);

/// To the nearest stored value, ties to even; magnitudes past the largest saturate,
/// and a NaN stays one.
double roundToStored(double value, StoredType type);

/// The value of an f8E4M3FN byte: 4 bits of exponent (bias 7), 3 of fraction, no
/// infinities; 0x7f and 0xff are NaNs.
double decodeF8E4M3FN(uint8_t bits);

/// Blocks of the last two dimensions that share a scale; 0: the whole dimension.
/// Blocks at the end of a dimension are partial.
struct ScaleBlocks {
  int64_t rows = 0;
  int64_t columns = 0;

  /// [ceil(M / rows), ceil(N / columns)] of [..., M, N], other dimensions before.
  std::vector<int64_t> shapeOf(const std::vector<int64_t> &shape) const;
};

/// Each element of `stored` [..., M, N] times the scale of its block.
void multiplyByScales(Tensor &stored, const Tensor &scales, const ScaleBlocks &blocks);

/// Each element of `x` rounded to a stored number times its block's scale, the
/// block's largest magnitude over `largestStored`, rounded to `scaleType`, or 1 if
/// that is 0.
Tensor quantize(const Tensor &x, StoredType type, const ScaleBlocks &blocks, Rounding scaleType);

/// The rounding of a contraction's first operand.
struct ActivationRounding {
  StoredType type = StoredType::F8E4M3FN;
  /// Values of a row that share a scale; 0: all of them. The last group may be
  /// short.
  int64_t group = 0;
  /// The scale is the next power of two (ue8m0).
  bool powerOfTwo = false;
};

/// Rounds each row of `width` values, the last dimension: scale s = f32(max(amax,
/// 1e-4)) / f32(largestStored) in f32, as a kernel has it, or the least power of
/// two not below that; a value becomes s times the stored number nearest to x / s.
/// Null: the identity.
void roundActivation(std::vector<double> &values, int64_t width,
                     const ActivationRounding *rounding);

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_OPS_QUANTIZATION_H
