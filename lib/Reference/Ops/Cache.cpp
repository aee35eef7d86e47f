//===- Cache.cpp - The paged cache in f64 ---------------------------------===//
//
// Pages are made a few at a time and handed out in another order, so neighbours
// of a sequence are neighbours in memory by chance only.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Ops/Cache.h"

#include <algorithm>
#include <limits>

namespace dsv2 {

Cache::Cache(int64_t layers, int64_t sequences, std::vector<int64_t> partWidths, Rounding element)
    : layerCount(layers), sequenceCount(sequences), widths(std::move(partWidths)), element(element),
      lengths(layers * sequences), blockTable(sequences) {
  for (int64_t width : widths) {
    begins.push_back(tokenWidth);
    tokenWidth += width;
  }
  missing.assign(tokenWidth, std::numeric_limits<double>::quiet_NaN());
}

int64_t Cache::takePage() {
  if (freePages.empty()) {
    // 5 and 8 have no common factor: the order is a permutation, 0 5 2 7 4 1 6 3.
    constexpr int64_t batch = 8, stride = 5;
    int64_t first = int64_t(pages.size());
    for (int64_t i = 0; i < batch; ++i) {
      pages.emplace_back(layerCount * pageTokens * tokenWidth,
                         std::numeric_limits<double>::quiet_NaN());
      freePages.push_back(first + i * stride % batch);
    }
  }
  int64_t page = freePages.back();
  freePages.pop_back();
  return page;
}

void Cache::append(int64_t layer, const std::vector<const Tensor *> &rows, const Step &step) {
  assert(int64_t(rows.size()) == parts() && "rows of every part");
  for (int64_t t = 0; t < step.rowCount(); ++t) {
    int64_t sequence = step.rows[t].sequence, index = step.rows[t].index;
    int64_t &length = lengths[layer * sequenceCount + sequence];
    length = std::max(length, index + 1);
    while (int64_t(blockTable[sequence].size()) * pageTokens <= index) {
      blockTable[sequence].push_back(takePage());
    }
    for (int64_t part = 0; part < parts(); ++part) {
      assert(rows[part]->rowWidth() == width(part) && "rows of the part's width");
      std::transform(rows[part]->row(t), rows[part]->row(t) + width(part),
                     pages[pageOf(sequence, index)].begin() + offset(layer, part, index),
                     [&](double value) { return roundTo(value, element); });
    }
  }
}

Tensor cachedRows(const Cache &cache, int64_t layer, int64_t part, const Step &step) {
  Tensor rows({step.contextRows(), cache.width(part)});
  int64_t row = 0;
  for (int64_t s = 0; s < int64_t(step.contexts.size()); ++s) {
    for (int64_t i = 0; i < step.contexts[s]; ++i, ++row) {
      std::copy_n(cache.row(layer, part, s, i), cache.width(part), rows.row(row));
    }
  }
  return rows;
}

std::vector<Tensor> cacheRead(const Cache &cache, int64_t layer, int64_t heads, const Step &step) {
  std::vector<Tensor> parts;
  for (int64_t part = 0; part < cache.parts(); ++part) {
    assert(cache.width(part) % heads == 0 && "heads fill the part");
    parts.push_back(cachedRows(cache, layer, part, step));
    parts.back().shape = {step.contextRows(), heads, cache.width(part) / heads};
  }
  return parts;
}

} // namespace dsv2
