//===- CpuTier.cpp - which compiled tier this machine can run -------------===//
//
// Reads the feature bits themselves instead of asking a compiler's runtime, so that the answer does
// not depend on which compiler built the tool.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/CpuTier.h"

#include <array>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace dsv2 {
namespace {

struct Features {
  bool v3 = false, v4 = false, v4bf16 = false;
};

#if defined(__x86_64__)
struct Leaf {
  uint32_t a = 0, b = 0, c = 0, d = 0;
};

Leaf readLeaf(uint32_t leaf, uint32_t subleaf = 0) {
  Leaf out;
  if (__get_cpuid_count(leaf, subleaf, &out.a, &out.b, &out.c, &out.d) == 0) {
    return {};
  }
  return out;
}

/// Register state that the operating system saves (XCR0).
uint64_t savedState() {
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t(high) << 32) | low;
}

bool hasAll(uint32_t word, std::initializer_list<unsigned> bits) {
  for (unsigned bit : bits) {
    if (((word >> bit) & 1) == 0) {
      return false;
    }
  }
  return true;
}

Features detect() {
  Features out;
  Leaf one = readLeaf(1), seven = readLeaf(7), sevenOne = readLeaf(7, 1),
       extended = readLeaf(0x80000001);
  // FMA, SSSE3.. are implied by AVX2 machines, yet each is asked: FMA 12, MOVBE 22, OSXSAVE 27, AVX
  // 28, F16C 29.
  if (!hasAll(one.c, {12, 22, 27, 28, 29})) {
    return out;
  }
  uint64_t state = savedState();
  bool ymm = (state & 0x6) == 0x6, zmm = (state & 0xe6) == 0xe6;
  // BMI1 3, AVX2 5, BMI2 8; LZCNT 5 of the extended leaf.
  out.v3 = ymm && hasAll(seven.b, {3, 5, 8}) && hasAll(extended.c, {5});
  // AVX-512: F 16, DQ 17, CD 28, BW 30, VL 31.
  out.v4 = out.v3 && zmm && hasAll(seven.b, {16, 17, 28, 30, 31});
  // VNNI 11 of leaf 7, BF16 5 of its first subleaf.
  out.v4bf16 = out.v4 && hasAll(seven.c, {11}) && hasAll(sevenOne.a, {5});
  return out;
}
#else
Features detect() { return {}; }
#endif

const Features &hostFeatures() {
  static const Features features = detect();
  return features;
}

} // namespace

const std::vector<std::string> &knownCpuTiers() {
  static const std::vector<std::string> tiers = {"x86-64-v3", "x86-64-v4", "x86-64-v4-bf16"};
  return tiers;
}

bool hostSupportsTier(std::string_view tier) {
  const Features &host = hostFeatures();
  if (tier == "x86-64-v3") {
    return host.v3;
  }
  if (tier == "x86-64-v4") {
    return host.v4;
  }
  return tier == "x86-64-v4-bf16" && host.v4bf16;
}

std::string bestHostTier() {
  const std::vector<std::string> &tiers = knownCpuTiers();
  for (auto it = tiers.rbegin(); it != tiers.rend(); ++it) {
    if (hostSupportsTier(*it)) {
      return *it;
    }
  }
  return "";
}

std::string hostCpuName() {
#if defined(__x86_64__)
  if (readLeaf(0x80000000).a >= 0x80000004) {
    std::array<char, 49> text{};
    for (uint32_t i = 0; i < 3; ++i) {
      Leaf part = readLeaf(0x80000002 + i);
      std::memcpy(text.data() + 16 * i, &part, 16);
    }
    std::string name(text.data());
    while (!name.empty() && name.back() == ' ') {
      name.pop_back();
    }
    return name;
  }
#endif
  return "unknown";
}

} // namespace dsv2
