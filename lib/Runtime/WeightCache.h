//===- WeightCache.h - Prepared weights on disk -----------------*- C++ -*-===//
//
// Preparing reads and rewrites every byte of a checkpoint, so the result is
// kept. A file is named by everything that it depends on: the artifact's weight
// tables and each source's name, size, time of change and header. It appears
// under that name complete or not at all, and each part of it carries a hash
// that is checked whenever it is read, so that a changed checkpoint, another
// artifact or a damaged file leads to preparing anew, never to wrong weights.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_WEIGHTCACHE_H
#define DSV2_LIB_RUNTIME_WEIGHTCACHE_H

#include "lib/Checkpoint/Checkpoint.h"
#include "lib/Runtime/WeightLayout.h"
#include "lib/Support/Sha256.h"

#include <string>

namespace dsv2 {

/// The hash that names the prepared weights of these tables and this checkpoint.
Sha256Digest weightCacheKey(const std::vector<Weight> &weights, const Checkpoint &checkpoint);

/// DIRECTORY/weights-KEY.bin
std::string weightCachePath(const std::string &directory, const Sha256Digest &key);

/// Whether a file was used, and if it was there but could not be, why.
struct WeightCacheRead {
  bool used = false;
  std::string refused; ///< empty when there is no file
};

/// Reads the file into `destination` (`bytes` long) if it is whole and its
/// hashes hold; otherwise `destination` is left in an undefined state.
WeightCacheRead readWeightCache(const std::string &path, const Sha256Digest &key, void *destination,
                                uint64_t bytes, unsigned threads);

/// Writes the file atomically, making its directory if needed.
std::optional<Error> writeWeightCache(const std::string &path, const Sha256Digest &key,
                                      const void *source, uint64_t bytes, unsigned threads);

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_WEIGHTCACHE_H
