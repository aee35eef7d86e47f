//===- Limits.h - what this machine can do, measured in the run -----------===//
//
// Every figure of a benchmark stands beside one of these, measured in the same process, because
// cores and memory are shared with others. One thread unless said.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_BENCH_LIMITS_H
#define DSV2_BENCH_LIMITS_H

#include <cstddef>
#include <functional>

namespace dsv2::bench {

/// Seconds on the steady clock.
double now();

/// Seconds that this thread has run: the turns of other processes on a shared core do not count.
double threadTime();

/// Runs `body` for at least `seconds` (after one warming call) and returns the shortest thread time
/// of one call.
double bestTime(const std::function<void()> &body, double seconds);

/// f32 FLOP/s of independent fused multiply-adds in 256-bit and in 512-bit registers; 0 where the
/// CPU has none.
double peakFma256();
double peakFma512();
/// FLOP/s of bf16 pair dot products (4 a lane); 0 where the CPU has none.
double peakDotBf16();

/// Bytes per second of reading `bytes` of memory (choose several times the last cache) in order,
/// best of some runs.
double readBandwidth(size_t bytes);

} // namespace dsv2::bench

#endif // DSV2_BENCH_LIMITS_H
