//===- FragmentLayouts.cpp - which lane holds which element, as data ------===//
//
// The tables. Sources: PTX ISA 8.5, "Matrix fragments for mma.m16n8k16 with floating point type".
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

constexpr FragmentLayout kLayouts[] = {
    {"m16n8k16.a", 16, 16, kA16Values, kA16Lanes},
    {"m16n8k16.b", 16, 8, kB16Values, kB16Lanes},
    {"m16n8.d", 16, 8, kD16Values, kD16Lanes},
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
