//===- Quantization.cpp - Values as stored numbers times scales -----------===//
//
// Rounding to a stored type is one idea for floats and integers: the distance of
// neighbours where the value lies, and the nearest multiple of it.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Ops/Quantization.h"

#include <algorithm>
#include <cmath>

namespace dsv2 {

double largestStored(StoredType type) {
  switch (type) {
  case StoredType::F8E4M3FN:
    return 448;
  case StoredType::I8:
    return 127;
  case StoredType::I4:
    return 7;
  }
  return 0;
}

double roundToStored(double value, StoredType type) {
  double largest = largestStored(type);
  if (std::isnan(value) || std::abs(value) >= largest) {
    return std::isnan(value) ? value : std::copysign(largest, value);
  }
  double distance = 1;
  if (type == StoredType::F8E4M3FN) {
    // 8 values from a power of two to the next; below 2^-6 they are subnormal.
    int exponent = value == 0 ? -6 : std::max(std::ilogb(value), -6);
    distance = std::ldexp(1.0, exponent - 3);
  }
  return std::nearbyint(value / distance) * distance;
}

double decodeF8E4M3FN(uint8_t bits) {
  int exponent = bits >> 3 & 15, fraction = bits & 7;
  if (exponent == 15 && fraction == 7) {
    return NAN;
  }
  double magnitude =
      exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
  return bits & 0x80 ? -magnitude : magnitude;
}

static int64_t blocksIn(int64_t extent, int64_t block) {
  return block == 0 ? 1 : (extent + block - 1) / block;
}

std::vector<int64_t> ScaleBlocks::shapeOf(const std::vector<int64_t> &shape) const {
  std::vector<int64_t> scales = shape;
  scales[shape.size() - 2] = blocksIn(shape[shape.size() - 2], rows);
  scales[shape.size() - 1] = blocksIn(shape[shape.size() - 1], columns);
  return scales;
}

/// Calls `visit(element, scale)` with the numbers of each element of [..., M, N]
/// and of its block's scale.
template <typename Visit>
static void forEachElement(const std::vector<int64_t> &shape, const ScaleBlocks &blocks,
                           Visit visit) {
  std::vector<int64_t> scales = blocks.shapeOf(shape);
  int64_t m = shape[shape.size() - 2], n = shape[shape.size() - 1];
  int64_t scaleRows = scales[scales.size() - 2], scaleColumns = scales[scales.size() - 1];
  int64_t element = 0;
  for (int64_t matrix = 0; element < elementCount(shape); ++matrix) {
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j, ++element) {
        int64_t row = blocks.rows == 0 ? 0 : i / blocks.rows;
        int64_t column = blocks.columns == 0 ? 0 : j / blocks.columns;
        visit(element, (matrix * scaleRows + row) * scaleColumns + column);
      }
    }
  }
}

void multiplyByScales(Tensor &stored, const Tensor &scales, const ScaleBlocks &blocks) {
  assert(scales.shape == blocks.shapeOf(stored.shape) && "a scale of every block");
  forEachElement(stored.shape, blocks, [&](int64_t element, int64_t scale) {
    stored.values[element] *= scales.values[scale];
  });
}

Tensor quantize(const Tensor &x, StoredType type, const ScaleBlocks &blocks, Rounding scaleType) {
  Tensor scales(blocks.shapeOf(x.shape));
  forEachElement(x.shape, blocks, [&](int64_t element, int64_t scale) {
    scales.values[scale] = std::max(scales.values[scale], std::abs(x.values[element]));
  });
  for (double &scale : scales.values) {
    scale = roundTo(scale / largestStored(type), scaleType);
    scale = scale == 0 ? 1.0 : scale;
  }
  Tensor y(x.shape);
  forEachElement(x.shape, blocks, [&](int64_t element, int64_t scale) {
    double unit = scales.values[scale];
    y.values[element] = roundToStored(x.values[element] / unit, type) * unit;
  });
  return y;
}

/// The least power of two that is not below `value`.
static double nextPowerOfTwo(double value) {
  int exponent;
  double fraction = std::frexp(value, &exponent); // in [0.5, 1)
  return std::ldexp(1.0, fraction == 0.5 ? exponent - 1 : exponent);
}

void roundActivation(std::vector<double> &values, int64_t width,
                     const ActivationRounding *rounding) {
  if (!rounding) {
    return;
  }
  int64_t group = rounding->group == 0 ? width : rounding->group;
  for (size_t row = 0; row < values.size(); row += width) {
    for (int64_t begin = 0; begin < width; begin += group) {
      auto first = values.begin() + row + begin;
      auto last = first + std::min(group, width - begin);
      float largest = 1e-4f;
      for (auto value = first; value != last; ++value) {
        largest = std::max(largest, std::abs(float(*value)));
      }
      double scale = largest / float(largestStored(rounding->type));
      if (rounding->powerOfTwo) {
        scale = nextPowerOfTwo(scale);
      }
      std::transform(first, last, first, [&](double value) {
        return roundToStored(float(value) / float(scale), rounding->type) * scale;
      });
    }
  }
}

} // namespace dsv2
