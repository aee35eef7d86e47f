//===- PiecesTest.cpp - Random data movement against explicit indices -------------------------===//
//
// Every element of a tensor is followed by hand (which source element, of which expert), through
// hundreds of random compositions of slices, concatenations, transposes and reshapes.
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Conversion/PrepareToCopies/Pieces.h"

#include "gtest/gtest.h"

#include <random>
#include <vector>

using mlir::dsv2::Piece;
using mlir::dsv2::PieceTensor;

namespace {

/// source * 1e9 + expert * 1e6 + element for each element, row-major; -1 where nothing covers it.
struct Explicit {
  std::vector<int64_t> shape, ids;

  int64_t size() const {
    int64_t n = 1;
    for (int64_t s : shape) {
      n *= s;
    }
    return n;
  }
  std::vector<int64_t> index(int64_t flat) const {
    std::vector<int64_t> out(shape.size());
    for (int i = int(shape.size()) - 1; i >= 0; --i) {
      out[i] = flat % shape[i];
      flat /= shape[i];
    }
    return out;
  }
  int64_t flat(const std::vector<int64_t> &at) const {
    int64_t out = 0;
    for (size_t i = 0; i < shape.size(); ++i) {
      out = out * shape[i] + at[i];
    }
    return out;
  }
};

Explicit whole(unsigned source, std::vector<int64_t> shape, int64_t experts, int64_t first) {
  Explicit out;
  int64_t each = 1;
  for (int64_t s : shape) {
    each *= s;
  }
  if (experts > 0) {
    out.shape.push_back(experts);
  }
  out.shape.insert(out.shape.end(), shape.begin(), shape.end());
  for (int64_t e = 0; e < std::max<int64_t>(experts, 1); ++e) {
    for (int64_t i = 0; i < each; ++i) {
      out.ids.push_back(source * 1000000000ll + (first + e) * 1000000 + i);
    }
  }
  return out;
}

Explicit read(const PieceTensor &tensor) {
  Explicit out;
  out.shape.assign(tensor.shape.begin(), tensor.shape.end());
  out.ids.assign(out.size(), -1);
  for (const Piece &piece : tensor.pieces) {
    int64_t count = 1;
    for (auto &d : piece.dims) {
      count *= d.size;
    }
    for (int64_t n = 0; n < count; ++n) {
      int64_t rest = n, element = piece.base, expert = piece.expert;
      std::vector<int64_t> at(piece.dims.size());
      for (int i = int(piece.dims.size()) - 1; i >= 0; --i) {
        int64_t j = rest % piece.dims[i].size;
        rest /= piece.dims[i].size;
        at[i] = piece.dims[i].offset + j;
        element += j * piece.dims[i].stride;
        if (piece.expertDim == i) {
          expert += j;
        }
      }
      int64_t &id = out.ids[out.flat(at)];
      EXPECT_EQ(id, -1) << "two pieces cover one element";
      id = piece.source * 1000000000ll + expert * 1000000 + element;
    }
  }
  return out;
}

TEST(Pieces, RandomMovementFollowsEveryElement) {
  std::mt19937 random(20260);
  auto pick = [&](int64_t low, int64_t high) {
    return low + int64_t(random() % uint64_t(high - low + 1));
  };
  for (int round = 0; round < 600; ++round) {
    int64_t experts = pick(0, 1) ? pick(1, 4) : 0, first = experts ? pick(0, 3) : 0;
    std::vector<int64_t> shape = {pick(1, 6), pick(1, 6)};
    PieceTensor x = PieceTensor::whole(0, shape, experts, first);
    Explicit y = whole(0, shape, experts, first);
    for (int step = 0; step < 7; ++step) {
      Explicit z;
      unsigned dim = unsigned(pick(0, int64_t(y.shape.size()) - 1));
      switch (pick(0, 4)) {
      case 0: {
        std::vector<int64_t> offsets, sizes;
        for (int64_t s : y.shape) {
          offsets.push_back(pick(0, s - 1));
          sizes.push_back(pick(1, s - offsets.back()));
        }
        z.shape = sizes;
        for (int64_t n = 0; n < z.size(); ++n) {
          std::vector<int64_t> at = z.index(n);
          for (size_t i = 0; i < at.size(); ++i) {
            at[i] += offsets[i];
          }
          z.ids.push_back(y.ids[y.flat(at)]);
        }
        x.slice(offsets, sizes);
        break;
      }
      case 1: {
        if (y.size() > 400) {
          continue;
        }
        PieceTensor copy = x;
        z.shape = y.shape;
        z.shape[dim] *= 2;
        for (int64_t n = 0; n < z.size(); ++n) {
          std::vector<int64_t> at = z.index(n);
          at[dim] %= y.shape[dim];
          z.ids.push_back(y.ids[y.flat(at)]);
        }
        x.concat(copy, dim);
        break;
      }
      case 2: {
        std::vector<int64_t> order(y.shape.size());
        for (size_t i = 0; i < order.size(); ++i) {
          order[i] = int64_t(i);
        }
        std::shuffle(order.begin(), order.end(), random);
        for (int64_t from : order) {
          z.shape.push_back(y.shape[from]);
        }
        for (int64_t n = 0; n < z.size(); ++n) {
          std::vector<int64_t> at = z.index(n), from(at.size());
          for (size_t i = 0; i < at.size(); ++i) {
            from[order[i]] = at[i];
          }
          z.ids.push_back(y.ids[y.flat(from)]);
        }
        x.transpose(order);
        break;
      }
      case 3: {
        if (y.shape.size() > 5) {
          continue;
        }
        int64_t inner = pick(1, 4), outer = (y.shape[dim] + inner - 1) / inner;
        z.shape = y.shape;
        z.shape[dim] = outer;
        z.shape.insert(z.shape.begin() + dim + 1, inner);
        for (int64_t n = 0; n < z.size(); ++n) {
          std::vector<int64_t> at = z.index(n);
          int64_t i = at[dim] * inner + at[dim + 1];
          at.erase(at.begin() + dim + 1);
          at[dim] = i;
          z.ids.push_back(i < y.shape[dim] ? y.ids[y.flat(at)] : -1);
        }
        x.expand(dim, inner);
        break;
      }
      default: {
        if (dim + 1 >= y.shape.size()) {
          continue;
        }
        z.shape = y.shape;
        z.shape[dim] *= z.shape[dim + 1];
        z.shape.erase(z.shape.begin() + dim + 1);
        z.ids = y.ids;
        x.collapse(dim);
        break;
      }
      }
      y = z;
      Explicit got = read(x);
      ASSERT_EQ(got.shape, y.shape) << "round " << round;
      ASSERT_EQ(got.ids, y.ids) << "round " << round << ", step " << step;
    }
  }
}

} // namespace
