//===- PagedCache.cpp - Pages of the latent cache -------------------------===//
//
// A free list and block lists.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/PagedCache.h"

#include <algorithm>
#include <random>

using namespace dsv2;

PagePool::PagePool(int32_t count, uint64_t seed) : total(count) {
  pages.reserve(static_cast<size_t>(count));
  for (int32_t page = count; page-- > 0;) {
    pages.push_back(page);
  }
  if (seed != 0) {
    // Spelled out, since std::shuffle differs between libraries.
    std::mt19937_64 random(seed);
    for (size_t i = pages.size(); i > 1; --i) {
      std::swap(pages[i - 1], pages[random() % i]);
    }
  }
}

int32_t PagePool::take() {
  int32_t page = pages.back();
  pages.pop_back();
  return page;
}

void PagePool::give(int32_t page) { pages.push_back(page); }

int64_t PagedSequence::missingPages(int64_t tokens, int64_t pageTokens) const {
  int64_t needed = (length + tokens + pageTokens - 1) / pageTokens;
  return std::max<int64_t>(0, needed - static_cast<int64_t>(pages.size()));
}

void PagedSequence::shorten(int64_t tokens, int64_t pageTokens, PagePool &pool) {
  length = std::min(length, tokens);
  size_t kept = static_cast<size_t>((length + pageTokens - 1) / pageTokens);
  while (pages.size() > kept) {
    pool.give(pages.back());
    pages.pop_back();
  }
}
