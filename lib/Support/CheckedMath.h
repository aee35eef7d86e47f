//===- CheckedMath.h - Arithmetic on sizes that cannot wrap -----*- C++ -*-===//
//
// Sizes that come from files are hostile: every sum and product of them goes
// through these.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_SUPPORT_CHECKEDMATH_H
#define DSV2_LIB_SUPPORT_CHECKEDMATH_H

#include <cstddef>
#include <cstdint>
#include <optional>

namespace dsv2 {

/// a + b, or nothing if it does not fit 64 bits.
inline std::optional<uint64_t> checkedAdd(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    return std::nullopt;
  }
  return sum;
}

/// a * b, or nothing if it does not fit 64 bits.
inline std::optional<uint64_t> checkedMul(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) {
    return std::nullopt;
  }
  return product;
}

/// The product of a range of sizes (1 for an empty one). A zero factor makes it
/// 0 only if the other factors fit too, so that the order never matters.
template <typename Range> std::optional<uint64_t> checkedProduct(const Range &sizes) {
  uint64_t product = 1;
  bool zero = false;
  for (uint64_t size : sizes) {
    if (size == 0) {
      zero = true;
      continue;
    }
    std::optional<uint64_t> next = checkedMul(product, size);
    if (!next) {
      return std::nullopt;
    }
    product = *next;
  }
  return zero ? 0 : product;
}

/// The smallest multiple of `alignment` (a power of two) that is >= `value`.
inline std::optional<uint64_t> checkedAlign(uint64_t value, uint64_t alignment) {
  std::optional<uint64_t> sum = checkedAdd(value, alignment - 1);
  if (!sum) {
    return std::nullopt;
  }
  return *sum & ~(alignment - 1);
}

} // namespace dsv2

#endif // DSV2_LIB_SUPPORT_CHECKEDMATH_H
