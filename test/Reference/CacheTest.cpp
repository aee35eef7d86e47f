//===- CacheTest.cpp - Pages of the oracle's cache ------------------------===//
//
// Rows come back from wherever their pages lie, whatever the order in which
// sequences grow.
//
//===----------------------------------------------------------------------===//
#include "Values.h"

#include "lib/Reference/Ops/Cache.h"

#include <set>

using namespace dsv2;

namespace {

/// The value that stands for a token in a layer and part.
double valueOf(int64_t layer, int64_t part, int64_t sequence, int64_t index) {
  return double(((layer * 2 + part) * 3 + sequence) * 100 + index);
}

/// Appends `lengths` tokens of each sequence to both layers.
void grow(Cache &cache, const std::vector<int64_t> &lengths, const std::vector<int64_t> &cached) {
  Step step = makeStep(lengths, cached);
  for (int64_t layer = 0; layer < 2; ++layer) {
    Tensor wide({step.rowCount(), 3}), narrow({step.rowCount(), 1});
    for (int64_t t = 0; t < step.rowCount(); ++t) {
      const StepRow &row = step.rows[t];
      std::fill_n(wide.row(t), 3, valueOf(layer, 0, row.sequence, row.index));
      narrow.row(t)[0] = valueOf(layer, 1, row.sequence, row.index);
    }
    cache.append(layer, {&wide, &narrow}, step);
  }
}

TEST(Cache, KeepsRaggedSequencesInShuffledPages) {
  Cache cache(2, 3, {3, 1}, Rounding::None);
  grow(cache, {7, 0, 12}, {0, 0, 0});
  grow(cache, {6, 9, 1}, {7, 0, 12});
  std::vector<int64_t> lengths = {13, 9, 13};
  std::set<int64_t> pages;
  for (int64_t s = 0; s < 3; ++s) {
    EXPECT_EQ(cache.length(1, s), lengths[s]);
    EXPECT_EQ(int64_t(cache.pagesOf(s).size()),
              (lengths[s] + Cache::pageTokens - 1) / Cache::pageTokens);
    pages.insert(cache.pagesOf(s).begin(), cache.pagesOf(s).end());
    for (int64_t layer = 0; layer < 2; ++layer) {
      for (int64_t i = 0; i < lengths[s]; ++i) {
        EXPECT_EQ(cache.row(layer, 0, s, i)[2], valueOf(layer, 0, s, i));
        EXPECT_EQ(cache.row(layer, 1, s, i)[0], valueOf(layer, 1, s, i));
      }
    }
  }
  EXPECT_EQ(pages.size(), 8u) << "a page belongs to one sequence";
  const std::vector<int64_t> &first = cache.pagesOf(0);
  for (size_t i = 1; i < first.size(); ++i) {
    EXPECT_NE(first[i], first[i - 1] + 1) << "pages in the order of memory";
  }
}

TEST(Cache, WhatWasNeverStoredIsNoNumber) {
  Cache cache(2, 1, {3, 1}, Rounding::None);
  Step step = makeStep({1});
  Tensor wide({1, 3}), narrow({1, 1});
  cache.append(0, {&wide, &narrow}, step);
  EXPECT_EQ(cache.row(0, 0, 0, 0)[0], 0.0);
  EXPECT_TRUE(std::isnan(cache.row(1, 0, 0, 0)[0])) << "layer 1 got no token";
  EXPECT_TRUE(std::isnan(cache.row(0, 0, 0, 1)[2])) << "the page has a token only";
  EXPECT_TRUE(std::isnan(cache.row(0, 1, 0, 100)[0])) << "no page";
}

TEST(Cache, ReadsPartsAsHeads) {
  Cache cache(1, 2, {4, 2}, Rounding::None);
  Step step = makeStep({2, 1});
  Tensor k({3, 4}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}), v({3, 2}, {0, 1, 2, 3, 4, 5});
  cache.append(0, {&k, &v}, step);
  std::vector<Tensor> parts = cacheRead(cache, 0, 2, step);
  EXPECT_EQ(parts[0].shape, (std::vector<int64_t>{3, 2, 2}));
  EXPECT_EQ(parts[1].shape, (std::vector<int64_t>{3, 2, 1}));
  EXPECT_EQ(parts[0].values, k.values) << "rows of the batch in order";
  EXPECT_EQ(parts[1].values, v.values);
}

} // namespace
