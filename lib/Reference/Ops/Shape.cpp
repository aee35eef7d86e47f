//===- Shape.cpp - Moving data: slices, transposes, concatenations --------===//
//
// A slice and a transpose are the same walk: for each dimension of the result,
// how far a step goes in the source.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Ops/Shape.h"

#include <algorithm>

namespace dsv2 {

/// Elements between neighbours of each dimension of a row-major array.
static std::vector<int64_t> rowMajorStrides(const std::vector<int64_t> &shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (int64_t i = int64_t(shape.size()) - 2; i >= 0; --i) {
    strides[i] = strides[i + 1] * shape[i + 1];
  }
  return strides;
}

/// The elements of `x` from `begin` on, by `strides` for each dimension of
/// `shape`, the last dimension fastest.
static Tensor gather(const Tensor &x, int64_t begin, std::vector<int64_t> shape,
                     const std::vector<int64_t> &strides) {
  Tensor y(std::move(shape));
  std::vector<int64_t> index(y.shape.size());
  int64_t from = begin;
  for (double &value : y.values) {
    value = x.values[from];
    for (int64_t d = y.rank() - 1; d >= 0; --d) {
      from += strides[d];
      if (++index[d] < y.shape[d]) {
        break;
      }
      from -= strides[d] * y.shape[d];
      index[d] = 0;
    }
  }
  return y;
}

Tensor extractSlice(const Tensor &x, const std::vector<int64_t> &offsets,
                    const std::vector<int64_t> &sizes, const std::vector<int64_t> &strides) {
  std::vector<int64_t> steps = rowMajorStrides(x.shape);
  int64_t begin = 0;
  for (size_t d = 0; d < steps.size(); ++d) {
    assert(offsets[d] >= 0 && "slice before the beginning");
    assert((sizes[d] == 0 || offsets[d] + (sizes[d] - 1) * strides[d] < x.shape[d]) &&
           "slice past the end");
    begin += offsets[d] * steps[d];
    steps[d] *= strides[d];
  }
  return gather(x, begin, sizes, steps);
}

Tensor transpose(const Tensor &x, const std::vector<int64_t> &permutation) {
  std::vector<int64_t> steps = rowMajorStrides(x.shape), shape, strides;
  for (int64_t d : permutation) {
    shape.push_back(x.shape[d]);
    strides.push_back(steps[d]);
  }
  return gather(x, 0, std::move(shape), strides);
}

Tensor concatenate(const std::vector<const Tensor *> &parts, int64_t axis) {
  std::vector<int64_t> shape = parts.front()->shape;
  shape[axis] = 0;
  int64_t outer = 1;
  for (int64_t d = 0; d < axis; ++d) {
    outer *= shape[d];
  }
  for (const Tensor *part : parts) {
    shape[axis] += part->shape[axis];
  }
  Tensor y(shape);
  auto to = y.values.begin();
  for (int64_t i = 0; i < outer; ++i) {
    for (const Tensor *part : parts) {
      int64_t run = int64_t(part->values.size()) / outer;
      to = std::copy_n(part->values.begin() + i * run, run, to);
    }
  }
  return y;
}

Tensor reshape(const Tensor &x, std::vector<int64_t> shape) {
  return Tensor(std::move(shape), x.values);
}

} // namespace dsv2
