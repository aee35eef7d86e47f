//===- Pieces.cpp - A tensor as boxes of checkpoint tensors -----------------------------------===//
//
// Every change of shape is a change of each box; only a box whose experts grow along a dimension
// that is split or joined has to become one box an index.
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Conversion/PrepareToCopies/Pieces.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace mlir::dsv2;

PieceTensor PieceTensor::whole(unsigned source, llvm::ArrayRef<int64_t> tensorShape,
                               int64_t experts, int64_t firstExpert) {
  PieceTensor out;
  Piece piece;
  piece.source = source;
  piece.expert = firstExpert;
  if (experts > 0) {
    out.shape.push_back(experts);
    piece.expertDim = 0;
    piece.dims.push_back({0, experts, 0});
  }
  int64_t stride = 1;
  llvm::SmallVector<PieceDim, 6> dims;
  for (int64_t size : llvm::reverse(tensorShape)) {
    dims.push_back({0, size, stride});
    stride *= size;
  }
  piece.dims.append(dims.rbegin(), dims.rend());
  out.shape.append(tensorShape.begin(), tensorShape.end());
  out.pieces.push_back(piece);
  return out;
}

/// The part of a piece where dimension `dim` lies in [begin, end), counted in the tensor's indices.
static Piece cut(const Piece &piece, unsigned dim, int64_t begin, int64_t end) {
  Piece out = piece;
  PieceDim &d = out.dims[dim];
  int64_t skipped = begin - d.offset;
  out.base += skipped * d.stride;
  if (piece.expertDim == int(dim)) {
    out.expert += skipped;
  }
  d.offset = begin;
  d.size = end - begin;
  return out;
}

void PieceTensor::slice(llvm::ArrayRef<int64_t> offsets, llvm::ArrayRef<int64_t> sizes) {
  llvm::SmallVector<Piece, 4> kept;
  for (Piece piece : pieces) {
    bool empty = false;
    for (unsigned d = 0; d < shape.size() && !empty; ++d) {
      int64_t begin = std::max(piece.dims[d].offset, offsets[d]);
      int64_t end = std::min(piece.dims[d].offset + piece.dims[d].size, offsets[d] + sizes[d]);
      empty = begin >= end;
      if (!empty) {
        piece = cut(piece, d, begin, end);
        piece.dims[d].offset -= offsets[d];
      }
    }
    if (!empty) {
      kept.push_back(piece);
    }
  }
  pieces = std::move(kept);
  shape.assign(sizes.begin(), sizes.end());
}

void PieceTensor::concat(const PieceTensor &other, unsigned dim) {
  for (Piece piece : other.pieces) {
    piece.dims[dim].offset += shape[dim];
    pieces.push_back(std::move(piece));
  }
  shape[dim] += other.shape[dim];
}

void PieceTensor::transpose(llvm::ArrayRef<int64_t> permutation) {
  llvm::SmallVector<int64_t, 6> newShape;
  for (int64_t from : permutation) {
    newShape.push_back(shape[from]);
  }
  for (Piece &piece : pieces) {
    llvm::SmallVector<PieceDim, 6> dims;
    int expertDim = -1;
    for (auto [to, from] : llvm::enumerate(permutation)) {
      dims.push_back(piece.dims[from]);
      if (piece.expertDim == from) {
        expertDim = int(to);
      }
    }
    piece.dims = std::move(dims);
    piece.expertDim = expertDim;
  }
  shape = std::move(newShape);
}

/// A piece whose expert grows along `dim`, as one piece for each index of it.
static llvm::SmallVector<Piece, 4> fixExpert(const Piece &piece, unsigned dim) {
  llvm::SmallVector<Piece, 4> out;
  if (piece.expertDim != int(dim)) {
    out.push_back(piece);
    return out;
  }
  const PieceDim &d = piece.dims[dim];
  for (int64_t i = d.offset; i < d.offset + d.size; ++i) {
    out.push_back(cut(piece, dim, i, i + 1));
    out.back().expertDim = -1;
  }
  return out;
}

void PieceTensor::expand(unsigned dim, int64_t inner) {
  llvm::SmallVector<Piece, 4> out;
  for (const Piece &whole : pieces) {
    for (const Piece &piece :
         inner == 1 ? llvm::SmallVector<Piece, 4>{whole} : fixExpert(whole, dim)) {
      const PieceDim &d = piece.dims[dim];
      int64_t end = d.offset + d.size;
      // A partial first row, whole rows, a partial last row.
      for (int64_t begin = d.offset; begin < end;) {
        int64_t row = begin / inner, column = begin % inner;
        int64_t rows = column == 0 ? (end - begin) / inner : 0;
        int64_t stop = rows > 0 ? begin + rows * inner : std::min(end, (row + 1) * inner);
        Piece part = cut(piece, dim, begin, stop);
        int64_t stride = part.dims[dim].stride;
        part.dims[dim] = {row, std::max<int64_t>(rows, 1), stride * inner};
        part.dims.insert(part.dims.begin() + dim + 1,
                         {column, rows > 0 ? inner : stop - begin, stride});
        if (part.expertDim > int(dim)) {
          ++part.expertDim;
        }
        out.push_back(std::move(part));
        begin = stop;
      }
    }
  }
  pieces = std::move(out);
  shape[dim] = llvm::divideCeil(shape[dim], inner);
  shape.insert(shape.begin() + dim + 1, inner);
}

void PieceTensor::collapse(unsigned dim) {
  int64_t inner = shape[dim + 1];
  llvm::SmallVector<Piece, 4> out;
  auto merge = [&](Piece piece, PieceDim merged) {
    piece.dims[dim] = merged;
    piece.dims.erase(piece.dims.begin() + dim + 1);
    if (piece.expertDim > int(dim)) {
      --piece.expertDim;
    }
    out.push_back(std::move(piece));
  };
  for (const Piece &whole : pieces) {
    llvm::SmallVector<Piece, 4> parts;
    for (const Piece &part :
         inner == 1 ? llvm::SmallVector<Piece, 4>{whole} : fixExpert(whole, dim)) {
      parts.append(shape[dim] == 1 ? llvm::SmallVector<Piece, 4>{part} : fixExpert(part, dim + 1));
    }
    for (const Piece &piece : parts) {
      const PieceDim a = piece.dims[dim], b = piece.dims[dim + 1];
      if (b.size == inner && (a.size == 1 || a.stride == b.stride * inner)) {
        // With inner 1 the outer stride is the one that counts (and an expert may grow along it).
        merge(piece, {a.offset * inner, a.size * inner, inner == 1 ? a.stride : b.stride});
        continue;
      }
      for (int64_t i = a.offset; i < a.offset + a.size; ++i) {
        merge(cut(piece, dim, i, i + 1), {i * inner + b.offset, b.size, b.stride});
      }
    }
  }
  pieces = std::move(out);
  shape[dim] *= inner;
  shape.erase(shape.begin() + dim + 1);
}

void PieceTensor::drop(unsigned dim) {
  for (Piece &piece : pieces) {
    piece.dims.erase(piece.dims.begin() + dim);
    if (piece.expertDim == int(dim)) {
      piece.expertDim = -1;
    } else if (piece.expertDim > int(dim)) {
      --piece.expertDim;
    }
  }
  shape.erase(shape.begin() + dim);
}
