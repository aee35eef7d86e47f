//===- PagedCache.h - Pages of the latent cache -----------------*- C++ -*-===//
//
// The cache of all layers is cut into pages of some tokens. A sequence owns the
// pages that its context fills, in any order; a page number is the same in
// every layer. This is the bookkeeping; the memory belongs to the session.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_PAGEDCACHE_H
#define DSV2_LIB_RUNTIME_PAGEDCACHE_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dsv2 {

/// Hands out pages 0 .. count - 1.
class PagePool {
public:
  /// `seed` 0: ascending; otherwise in an order that the seed shuffles, for
  /// tests that no result depends on it.
  explicit PagePool(int32_t count, uint64_t seed = 0);

  int64_t free() const { return static_cast<int64_t>(pages.size()); }
  int64_t count() const { return total; }
  /// One page; there must be one.
  int32_t take();
  void give(int32_t page);

private:
  int64_t total;
  std::vector<int32_t> pages; ///< free ones, taken from the back
};

/// The pages of one sequence and how much of them is filled.
struct PagedSequence {
  int64_t length = 0; ///< cached tokens
  std::vector<int32_t> pages;

  /// Pages to take before `tokens` more fit.
  int64_t missingPages(int64_t tokens, int64_t pageTokens) const;
  /// The row of the cache for the token at `place`.
  int64_t slot(int64_t place, int64_t pageTokens) const {
    return pages[static_cast<std::size_t>(place / pageTokens)] * pageTokens + place % pageTokens;
  }
  /// Shortens to `tokens` and returns the pages that are empty now.
  void shorten(int64_t tokens, int64_t pageTokens, PagePool &pool);
};

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_PAGEDCACHE_H
