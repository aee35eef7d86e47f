//===- Pieces.h - A tensor as boxes of checkpoint tensors -------------------------------------===//
//
// Data movement without data: a tensor is a list of disjoint boxes, each a strided window of one
// source tensor. Slices, concatenations, transposes and reshapes only rewrite the boxes. A box that
// does not fit a reshape is cut until its parts do, so every composition of these ops ends in plain
// strided copies.
//
//===------------------------------------------------------------------------------------------===//

#ifndef DSV2_CONVERSION_PREPARETOCOPIES_PIECES_H
#define DSV2_CONVERSION_PREPARETOCOPIES_PIECES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace mlir::dsv2 {

/// One dimension of a box: indices [offset, offset + size) of the tensor; `stride` source elements
/// apart.
struct PieceDim {
  int64_t offset = 0, size = 1, stride = 0;
};

struct Piece {
  unsigned source = 0; ///< number of the source tensor (family)
  int64_t base = 0;    ///< source element at the box's origin
  int64_t expert = 0;  ///< expert at the box's origin
  int expertDim = -1;  ///< dimension along which the expert grows by one, -1: none
  llvm::SmallVector<PieceDim, 6> dims;
};

/// A tensor of static shape as pieces; what no piece covers is zero.
struct PieceTensor {
  llvm::SmallVector<int64_t, 6> shape;
  llvm::SmallVector<Piece, 4> pieces;

  /// The whole of one source; with experts, dimension 0 counts them from `firstExpert`.
  static PieceTensor whole(unsigned source, llvm::ArrayRef<int64_t> tensorShape, int64_t experts,
                           int64_t firstExpert);

  void slice(llvm::ArrayRef<int64_t> offsets, llvm::ArrayRef<int64_t> sizes);
  /// Appends `other` along a dimension; sources are numbered alike.
  void concat(const PieceTensor &other, unsigned dim);
  void transpose(llvm::ArrayRef<int64_t> permutation);
  /// Dimension `dim` becomes [ceil(size / inner), inner]. A size that is no multiple leaves the end
  /// uncovered.
  void expand(unsigned dim, int64_t inner);
  /// Dimensions `dim` and `dim + 1` become one.
  void collapse(unsigned dim);
  /// Removes a dimension of size 1.
  void drop(unsigned dim);
};

} // namespace mlir::dsv2

#endif // DSV2_CONVERSION_PREPARETOCOPIES_PIECES_H
