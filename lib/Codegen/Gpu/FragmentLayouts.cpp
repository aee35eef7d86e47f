//===- FragmentLayouts.cpp - which lane holds which element, as data ------===//
//
// The tables. Sources: PTX ISA 8.5, "Matrix fragments for mma.m16n8k16 with floating point type"
// and "Register fragments for wgmma.mma_async.m64nNk16";
// AMD Instinct MI300 ISA, "Dense Matrix Layouts"; RDNA3 ISA, "Wave Matrix Multiply Accumulate".
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/FragmentLayouts.h"

#include "llvm/Support/ErrorHandling.h"

namespace dsv2 {
namespace {

constexpr FragmentPlace kA16Values[] = {{0, 1}, {8, 0}, {0, 8}};
constexpr FragmentPlace kA16Lanes[] = {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}};
constexpr FragmentPlace kB16Values[] = {{1, 0}, {8, 0}};
constexpr FragmentPlace kB16Lanes[] = {{2, 0}, {4, 0}, {0, 1}, {0, 2}, {0, 4}};
constexpr FragmentPlace kD16Values[] = {{0, 1}, {8, 0}};
constexpr FragmentPlace kD16Lanes[] = {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}};

// A warpgroup's accumulators: four warps of 16 rows, and eight columns after the other.
constexpr FragmentPlace kWgmmaDValues[] = {{0, 1},  {8, 0},  {0, 8},  {0, 16},
                                           {0, 32}, {0, 64}, {0, 128}};
constexpr FragmentPlace kWgmmaDLanes[] = {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}, {16, 0}, {32, 0}};

// Four lanes share a row (column) and split k.
constexpr FragmentPlace kMfmaAValues[] = {{0, 1}, {0, 2}};
constexpr FragmentPlace kMfmaALanes[] = {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {0, 4}, {0, 8}};
constexpr FragmentPlace kMfmaBValues[] = {{1, 0}, {2, 0}};
constexpr FragmentPlace kMfmaBLanes[] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {4, 0}, {8, 0}};

// Both halves of the wave hold the operands; rows of the accumulators alternate between them.
constexpr FragmentPlace kWmmaAValues[] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}};
constexpr FragmentPlace kWmmaALanes[] = {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {0, 0}};
constexpr FragmentPlace kWmmaBValues[] = {{1, 0}, {2, 0}, {4, 0}, {8, 0}};
constexpr FragmentPlace kWmmaBLanes[] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 0}};
constexpr FragmentPlace kWmmaDValues[] = {{2, 0}, {4, 0}, {8, 0}};
constexpr FragmentPlace kWmmaDLanes[] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {1, 0}};
constexpr FragmentPlace kWmmaTileValues[] = {{0, 1}, {0, 2}, {0, 4}};
constexpr FragmentPlace kWmmaTileLanes[] = {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {0, 8}};

constexpr FragmentLayout kLayouts[] = {
    {"m16n8k16.a", 16, 16, kA16Values, kA16Lanes},
    {"m16n8k16.b", 16, 8, kB16Values, kB16Lanes},
    {"m16n8.d", 16, 8, kD16Values, kD16Lanes},
    {"wgmma64.d", 64, 256, kWgmmaDValues, kWgmmaDLanes},
    {"mfma16x16x16.a", 16, 16, kMfmaAValues, kMfmaALanes},
    {"mfma16x16x16.b", 16, 16, kMfmaBValues, kMfmaBLanes},
    {"mfma16x16.d", 16, 16, kMfmaBValues, kMfmaBLanes},
    {"mfma16x16.tile", 16, 16, kMfmaAValues, kMfmaALanes},
    {"wmma16x16x16.a", 16, 16, kWmmaAValues, kWmmaALanes},
    {"wmma16x16x16.b", 16, 16, kWmmaBValues, kWmmaBLanes},
    {"wmma16x16.d", 16, 16, kWmmaDValues, kWmmaDLanes},
    {"wmma16x16.tile", 16, 16, kWmmaTileValues, kWmmaTileLanes},
};

} // namespace

FragmentPlace FragmentLayout::sum(llvm::ArrayRef<FragmentPlace> bases, int64_t bits) {
  FragmentPlace out;
  for (auto [bit, base] : llvm::enumerate(bases)) {
    if ((bits >> bit) & 1) {
      out.row += base.row;
      out.column += base.column;
    }
  }
  return out;
}

llvm::ArrayRef<FragmentLayout> allFragmentLayouts() { return kLayouts; }

const FragmentLayout &fragmentLayout(llvm::StringRef name) {
  for (const FragmentLayout &layout : kLayouts) {
    if (layout.name == name) {
      return layout;
    }
  }
  llvm::report_fatal_error("no fragment layout of this name");
}

} // namespace dsv2
