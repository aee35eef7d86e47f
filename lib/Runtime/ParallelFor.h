//===- ParallelFor.h - A few threads for coarse jobs ------------*- C++ -*-===//
//
// Preparing and reading weights is a list of jobs of some milliseconds each.
// Threads that cannot be started are done without.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_PARALLELFOR_H
#define DSV2_LIB_RUNTIME_PARALLELFOR_H

#include "lib/Support/Error.h"

#include <cstdint>
#include <functional>

namespace dsv2 {

/// Calls `job(i)` for i = 0 .. count - 1, from up to `threads` threads (the
/// caller's among them). After a failure no further job starts; the failure of
/// the smallest i that failed comes back.
std::optional<Error> parallelFor(unsigned threads, uint64_t count,
                                 const std::function<std::optional<Error>(uint64_t)> &job);

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_PARALLELFOR_H
