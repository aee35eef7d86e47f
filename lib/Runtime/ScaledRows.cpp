//===- ScaledRows.cpp - Rows of a block-scaled matrix as f32 --------------===//
//
// The scales of a piece are those of its block rows: at most one more row of
// blocks than rows, so they are never larger than what they scale.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/ScaledRows.h"

#include "lib/Support/Float8.h"

#include <algorithm>
#include <array>
#include <cstring>

using namespace dsv2;

static std::array<float, 256> makeTable() {
  std::array<float, 256> table{};
  for (unsigned bits = 0; bits < table.size(); ++bits) {
    table[bits] = float8E4M3ToFloat(static_cast<uint8_t>(bits));
  }
  return table;
}

std::vector<uint64_t> dsv2::scalesShape(const WeightSource &source) {
  auto blocks = [](int64_t size, int64_t block) {
    return static_cast<uint64_t>((size - 1) / block + 1);
  };
  return {blocks(source.shape[0], source.blockRows), blocks(source.shape[1], source.blockColumns)};
}

std::optional<Error> ScaledMatrix::read(const Checkpoint &checkpoint, uint64_t begin, uint64_t end,
                                        std::vector<char> &scratch, float *into) const {
  static const std::array<float, 256> table = makeTable();
  uint64_t width = columns(), across = columnBlocks();
  uint64_t firstBlock = begin / blockRows, blocks = (end - 1) / blockRows - firstBlock + 1;
  uint64_t scaleBytes = blocks * across * sizeof(float), bytes = (end - begin) * width;
  // Scales first: they need the alignment.
  if (scratch.size() < scaleBytes + bytes) {
    scratch.resize(scaleBytes + bytes);
  }
  char *raw = scratch.data() + scaleBytes;
  if (std::optional<Error> failure = checkpoint.read(*scales, firstBlock * across * sizeof(float),
                                                     scaleBytes, scratch.data())) {
    return failure;
  }
  if (std::optional<Error> failure = checkpoint.read(*elements, begin * width, bytes, raw)) {
    return failure;
  }
  const float *scale = reinterpret_cast<const float *>(scratch.data());
  const auto *in = reinterpret_cast<const uint8_t *>(raw);
  for (uint64_t row = begin; row < end; ++row) {
    const float *blockScale = scale + (row / blockRows - firstBlock) * across;
    for (uint64_t column = 0; column < width; column += blockColumns) {
      uint64_t stop = std::min(width, column + blockColumns);
      for (uint64_t i = column; i < stop; ++i) {
        into[i] = table[in[i]] * *blockScale;
      }
      ++blockScale;
    }
    in += width;
    into += width;
  }
  return std::nullopt;
}
