//===- Tensor.h - Dense arrays of the oracle --------------------*- C++ -*-===//
//
// Row-major arrays that own their elements: f64 for everything that a model
// computes, i64 for ids. Nothing here is clever on purpose.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_OPS_TENSOR_H
#define DSV2_LIB_REFERENCE_OPS_TENSOR_H

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace dsv2 {

/// The number of elements of a shape; 1 for rank 0.
inline int64_t elementCount(const std::vector<int64_t> &shape) {
  int64_t count = 1;
  for (int64_t extent : shape) {
    count *= extent;
  }
  return count;
}

template <typename T> struct Array {
  std::vector<int64_t> shape;
  std::vector<T> values;

  Array() = default;
  /// Zeros.
  explicit Array(std::vector<int64_t> extents)
      : shape(std::move(extents)), values(elementCount(shape)) {}
  Array(std::vector<int64_t> extents, std::vector<T> elements)
      : shape(std::move(extents)), values(std::move(elements)) {
    assert(int64_t(values.size()) == elementCount(shape) && "shape and elements disagree");
  }

  int64_t rank() const { return int64_t(shape.size()); }
  int64_t dim(int64_t i) const { return shape[i]; }
  int64_t rows() const { return shape[0]; }
  /// Elements of one row: the product of all extents but the first.
  int64_t rowWidth() const {
    int64_t width = 1;
    for (size_t i = 1; i < shape.size(); ++i) {
      width *= shape[i];
    }
    return width;
  }
  T *row(int64_t i) { return values.data() + i * rowWidth(); }
  const T *row(int64_t i) const { return values.data() + i * rowWidth(); }
};

using Tensor = Array<double>;
using IntTensor = Array<int64_t>;

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_OPS_TENSOR_H
