//===- Linear.h - Embedding, norms, contractions, heads ---------*- C++ -*-===//
//
// The ops whose rows do not see each other. T is the number of rows of the step.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_OPS_LINEAR_H
#define DSV2_LIB_REFERENCE_OPS_LINEAR_H

#include "lib/Reference/Ops/Quantization.h"

namespace dsv2 {

/// Rows of `table` [V, H] by id: [T, H]. Ids must be in [0, V).
Tensor embed(const IntTensor &ids, const Tensor &table);

/// x / sqrt(mean(x^2) + eps) * weight, over the last dimension.
Tensor rmsNorm(const Tensor &x, const Tensor &weight, double eps);

/// What a contraction may have besides its operands; null: nothing of the kind.
struct LinearSpec {
  /// [N], added to every row.
  const Tensor *bias = nullptr;
  /// [T, N], added at last: the residual stream.
  const Tensor *add = nullptr;
  /// Applied to x.
  const ActivationRounding *activation = nullptr;
};

/// y[t, n] = sum over ascending k of x[t, k] w[n, k], + bias[n], + add[t, n].
Tensor linear(const Tensor &x, const Tensor &w, const LinearSpec &spec = {});
/// The same on raw rows: x [rows, k], w [n, k], y [rows, n].
void contract(const double *x, int64_t rows, int64_t k, const double *w, int64_t n, double *y);

/// Adds a bias [N], if there is one, to each row of N values.
void addToRows(std::vector<double> &values, const Tensor *bias);

/// y[t, a, n] = sum over ascending k of x[t, a, k] w[a, n, k].
Tensor headLinear(const Tensor &x, const Tensor &w);

/// Elementwise sum of equal shapes.
Tensor add(const Tensor &a, const Tensor &b);

/// [T, A * sum(widths)] to one [T, A, width] for each width.
std::vector<Tensor> splitHeads(const Tensor &x, int64_t heads, const std::vector<int64_t> &widths);
/// [T, A, w] to [T, A * w].
Tensor mergeHeads(const Tensor &x);

/// kv_a x + bias, [T, R + r], split into the normed latent [T, R] and the key for
/// the rope [T, r], which no norm touches. R is the length of `norm`.
std::vector<Tensor> mlaCompress(const Tensor &x, const Tensor &kvA, const Tensor &norm, double eps,
                                const LinearSpec &spec = {});

/// The rows of `x` with these numbers.
Tensor selectRows(const Tensor &x, const std::vector<int64_t> &rows);

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_OPS_LINEAR_H
