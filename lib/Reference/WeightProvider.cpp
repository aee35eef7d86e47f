//===- WeightProvider.cpp - Where the oracle's weights come from ----------===//
//
// Conversion of a checkpoint's bytes to f64, which is exact, and seeded weights.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/WeightProvider.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace dsv2 {

/// The value of IEEE half-precision bits.
static double halfToDouble(uint16_t bits) {
  int exponent = bits >> 10 & 31;
  double fraction = bits & 1023;
  double magnitude;
  if (exponent == 31) {
    magnitude = fraction == 0 ? INFINITY : NAN;
  } else if (exponent == 0) {
    magnitude = std::ldexp(fraction, -24);
  } else {
    magnitude = std::ldexp(fraction + 1024, exponent - 25);
  }
  return bits & 0x8000 ? -magnitude : magnitude;
}

/// Reads all of `tensor` as elements of type T and converts each.
template <typename T, typename Convert>
static std::optional<Error> readAs(const Checkpoint &checkpoint, const CheckpointTensor &tensor,
                                   Convert convert, std::vector<double> &into) {
  constexpr uint64_t block = 1u << 16;
  std::vector<T> buffer(block);
  for (uint64_t at = 0; at < into.size(); at += block) {
    uint64_t count = std::min<uint64_t>(block, into.size() - at);
    if (std::optional<Error> error =
            checkpoint.read(tensor, at * sizeof(T), count * sizeof(T), buffer.data())) {
      return error;
    }
    for (uint64_t i = 0; i < count; ++i) {
      into[at + i] = convert(buffer[i]);
    }
  }
  return std::nullopt;
}

Expected<Tensor> CheckpointWeights::load(const std::string &name, const std::vector<int64_t> &shape,
                                         DType dtype) {
  const CheckpointTensor *tensor = checkpoint.find(name);
  if (!tensor) {
    return Error(ErrorKind::Mismatch, checkpoint.directory(), ": no tensor ", quote(name),
                 ", which the module's weights need");
  }
  std::vector<uint64_t> wanted(shape.begin(), shape.end());
  if (tensor->shape() != wanted || tensor->dtype() != dtype) {
    return Error(ErrorKind::Mismatch, checkpoint.fileOf(*tensor), ": tensor ", quote(name), " is ",
                 describeTensor(tensor->dtype(), tensor->shape()), ", but the module expects ",
                 describeTensor(dtype, wanted));
  }
  Tensor result(shape);
  std::optional<Error> error;
  if (dtype == DType::F32) {
    error = readAs<float>(checkpoint, *tensor, [](float x) { return double(x); }, result.values);
  } else if (dtype == DType::BF16) {
    auto widen = [](uint16_t bits) { return double(bfloat16ToFloat(bits)); };
    error = readAs<uint16_t>(checkpoint, *tensor, widen, result.values);
  } else if (dtype == DType::F16) {
    error = readAs<uint16_t>(checkpoint, *tensor, halfToDouble, result.values);
  } else if (dtype == DType::F8E4M3) {
    error = readAs<uint8_t>(checkpoint, *tensor, decodeF8E4M3FN, result.values);
  } else if (dtype == DType::I8) {
    error = readAs<int8_t>(checkpoint, *tensor, [](int8_t x) { return double(x); }, result.values);
  } else {
    error =
        Error(ErrorKind::Unsupported, checkpoint.fileOf(*tensor), ": tensor ", quote(name), " is ",
              describeTensor(dtype, wanted), ", expected F32, F16, BF16, F8_E4M3 or I8");
  }
  if (error) {
    return std::move(*error);
  }
  return result;
}

Expected<Tensor> CheckpointWeights::loadScaled(const std::string &name,
                                               const std::vector<int64_t> &shape,
                                               const ScaledSource &source) {
  if (source.stored == StoredType::I4) {
    return Error(ErrorKind::Unsupported, checkpoint.directory(), ": tensor ", quote(name),
                 ": checkpoints hold no packed i4, expected f8E4M3FN or i8");
  }
  DType stored = source.stored == StoredType::I8 ? DType::I8 : DType::F8E4M3;
  Expected<Tensor> numbers = load(name, shape, stored);
  if (!numbers) {
    return numbers;
  }
  Expected<Tensor> scales = load(source.scales, source.blocks.shapeOf(shape), source.scaleType);
  if (!scales) {
    return scales;
  }
  multiplyByScales(*numbers, *scales, source.blocks);
  return numbers;
}

uint64_t RandomBits::next() {
  state += 0x9e3779b97f4a7c15u;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

std::vector<int64_t> tiedExperts(int64_t experts) {
  if (experts < 3) {
    return {};
  }
  if (experts < 6) {
    return {0, experts - 1};
  }
  return {0, experts / 2, experts - 1};
}

/// FNV-1a.
static uint64_t nameHash(const std::string &name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  return hash;
}

Expected<Tensor> RandomWeights::load(const std::string &name, const std::vector<int64_t> &shape,
                                     DType) {
  RandomBits bits(nameHash(name) ^ RandomBits(seed).next());
  bool isVector = shape.size() == 1;
  bool isCorrection = roles.corrections.count(name) != 0;
  // From -1.2 to -1: every sigmoid that is corrected becomes negative, and no expert is
  // out of reach of a token's scores.
  double center = isCorrection ? -1.1 : isVector ? 1.0 : 0.0;
  // A uniform variable on [-h, h] has the standard deviation h / sqrt(3).
  double half = isCorrection ? 0.1
                : isVector   ? 0.3
                             : 1.5 * std::sqrt(3.0 / double(shape.empty() ? 1 : shape.back()));
  Tensor result(shape);
  for (double &value : result.values) {
    value = roundTo(center + half * (2 * bits.uniform() - 1), Rounding::BF16);
  }
  if (isCorrection || roles.gates.count(name)) {
    for (int64_t expert : tiedExperts(result.rows())) {
      std::copy_n(result.row(0), result.rowWidth(), result.row(expert));
    }
  }
  return result;
}

/// The rounding to a scale's type.
static Rounding roundingOf(DType type) {
  return type == DType::BF16 ? Rounding::BF16 : type == DType::F16 ? Rounding::F16 : Rounding::F32;
}

Expected<Tensor> RandomWeights::loadScaled(const std::string &name,
                                           const std::vector<int64_t> &shape,
                                           const ScaledSource &source) {
  Expected<Tensor> exact = load(name, shape, DType::F32);
  if (!exact) {
    return exact;
  }
  Tensor result = quantize(*exact, source.stored, source.blocks, roundingOf(source.scaleType));
  // A power of two by the scales' name: still of the type, and scales that belong to
  // another weight show.
  int exponent = int(RandomBits(nameHash(source.scales)).next() % 4) - 1;
  for (double &value : result.values) {
    value = std::ldexp(value, exponent);
  }
  return result;
}

} // namespace dsv2
