//===- Cache.h - The paged cache in f64 -------------------------*- C++ -*-===//
//
// What a model keeps of each token, layer and sequence, in parts: a latent and a
// rotated key (MLA), or K and V (grouped queries). Tokens lie in pages as they do
// in the runtime, only that pages are tiny and come in a shuffled order, so that
// every ragged batch of a few tokens crosses several. A value that was never
// stored is a NaN.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_OPS_CACHE_H
#define DSV2_LIB_REFERENCE_OPS_CACHE_H

#include "lib/Reference/Ops/Rounding.h"
#include "lib/Reference/Ops/Step.h"
#include "lib/Reference/Ops/Tensor.h"

namespace dsv2 {

class Cache {
public:
  /// Tokens of a page: divides none of the usual chunks.
  static constexpr int64_t pageTokens = 5;

  Cache() = default;
  /// `widths` of the parts; `element` is the rounding of a stored value.
  Cache(int64_t layers, int64_t sequences, std::vector<int64_t> widths, Rounding element);

  int64_t layers() const { return layerCount; }
  int64_t parts() const { return int64_t(widths.size()); }
  int64_t width(int64_t part) const { return widths[part]; }
  /// Cached tokens of a sequence in a layer.
  int64_t length(int64_t layer, int64_t sequence) const {
    return lengths[layer * sequenceCount + sequence];
  }

  /// Stores row t of each part's rows, [T, width(part)], at the place that `step`
  /// gives row t. Places that are left out stay missing.
  void append(int64_t layer, const std::vector<const Tensor *> &rows, const Step &step);

  /// The values of one part of a cached token; NaNs if they were never appended: a
  /// module that reads them is wrong, and shows it.
  const double *row(int64_t layer, int64_t part, int64_t sequence, int64_t index) const {
    bool isThere = index / pageTokens < int64_t(blockTable[sequence].size());
    return isThere ? pages[pageOf(sequence, index)].data() + offset(layer, part, index)
                   : missing.data();
  }

  /// Pages of a sequence, in its order: the block table's row.
  const std::vector<int64_t> &pagesOf(int64_t sequence) const { return blockTable[sequence]; }

private:
  int64_t pageOf(int64_t sequence, int64_t index) const {
    return blockTable[sequence][index / pageTokens];
  }
  /// Where a part of a token begins in its page.
  int64_t offset(int64_t layer, int64_t part, int64_t index) const {
    return (layer * pageTokens + index % pageTokens) * tokenWidth + begins[part];
  }
  int64_t takePage();

  int64_t layerCount = 0;
  int64_t sequenceCount = 0;
  std::vector<int64_t> widths;
  /// Where each part begins among a token's values of one layer, and their count.
  std::vector<int64_t> begins;
  int64_t tokenWidth = 0;
  Rounding element = Rounding::None;
  std::vector<int64_t> lengths;
  /// A page holds, for each layer, `pageTokens` tokens.
  std::vector<std::vector<double>> pages;
  std::vector<int64_t> freePages;
  std::vector<std::vector<int64_t>> blockTable;
  /// Stands for every token without a page.
  std::vector<double> missing;
};

/// The cached tokens of all sequences in the batch's order, this step's included:
/// for each part one [S, heads, width / heads].
std::vector<Tensor> cacheRead(const Cache &cache, int64_t layer, int64_t heads, const Step &step);

/// One part of those tokens, [S, width].
Tensor cachedRows(const Cache &cache, int64_t layer, int64_t part, const Step &step);

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_OPS_CACHE_H
