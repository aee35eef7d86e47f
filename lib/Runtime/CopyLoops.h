//===- CopyLoops.h - Strided copies with a cast -----------------*- C++ -*-===//
//
// The loops behind every prepared weight: packing, transposing, slicing,
// merging and casting are all one box of strided elements. They are ordered so
// that both sides stay in cache, whatever the permutation.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_COPYLOOPS_H
#define DSV2_LIB_RUNTIME_COPYLOOPS_H

#include "lib/Artifact/Program.h"

#include <vector>

namespace dsv2 {

/// A box of elements to copy, brought into the order that the loops like: dims
/// of extent 1 gone, adjacent ones merged, descending source stride.
class StridedCopy {
public:
  /// Types are F32 or BF16. Offsets are in elements.
  StridedCopy(const WeightCopy &copy, ElementType from, ElementType to);

  /// Copies those elements whose source offset lies in [begin, end). `source` is
  /// the element at offset `begin`; `destination` is what dstOffset counts from.
  /// Bounds are the caller's business:
  /// copySourceEnd() and copyDestinationEnd(). Safe from several threads.
  void run(const void *source, int64_t begin, int64_t end, void *destination) const;

private:
  struct Window {
    const char *source; ///< the element at `begin`
    char *destination;
    int64_t begin, end;
  };
  void walk(const Window &window, size_t level, int64_t sourceAt, int64_t destinationAt) const;
  /// The first `extent` steps along `level`, all inside the window.
  void copyBox(const Window &window, size_t level, int64_t extent, int64_t sourceAt,
               int64_t destinationAt) const;

  ElementType from, to;
  int64_t sourceOffset, destinationOffset;
  std::vector<CopyDim> dims;
  std::vector<int64_t> spans; ///< from each level on: largest minus smallest source offset
};

/// One past the largest source and destination offset that `copy` touches (of
/// its first expert), or -1 when they do not fit 62 bits.
int64_t copySourceEnd(const WeightCopy &copy);
int64_t copyDestinationEnd(const WeightCopy &copy);

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_COPYLOOPS_H
