//===- Limits.cpp - what this machine can do, measured in the run ---------===//
//
// Loops with enough independent accumulators to fill the pipelines, compiled for the instructions
// they measure and called only where the CPU has them.
//
//===----------------------------------------------------------------------===//
#include "bench/Limits.h"

#include "lib/Support/CpuTier.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <immintrin.h>
#include <sys/mman.h>

namespace dsv2::bench {
namespace {

constexpr int kRounds = 200000;
constexpr int kAccumulators = 12;

__attribute__((target("avx2,fma"))) void fma256(float *sink) {
  __m256 acc[kAccumulators], x = _mm256_set1_ps(1.0000001f), y = _mm256_set1_ps(0.9999999f);
  for (__m256 &a : acc) {
    a = _mm256_set1_ps(1.0f);
  }
  for (int i = 0; i < kRounds; ++i) {
    for (__m256 &a : acc) {
      a = _mm256_fmadd_ps(x, y, a);
    }
    __asm__ volatile("" : "+x"(x)); // keeps the product from being hoisted
  }
  for (__m256 &a : acc) {
    *sink += _mm256_cvtss_f32(a);
  }
}

__attribute__((target("avx512f"))) void fma512(float *sink) {
  __m512 acc[kAccumulators], x = _mm512_set1_ps(1.0000001f), y = _mm512_set1_ps(0.9999999f);
  for (__m512 &a : acc) {
    a = _mm512_set1_ps(1.0f);
  }
  for (int i = 0; i < kRounds; ++i) {
    for (__m512 &a : acc) {
      a = _mm512_fmadd_ps(x, y, a);
    }
    __asm__ volatile("" : "+v"(x));
  }
  for (__m512 &a : acc) {
    *sink += _mm512_cvtss_f32(a);
  }
}

__attribute__((target("avx512f,avx512bw,avx512bf16"))) void dot512(float *sink) {
  __m512 acc[kAccumulators];
  __m512i x = _mm512_set1_epi16(0x3f80), y = _mm512_set1_epi16(0x3c00);
  for (__m512 &a : acc) {
    a = _mm512_set1_ps(1.0f);
  }
  for (int i = 0; i < kRounds; ++i) {
    for (__m512 &a : acc) {
      a = _mm512_dpbf16_ps(a, (__m512bh)x, (__m512bh)y);
    }
    __asm__ volatile("" : "+v"(x));
  }
  for (__m512 &a : acc) {
    *sink += _mm512_cvtss_f32(a);
  }
}

double rate(void (*loop)(float *), const char *tier, double flopsPerRound) {
  if (!hostSupportsTier(tier)) {
    return 0.0;
  }
  float sink = 0.0f;
  return flopsPerRound * kRounds / bestTime([&] { loop(&sink); }, 0.3);
}

__attribute__((target("avx2"))) uint64_t readAll(const char *data, size_t bytes) {
  __m256i acc[8];
  for (__m256i &a : acc) {
    a = _mm256_setzero_si256();
  }
  for (size_t i = 0; i < bytes; i += 256) {
    for (int j = 0; j < 8; ++j) {
      acc[j] = _mm256_xor_si256(
          acc[j], _mm256_load_si256(reinterpret_cast<const __m256i *>(data + i + 32 * j)));
    }
  }
  uint64_t out = 0;
  for (__m256i &a : acc) {
    out ^= uint64_t(_mm256_extract_epi64(a, 0));
  }
  return out;
}

} // namespace

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double threadTime() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

double bestTime(const std::function<void()> &body, double seconds) {
  body();
  double best = 1e30, end = now() + seconds;
  do {
    double start = threadTime();
    body();
    best = std::min(best, threadTime() - start);
  } while (now() < end);
  return best;
}

double peakFma256() { return rate(fma256, "x86-64-v3", kAccumulators * 8 * 2.0); }
double peakFma512() { return rate(fma512, "x86-64-v4", kAccumulators * 16 * 2.0); }
double peakDotBf16() { return rate(dot512, "x86-64-v4-bf16", kAccumulators * 16 * 4.0); }

double readBandwidth(size_t bytes) {
  if (!hostSupportsTier("x86-64-v3")) {
    return 0.0;
  }
  bytes = bytes / 256 * 256;
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return 0.0;
  }
  madvise(memory, bytes, MADV_HUGEPAGE);
  std::memset(memory, 1, bytes);
  volatile uint64_t sink = 0;
  double best =
      bestTime([&] { sink = sink + readAll(static_cast<const char *>(memory), bytes); }, 0.5);
  munmap(memory, bytes);
  return double(bytes) / best;
}

} // namespace dsv2::bench
