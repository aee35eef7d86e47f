//===- Attention.cpp - Per-head and latent attention ----------------------===//
//
// One core serves both forms: it is given where a cached token's two key parts
// and its value lie.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Ops/Attention.h"

#include "lib/Reference/Ops/Linear.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace dsv2 {

void softmax(double *values, int64_t count) {
  double largest = *std::max_element(values, values + count);
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    values[i] = std::exp(values[i] - largest);
    sum += values[i];
  }
  for (int64_t i = 0; i < count; ++i) {
    values[i] /= sum;
  }
}

std::vector<Tensor> decompress(const LatentCache &cache, int64_t layer, const Tensor &kvB,
                               int64_t heads, int64_t nopeWidth, const Step &step) {
  int64_t total = step.contextRows();
  Tensor latents({total, cache.latentWidth()}), kRope({total, cache.ropeWidth()});
  int64_t row = 0;
  for (int64_t s = 0; s < int64_t(step.contexts.size()); ++s) {
    for (int64_t i = 0; i < step.contexts[s]; ++i, ++row) {
      std::copy_n(cache.latentRow(layer, s, i), cache.latentWidth(), latents.row(row));
      std::copy_n(cache.ropeRow(layer, s, i), cache.ropeWidth(), kRope.row(row));
    }
  }
  int64_t valueWidth = kvB.dim(0) / heads - nopeWidth;
  std::vector<Tensor> parts = splitHeads(linear(latents, kvB), heads, {nopeWidth, valueWidth});
  return {std::move(parts[0]), std::move(kRope), std::move(parts[1])};
}

/// Keys whose scores are computed side by side, which hides the adder's latency.
static constexpr int64_t keyBlock = 4;

/// Adds to each of the sums the dot product of `q` with one of the keys, every sum
/// in ascending order.
static void addDots(double *sums, const double *q, const double *const *keys, int64_t width) {
  for (int64_t i = 0; i < width; ++i) {
    for (int64_t b = 0; b < keyBlock; ++b) {
      sums[b] += q[i] * keys[b][i];
    }
  }
}

/// `keys(row, head, i)` gives the two key parts of the row's cached token i,
/// `value(row, head, i)` its value.
template <typename Keys, typename Value>
static Tensor attend(const Tensor &qNope, const Tensor &qRope, int64_t valueWidth, Keys keys,
                     Value value, const AttentionSpec &spec, const Step &step) {
  int64_t heads = qNope.dim(1), nope = qNope.dim(2), rope = qRope.dim(2);
  Tensor y({qNope.rows(), heads, valueWidth});
  std::vector<double> p;
  for (int64_t t = 0; t < qNope.rows(); ++t) {
    const StepRow &row = step.rows[t];
    int64_t visible = row.index + 1;
    p.resize(visible);
    for (int64_t a = 0; a < heads; ++a) {
      const double *q0 = qNope.row(t) + a * nope, *q1 = qRope.row(t) + a * rope;
      for (int64_t i = 0; i < visible; i += keyBlock) {
        int64_t count = std::min(keyBlock, visible - i);
        const double *k0[keyBlock], *k1[keyBlock];
        for (int64_t b = 0; b < keyBlock; ++b) {
          // A short last block computes its last score more than once.
          std::tie(k0[b], k1[b]) = keys(row, a, i + std::min(b, count - 1));
        }
        double sums[keyBlock] = {};
        addDots(sums, q0, k0, nope);
        addDots(sums, q1, k1, rope);
        for (int64_t b = 0; b < count; ++b) {
          p[i + b] = sums[b] * spec.scale;
        }
      }
      softmax(p.data(), visible);
      double *out = y.row(t) + a * valueWidth;
      for (int64_t i = 0; i < visible; ++i) {
        double weight = roundTo(p[i], spec.inner);
        const double *v = value(row, a, i);
        for (int64_t j = 0; j < valueWidth; ++j) {
          out[j] += weight * v[j];
        }
      }
    }
  }
  return y;
}

Tensor attention(const Tensor &qNope, const Tensor &qRope, const Tensor &kNope, const Tensor &kRope,
                 const Tensor &v, const AttentionSpec &spec, const Step &step) {
  int64_t nope = kNope.dim(2), width = v.dim(2);
  std::vector<int64_t> begins;
  for (int64_t s = 0; s < int64_t(step.contexts.size()); ++s) {
    begins.push_back(step.contextBegin(s));
  }
  auto keys = [&](const StepRow &row, int64_t a, int64_t i) {
    int64_t at = begins[row.sequence] + i;
    return std::pair(kNope.row(at) + a * nope, kRope.row(at));
  };
  auto value = [&](const StepRow &row, int64_t a, int64_t i) {
    return v.row(begins[row.sequence] + i) + a * width;
  };
  return attend(qNope, qRope, width, keys, value, spec, step);
}

Tensor latentAttention(const Tensor &qLatent, const Tensor &qRope, const LatentCache &cache,
                       int64_t layer, const AttentionSpec &spec, const Step &step) {
  auto keys = [&](const StepRow &row, int64_t, int64_t i) {
    return std::pair(cache.latentRow(layer, row.sequence, i),
                     cache.ropeRow(layer, row.sequence, i));
  };
  auto value = [&](const StepRow &row, int64_t, int64_t i) {
    return cache.latentRow(layer, row.sequence, i);
  };
  return attend(qLatent, qRope, cache.latentWidth(), keys, value, spec, step);
}

} // namespace dsv2
