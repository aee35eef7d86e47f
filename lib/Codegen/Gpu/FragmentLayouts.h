//===- FragmentLayouts.h - which lane holds which element, as data --------===//
//
// A matrix instruction takes and gives fragments: each lane of a warp (wave) holds a few values of
// a small matrix. Where value v of lane l lies is the sum of one base (row, column) for each set
// bit of v and of l. Emitters and the simulator read the same tables; a new instruction is a row
// here.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_GPU_FRAGMENTLAYOUTS_H
#define DSV2_LIB_CODEGEN_GPU_FRAGMENTLAYOUTS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace dsv2 {

struct FragmentPlace {
  int64_t row = 0, column = 0;
};

struct FragmentLayout {
  llvm::StringLiteral name;
  int64_t rows, columns;
  /// Places that the bits of a value's number, and of a lane's number, add; lowest bit first.
  llvm::ArrayRef<FragmentPlace> valueBits, laneBits;

  int64_t values() const { return int64_t(1) << valueBits.size(); }
  int64_t lanes() const { return int64_t(1) << laneBits.size(); }
  FragmentPlace ofValue(int64_t value) const { return sum(valueBits, value); }
  FragmentPlace at(int64_t lane, int64_t value) const {
    FragmentPlace a = sum(laneBits, lane), b = sum(valueBits, value);
    return {a.row + b.row, a.column + b.column};
  }

private:
  static FragmentPlace sum(llvm::ArrayRef<FragmentPlace> bases, int64_t bits);
};

/// Every layout known here.
llvm::ArrayRef<FragmentLayout> allFragmentLayouts();

/// The layout of this name, which must be among those.
///   m16n8k16.a   A [16 rows][16 k] of 16-bit elements, two neighbours in k to a register
///   m16n8k16.b   B [16 k][8 columns] of 16-bit elements, likewise
///   m16n8.d      accumulators [16 rows][8 columns]
///   wgmma64.d    accumulators [64 rows][256 columns] of 128 threads; with n columns a thread has
///   the
///                first n / 2 of the values
///   mfma16x16x16.a, .b, mfma16x16.d    of a wave of 64: four values a lane
///   wmma16x16x16.a, .b, wmma16x16.d    of a wave of 32: sixteen values a lane of the operands, in
///   both
///                                      halves of the wave; eight of the accumulators
///   mfma16x16.tile    the accumulators transposed: a lane has four neighbouring columns of a row
///   wmma16x16.tile    the same, after the rows of A were taken in the order 0 8 1 9 ... 7 15:
///   eight
///                     neighbouring columns
const FragmentLayout &fragmentLayout(llvm::StringRef name);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_GPU_FRAGMENTLAYOUTS_H
