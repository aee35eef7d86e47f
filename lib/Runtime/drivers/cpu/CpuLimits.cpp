//===- CpuLimits.cpp - The speed that this CPU has right now --------------===//
//
// Chains of independent multiply-adds that never leave the registers, and
// sums over memory that no cache holds. The best of several passes counts: a
// limit is what the machine can do, not what it did while others ran.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/cpu/CpuLimits.h"

#include "lib/Runtime/drivers/cpu/HostMemory.h"
#include "lib/Runtime/drivers/cpu/ThreadPool.h"
#include "lib/Support/CpuTier.h"

#include <algorithm>
#include <chrono>
#include <immintrin.h>

using namespace dsv2;

static constexpr uint64_t kReadBytes = 256u << 20; ///< of each worker
static constexpr int64_t kChainSteps = 1 << 21;
static constexpr int kPasses = 5;

namespace {
/// One measurement, run by all workers.
struct Probe {
  void (*run)(const Probe &, unsigned worker);
  const char *memory = nullptr;
};
/// Keeps results alive; never true.
volatile float sink;
} // namespace

__attribute__((target("avx512f"))) static void read512(const Probe &probe, unsigned worker) {
  const char *from = probe.memory + kReadBytes * worker;
  __m512i sum[4] = {};
  for (uint64_t at = 0; at < kReadBytes; at += 512) {
    for (int i = 0; i < 8; ++i) {
      _mm_prefetch(from + at + 4096 + 64 * i, _MM_HINT_T0);
      sum[i % 4] = _mm512_or_si512(sum[i % 4], _mm512_load_si512(from + at + 64 * i));
    }
  }
  __m512i all = _mm512_or_si512(_mm512_or_si512(sum[0], sum[1]), _mm512_or_si512(sum[2], sum[3]));
  sink = static_cast<float>(_mm512_reduce_or_epi32(all));
}

__attribute__((target("avx2"))) static void read256(const Probe &probe, unsigned worker) {
  const char *from = probe.memory + kReadBytes * worker;
  __m256i sum[4] = {};
  for (uint64_t at = 0; at < kReadBytes; at += 256) {
    for (int i = 0; i < 8; ++i) {
      if (i % 2 == 0) {
        _mm_prefetch(from + at + 4096 + 32 * i, _MM_HINT_T0);
      }
      const auto *line = reinterpret_cast<const __m256i *>(from + at + 32 * i);
      sum[i % 4] = _mm256_or_si256(sum[i % 4], _mm256_load_si256(line));
    }
  }
  __m256i all = _mm256_or_si256(_mm256_or_si256(sum[0], sum[1]), _mm256_or_si256(sum[2], sum[3]));
  sink = static_cast<float>(_mm256_extract_epi32(all, 0));
}

/// Enough chains to cover a latency of 4-5 cycles on two ports.
static constexpr int kChains = 12;

__attribute__((target("avx2,fma"))) static void fma256(const Probe &, unsigned) {
  __m256 sum[kChains] = {};
  __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);
  for (int64_t i = 0; i < kChainSteps; ++i) {
    for (int chain = 0; chain < kChains; ++chain) {
      sum[chain] = _mm256_fmadd_ps(sum[chain], a, b);
    }
    // Without this the compiler may notice that all chains are equal.
    for (int chain = 0; chain < kChains; ++chain) {
      asm volatile("" : "+x"(sum[chain]));
    }
  }
  sink = _mm256_cvtss_f32(sum[0]);
}

__attribute__((target("avx512f"))) static void fma512(const Probe &, unsigned) {
  __m512 sum[kChains] = {};
  __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(0.001f);
  for (int64_t i = 0; i < kChainSteps; ++i) {
    for (int chain = 0; chain < kChains; ++chain) {
      sum[chain] = _mm512_fmadd_ps(sum[chain], a, b);
    }
    for (int chain = 0; chain < kChains; ++chain) {
      asm volatile("" : "+v"(sum[chain]));
    }
  }
  sink = _mm512_cvtss_f32(sum[0]);
}

__attribute__((target("avx512f,avx512bf16"))) static void dot512(const Probe &, unsigned) {
  __m512 sum[kChains] = {};
  __m512bh a = reinterpret_cast<__m512bh>(_mm512_set1_epi16(0x3f80));
  for (int64_t i = 0; i < kChainSteps; ++i) {
    for (int chain = 0; chain < kChains; ++chain) {
      sum[chain] = _mm512_dpbf16_ps(sum[chain], a, a);
    }
    for (int chain = 0; chain < kChains; ++chain) {
      asm volatile("" : "+v"(sum[chain]));
    }
  }
  sink = _mm512_cvtss_f32(sum[0]);
}

/// Seconds of the fastest pass over all workers.
static double fastest(ThreadPool &pool, const Probe &probe) {
  double best = 1e30;
  for (int pass = 0; pass < kPasses; ++pass) {
    auto begin = std::chrono::steady_clock::now();
    pool.run(
        [](void *context, unsigned worker) {
          const Probe &probe = *static_cast<const Probe *>(context);
          probe.run(probe, worker);
        },
        const_cast<Probe *>(&probe));
    double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    best = std::min(best, seconds);
  }
  return best;
}

Expected<DeviceLimits> dsv2::measureCpuLimits(const DriverOptions &options, std::string_view tier) {
  if (!hostSupportsTier(tier)) {
    return Error(ErrorKind::Unsupported, "this CPU cannot run tier ", quote(tier));
  }
  unsigned workers = options.threads == 0 ? std::min(usableCpus(), 1024u) : options.threads;
  Expected<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(workers);
  if (!pool) {
    return pool.takeError();
  }
  bool wide = tier != "x86-64-v3";
  DeviceLimits limits;
  {
    // One page more, for the prefetches past the end.
    Expected<std::unique_ptr<HostMemory>> memory =
        HostMemory::allocate(kReadBytes * workers + 8192, true);
    if (!memory) {
      return memory.takeError();
    }
    Probe probe{wide ? read512 : read256, static_cast<const char *>((*memory)->host())};
    double bytes = static_cast<double>(kReadBytes) * workers;
    limits.readBytesPerSecond = bytes / fastest(**pool, probe);
  }
  double steps = static_cast<double>(kChainSteps) * kChains * workers;
  double f32 = steps * (wide ? 32 : 16) / fastest(**pool, {wide ? fma512 : fma256});
  double bf16 = tier == "x86-64-v4-bf16" ? steps * 64 / fastest(**pool, {dot512}) : f32;
  limits.peakFlops = {{"f32", f32}, {"bf16", bf16}};
  return limits;
}
