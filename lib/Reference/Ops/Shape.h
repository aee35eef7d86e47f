//===- Shape.h - Moving data: slices, transposes, concatenations -*- C++ -*-===//
//
// What a prepare function may do with a weight besides rounding it.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_OPS_SHAPE_H
#define DSV2_LIB_REFERENCE_OPS_SHAPE_H

#include "lib/Reference/Ops/Tensor.h"

namespace dsv2 {

/// The box of `sizes` elements at `offsets`, `strides` apart.
Tensor extractSlice(const Tensor &x, const std::vector<int64_t> &offsets,
                    const std::vector<int64_t> &sizes, const std::vector<int64_t> &strides);

/// Dimension i of the result is dimension permutation[i] of `x`.
Tensor transpose(const Tensor &x, const std::vector<int64_t> &permutation);

/// Joins along dimension `axis`; the other extents are equal.
Tensor concatenate(const std::vector<const Tensor *> &parts, int64_t axis);

/// The same elements under another shape.
Tensor reshape(const Tensor &x, std::vector<int64_t> shape);

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_OPS_SHAPE_H
