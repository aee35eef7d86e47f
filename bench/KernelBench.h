//===- KernelBench.h - one kernel's figures beside the machine's limits ---===//
//
// Knows how a kernel is called and what its work is, not where it came from.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_BENCH_KERNELBENCH_H
#define DSV2_BENCH_KERNELBENCH_H

#include <cstdint>
#include <functional>
#include <string>

namespace dsv2::bench {

/// Runs all items of a kernel on the calling thread.
using RunKernel = std::function<void(const uint64_t *slots, int64_t items)>;

/// Limits of one thread, measured in this run.
struct MachineLimits {
  double fma256 = 0, fma512 = 0, dot = 0; ///< FLOP/s
  double read = 0;                        ///< bytes/s
  static MachineLimits measure();
  /// Peak of a contraction of a tier and element type.
  double peak(const std::string &tier, bool bf16) const;
};

struct MatmulShape {
  int64_t n = 0, k = 0;
  int64_t aRowStride = 0, outRowStride = 0; ///< elements
  bool bf16 = false, outBf16 = false, add = false;
};

/// Prints FLOP/s and share of peak for `rows` rows with the weight near (rows > 1), and bytes per
/// second and share of the read bandwidth for one row with the weight in DRAM.
void benchMatmul(const std::string &tier, const RunKernel &kernel, const MatmulShape &shape,
                 int64_t rows, const MachineLimits &limits);

struct AttentionShape {
  int64_t heads = 0, latent = 0, rope = 0, rowElements = 0, pageTokens = 0;
  int64_t qStride = 0, ropeStride = 0, outStride = 0; ///< elements of one row of the step
  bool bf16 = false, outBf16 = false;
};

/// Prints the time of decoding one row over `context` cached tokens by the sequential schedule, and
/// FLOP/s.
void benchAttention(const std::string &tier, const RunKernel &kernel, const AttentionShape &shape,
                    int64_t context, const MachineLimits &limits);

} // namespace dsv2::bench

#endif // DSV2_BENCH_KERNELBENCH_H
