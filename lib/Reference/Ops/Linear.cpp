//===- Linear.cpp - Embedding, norms, contractions, heads -----------------===//
//
// Contractions keep one accumulator per output and take K in ascending order,
// whatever the number of rows: a row's result never depends on its neighbours.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Ops/Linear.h"

#include <algorithm>
#include <cmath>

namespace dsv2 {

Tensor embed(const IntTensor &ids, const Tensor &table) {
  Tensor y({ids.rows(), table.dim(1)});
  for (int64_t t = 0; t < ids.rows(); ++t) {
    int64_t id = ids.values[t];
    assert(id >= 0 && id < table.rows() && "id past the vocabulary");
    std::copy_n(table.row(id), table.dim(1), y.row(t));
  }
  return y;
}

Tensor rmsNorm(const Tensor &x, const Tensor &weight, double eps) {
  int64_t width = weight.dim(0);
  assert(x.shape.back() == width && "norm weight of another width");
  Tensor y(x.shape);
  for (size_t begin = 0; begin < x.values.size(); begin += width) {
    const double *from = x.values.data() + begin;
    double sum = 0;
    for (int64_t i = 0; i < width; ++i) {
      sum += from[i] * from[i];
    }
    double factor = 1.0 / std::sqrt(sum / double(width) + eps);
    for (int64_t i = 0; i < width; ++i) {
      y.values[begin + i] = from[i] * factor * weight.values[i];
    }
  }
  return y;
}

/// Rows that one pass over a weight row serves.
static constexpr int64_t rowBlock = 8;

/// The contraction of `rowBlock` rows, given as packed [k, rowBlock]. Only the
/// first `rows` of them are stored.
static void contractBlock(const double *packed, int64_t rows, int64_t k, const double *w, int64_t n,
                          double *y) {
  for (int64_t i = 0; i < n; ++i) {
    double sum[rowBlock] = {};
    for (int64_t j = 0; j < k; ++j) {
      double factor = w[i * k + j];
      for (int64_t r = 0; r < rowBlock; ++r) {
        sum[r] += packed[j * rowBlock + r] * factor;
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      y[r * n + i] = sum[r];
    }
  }
}

/// The contraction of one row: several outputs at once hide the adder's latency.
static void contractRow(const double *x, int64_t k, const double *w, int64_t n, double *y) {
  constexpr int64_t block = 4;
  int64_t i = 0;
  for (; i + block <= n; i += block) {
    double sum[block] = {};
    const double *rows = w + i * k;
    for (int64_t j = 0; j < k; ++j) {
      for (int64_t b = 0; b < block; ++b) {
        sum[b] += x[j] * rows[b * k + j];
      }
    }
    std::copy_n(sum, block, y + i);
  }
  for (; i < n; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < k; ++j) {
      sum += x[j] * w[i * k + j];
    }
    y[i] = sum;
  }
}

void contract(const double *x, int64_t rows, int64_t k, const double *w, int64_t n, double *y) {
  if (rows <= 2) {
    for (int64_t t = 0; t < rows; ++t) {
      contractRow(x + t * k, k, w, n, y + t * n);
    }
    return;
  }
  std::vector<double> packed(k * rowBlock);
  for (int64_t begin = 0; begin < rows; begin += rowBlock) {
    int64_t count = std::min(rowBlock, rows - begin);
    for (int64_t j = 0; j < k; ++j) {
      for (int64_t r = 0; r < rowBlock; ++r) {
        packed[j * rowBlock + r] = r < count ? x[(begin + r) * k + j] : 0.0;
      }
    }
    contractBlock(packed.data(), count, k, w, n, y + begin * n);
  }
}

void addToRows(std::vector<double> &values, const Tensor *bias) {
  for (size_t begin = 0; bias && begin < values.size(); begin += bias->values.size()) {
    for (size_t i = 0; i < bias->values.size(); ++i) {
      values[begin + i] += bias->values[i];
    }
  }
}

Tensor linear(const Tensor &x, const Tensor &w, const LinearSpec &spec) {
  assert(x.rank() == 2 && w.rank() == 2 && x.dim(1) == w.dim(1) && "linear of unequal K");
  assert((!spec.bias || spec.bias->dim(0) == w.rows()) && "a bias of every output");
  Tensor rounded;
  if (spec.activation) {
    rounded = x;
    roundActivation(rounded.values, x.dim(1), spec.activation);
  }
  const Tensor &from = spec.activation ? rounded : x;
  Tensor y({x.rows(), w.rows()});
  contract(from.values.data(), x.rows(), x.dim(1), w.values.data(), w.rows(), y.values.data());
  addToRows(y.values, spec.bias);
  return spec.add ? add(y, *spec.add) : y;
}

Tensor headLinear(const Tensor &x, const Tensor &w) {
  int64_t rows = x.rows(), heads = x.dim(1), k = x.dim(2), n = w.dim(1);
  assert(w.dim(0) == heads && w.dim(2) == k && "head_linear of unequal heads or K");
  Tensor y({rows, heads, n});
  std::vector<double> in(rows * k), out(rows * n);
  for (int64_t a = 0; a < heads; ++a) {
    for (int64_t t = 0; t < rows; ++t) {
      std::copy_n(x.row(t) + a * k, k, in.begin() + t * k);
    }
    contract(in.data(), rows, k, w.row(a), n, out.data());
    for (int64_t t = 0; t < rows; ++t) {
      std::copy_n(out.begin() + t * n, n, y.row(t) + a * n);
    }
  }
  return y;
}

Tensor add(const Tensor &a, const Tensor &b) {
  assert(a.shape == b.shape && "sum of unequal shapes");
  Tensor y = a;
  for (size_t i = 0; i < y.values.size(); ++i) {
    y.values[i] += b.values[i];
  }
  return y;
}

std::vector<Tensor> splitHeads(const Tensor &x, int64_t heads, const std::vector<int64_t> &widths) {
  int64_t total = 0;
  for (int64_t width : widths) {
    total += width;
  }
  assert(x.rowWidth() == heads * total && "heads do not fill the row");
  std::vector<Tensor> parts;
  int64_t begin = 0;
  for (int64_t width : widths) {
    Tensor part({x.rows(), heads, width});
    for (int64_t t = 0; t < x.rows(); ++t) {
      for (int64_t a = 0; a < heads; ++a) {
        std::copy_n(x.row(t) + a * total + begin, width, part.row(t) + a * width);
      }
    }
    parts.push_back(std::move(part));
    begin += width;
  }
  return parts;
}

Tensor mergeHeads(const Tensor &x) { return Tensor({x.rows(), x.rowWidth()}, x.values); }

std::vector<Tensor> mlaCompress(const Tensor &x, const Tensor &kvA, const Tensor &norm, double eps,
                                const LinearSpec &spec) {
  int64_t latent = norm.dim(0), rope = kvA.dim(0) - latent;
  Tensor both = linear(x, kvA, spec);
  Tensor c({x.rows(), latent}), key({x.rows(), rope});
  for (int64_t t = 0; t < x.rows(); ++t) {
    std::copy_n(both.row(t), latent, c.row(t));
    std::copy_n(both.row(t) + latent, rope, key.row(t));
  }
  return {rmsNorm(c, norm, eps), std::move(key)};
}

Tensor selectRows(const Tensor &x, const std::vector<int64_t> &rows) {
  std::vector<int64_t> shape = x.shape;
  shape[0] = int64_t(rows.size());
  Tensor y(shape);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(x.row(rows[i]), x.rowWidth(), y.row(int64_t(i)));
  }
  return y;
}

} // namespace dsv2
