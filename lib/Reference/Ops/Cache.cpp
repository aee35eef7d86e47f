//===- Cache.cpp - The latent cache in f64 --------------------------------===//
//
// Rows of one sequence are contiguous, so attention reads them in order.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Ops/Cache.h"

#include <algorithm>

namespace dsv2 {

LatentCache::LatentCache(int64_t layers, int64_t sequences, int64_t latentWidth, int64_t ropeWidth,
                         Rounding element)
    : layerCount(layers), sequenceCount(sequences), latent(latentWidth), rope(ropeWidth),
      element(element), slots(layers * sequences) {}

int64_t LatentCache::length(int64_t layer, int64_t sequence) const {
  return int64_t(slot(layer, sequence).latent.size()) / latent;
}

/// Copies a row of `width` to `index` of `rows`, which grows by at most one row.
static void store(std::vector<double> &rows, int64_t index, int64_t width, const double *from,
                  Rounding element) {
  int64_t begin = index * width;
  assert(begin <= int64_t(rows.size()) && "a row is appended past the end of its sequence");
  rows.resize(std::max<size_t>(rows.size(), begin + width));
  std::transform(from, from + width, rows.begin() + begin,
                 [&](double value) { return roundTo(value, element); });
}

void LatentCache::append(int64_t layer, const Tensor &latentRows, const Tensor &ropeRows,
                         const Step &step) {
  for (int64_t t = 0; t < step.rowCount(); ++t) {
    Slot &into = slots[layer * sequenceCount + step.rows[t].sequence];
    store(into.latent, step.rows[t].index, latent, latentRows.row(t), element);
    store(into.rope, step.rows[t].index, rope, ropeRows.row(t), element);
  }
}

} // namespace dsv2
