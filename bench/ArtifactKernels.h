//===- ArtifactKernels.h - finds an artifact's kernels and times them -----===//
//
// An artifact stores no shapes of kernels: they are read off the dispatches, whose weights and
// buffers have sizes.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_BENCH_ARTIFACTKERNELS_H
#define DSV2_BENCH_ARTIFACTKERNELS_H

#include "bench/KernelBench.h"
#include "lib/Artifact/Program.h"
#include "lib/Support/Error.h"

namespace dsv2::bench {

struct KernelSelection {
  int64_t context = 4096; ///< cached tokens of decode attention
  bool all = false;       ///< every matmul shape, else 2048 x 3072 alone
};

/// Loads the variant's code and prints a line for each figure; how many there were. Fails when the
/// code does not load or a shape contradicts itself. The caller has checked trust and tier.
Expected<size_t> benchVariant(const Variant &variant, const KernelSelection &selection,
                              const MachineLimits &limits);

} // namespace dsv2::bench

#endif // DSV2_BENCH_ARTIFACTKERNELS_H
