//===- KernelBench.cpp - one kernel's figures beside the machine's limits -===//
//
// Buffers hold small numbers, never denormals or NaN. Weights and cache that must come from DRAM
// are taken in turn from a ring several times the size of the last cache.
//
//===----------------------------------------------------------------------===//
#include "bench/KernelBench.h"

#include "bench/Limits.h"

#include <cstdio>
#include <cstring>
#include <immintrin.h>
#include <memory>
#include <sys/mman.h>
#include <vector>

namespace dsv2::bench {
namespace {

constexpr size_t kFarBytes = size_t(320) << 20;
constexpr double kSeconds = 0.5;

/// Huge-page memory filled with a small number of the element type.
class Memory {
public:
  Memory(size_t elements, bool bf16)
      : bytes(elements * (bf16 ? 2 : 4) + 4096), width(bf16 ? 2 : 4) {
    data = static_cast<char *>(
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    madvise(data, bytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < bytes / width; ++i) {
      float value = 0.01f + 0.001f * float(i % 31);
      uint32_t word;
      std::memcpy(&word, &value, 4);
      word = bf16 ? word >> 16 : word;
      std::memcpy(data + i * width, &word, width);
    }
  }
  Memory(const Memory &) = delete;
  ~Memory() { munmap(data, bytes); }
  uint64_t slot(size_t element = 0) const {
    return reinterpret_cast<uint64_t>(data + element * width);
  }

private:
  size_t bytes, width;
  char *data;
};

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

} // namespace

MachineLimits MachineLimits::measure() {
  _mm_setcsr(_mm_getcsr() | 0x8040); // as the runtime's workers
  return {peakFma256(), peakFma512(), peakDotBf16(), readBandwidth(kFarBytes)};
}

double MachineLimits::peak(const std::string &tier, bool bf16) const {
  if (tier == "x86-64-v4-bf16") {
    return bf16 ? dot : fma512;
  }
  return tier == "x86-64-v4" ? fma512 : fma256;
}

void benchMatmul(const std::string &tier, const RunKernel &kernel, const MatmulShape &shape,
                 int64_t rows, const MachineLimits &limits) {
  int64_t pair = shape.bf16 ? 2 : 1, panels = ceilDiv(shape.n, 64);
  size_t weight = size_t(panels * ceilDiv(shape.k, pair) * 64 * pair);
  size_t weightBytes = weight * (shape.bf16 ? 2 : 4);
  size_t copies = rows <= 16 ? kFarBytes / weightBytes + 1 : 1;
  Memory a(size_t(rows * shape.aRowStride), shape.bf16), w(copies * weight, shape.bf16);
  Memory out(size_t(rows * shape.outRowStride), shape.outBf16),
      residual(size_t(rows * shape.outRowStride), false);
  size_t turn = 0;
  double seconds = bestTime(
      [&] {
        std::vector<uint64_t> slots = {a.slot(), w.slot(weight * (turn++ % copies))};
        if (shape.add) {
          slots.push_back(residual.slot());
        }
        slots.push_back(out.slot());
        slots.push_back(uint64_t(rows));
        kernel(slots.data(), panels);
      },
      kSeconds);
  double flops = 2.0 * double(rows) * double(shape.n) * double(shape.k) / seconds;
  double bytes = double(weightBytes) / seconds, peak = limits.peak(tier, shape.bf16);
  std::printf("%-15s matmul %s %5ld x %5ld M = %4ld: %8.1f us  %7.1f GFLOP/s %5.1f%% of peak  "
              "%6.1f GB/s %5.1f%% of "
              "read bandwidth\n",
              tier.c_str(), shape.bf16 ? "bf16" : "f32 ", long(shape.k), long(shape.n), long(rows),
              seconds * 1e6, flops * 1e-9, 100 * flops / peak, bytes * 1e-9,
              100 * bytes / limits.read);
}

void benchAttention(const std::string &tier, const RunKernel &kernel, const AttentionShape &shape,
                    int64_t context, const MachineLimits &limits) {
  int64_t pages = ceilDiv(context, shape.pageTokens);
  size_t cacheElements = size_t(pages * shape.pageTokens * shape.rowElements);
  size_t copies = kFarBytes / (cacheElements * (shape.bf16 ? 2 : 4)) + 1;
  Memory q(size_t(shape.qStride), shape.bf16), rope(size_t(shape.ropeStride), shape.bf16);
  Memory cache(copies * cacheElements, shape.bf16), out(size_t(shape.outStride), shape.outBf16);
  std::vector<int32_t> table(static_cast<size_t>(pages)), length = {int32_t(context)},
                                                          sequence = {0};
  for (int64_t page = 0; page < pages; ++page) {
    table[size_t(page)] = int32_t((page * 7 + 3) % pages);
  }
  auto address = [](const std::vector<int32_t> &values) {
    return reinterpret_cast<uint64_t>(values.data());
  };
  for (bool far : {false, true}) {
    size_t turn = 0;
    double seconds = bestTime(
        [&] {
          uint64_t slots[] = {q.slot(),
                              rope.slot(),
                              cache.slot(far ? cacheElements * (turn++ % copies) : 0),
                              address(table),
                              address(length),
                              address(sequence),
                              out.slot()};
          kernel(slots, ceilDiv(shape.heads, 16));
        },
        kSeconds);
    double flops =
        2.0 * double(shape.heads * context) * double(2 * shape.latent + shape.rope) / seconds;
    std::printf("%-15s latent attention %s, %ld heads, %ld cached tokens (%s): %8.1f us, %5.1f ns "
                "a token, %7.1f "
                "GFLOP/s %5.1f%% of peak\n",
                tier.c_str(), shape.bf16 ? "bf16" : "f32", long(shape.heads), long(context),
                far ? "DRAM" : "near", seconds * 1e6, seconds * 1e9 / double(context), flops * 1e-9,
                100 * flops / limits.peak(tier, shape.bf16));
  }
}

} // namespace dsv2::bench
