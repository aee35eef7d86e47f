//===- Attention.cpp - Per-head and latent attention ----------------------===//
//
// One core serves every form: it is given where a cached token's two key parts and
// its value lie.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Ops/Attention.h"

#include "lib/Reference/Ops/Linear.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace dsv2 {

double softmax(double *values, int64_t count) {
  double largest = *std::max_element(values, values + count);
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    values[i] = std::exp(values[i] - largest);
    sum += values[i];
  }
  for (int64_t i = 0; i < count; ++i) {
    values[i] /= sum;
  }
  return largest + std::log(sum);
}

std::vector<Tensor> decompress(const Cache &cache, int64_t layer, const Tensor &kvB, int64_t heads,
                               int64_t nopeWidth, const Step &step) {
  Tensor kv = linear(cachedRows(cache, layer, 0, step), kvB);
  int64_t valueWidth = kvB.dim(0) / heads - nopeWidth;
  std::vector<Tensor> parts = splitHeads(kv, heads, {nopeWidth, valueWidth});
  return {std::move(parts[0]), cachedRows(cache, layer, 1, step), std::move(parts[1])};
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

/// `keys(row, head, i)` gives the two key parts of the row's cached token i (the
/// second may be null without a rope part), `value(row, head, i)` its value.
template <typename Keys, typename Value>
static AttentionResult attend(const Tensor &q, const Tensor *qRope, int64_t valueWidth, Keys keys,
                              Value value, const AttentionSpec &spec, const Step &step) {
  int64_t heads = q.dim(1), width = q.dim(2), rope = qRope ? qRope->dim(2) : 0;
  AttentionResult y{Tensor({q.rows(), heads, valueWidth}), Tensor({q.rows(), heads})};
  std::vector<double> p;
  for (int64_t t = 0; t < q.rows(); ++t) {
    const StepRow &row = step.rows[t];
    int64_t begin = spec.context.begin, end = std::min(spec.context.end, row.index + 1);
    int64_t visible = std::max<int64_t>(0, end - begin);
    p.resize(visible);
    for (int64_t a = 0; a < heads; ++a) {
      double &logSumExp = y.logSumExp.row(t)[a];
      if (visible == 0) {
        logSumExp = -std::numeric_limits<double>::infinity();
        continue;
      }
      const double *q0 = q.row(t) + a * width, *q1 = qRope ? qRope->row(t) + a * rope : nullptr;
      for (int64_t i = 0; i < visible; i += keyBlock) {
        int64_t count = std::min(keyBlock, visible - i);
        const double *k0[keyBlock], *k1[keyBlock];
        for (int64_t b = 0; b < keyBlock; ++b) {
          // A short last block computes its last score more than once.
          std::tie(k0[b], k1[b]) = keys(row, a, begin + i + std::min(b, count - 1));
        }
        double sums[keyBlock] = {};
        addDots(sums, q0, k0, width);
        addDots(sums, q1, k1, rope);
        for (int64_t b = 0; b < count; ++b) {
          p[i + b] = sums[b] * spec.scale;
        }
      }
      logSumExp = softmax(p.data(), visible);
      double *out = y.values.row(t) + a * valueWidth;
      for (int64_t i = 0; i < visible; ++i) {
        double weight = roundTo(p[i], spec.inner);
        const double *v = value(row, a, begin + i);
        for (int64_t j = 0; j < valueWidth; ++j) {
          out[j] += weight * v[j];
        }
      }
    }
  }
  return y;
}

AttentionResult attention(const Tensor &q, const Tensor *qRope, const Tensor &k,
                          const Tensor *kRope, const Tensor &v, const AttentionSpec &spec,
                          const Step &step) {
  assert(!qRope == !kRope && "a rope part of q and of k, or of neither");
  assert(q.dim(1) % k.dim(1) == 0 && v.dim(1) == k.dim(1) && "key heads divide query heads");
  int64_t group = q.dim(1) / k.dim(1), keyWidth = k.dim(2), width = v.dim(2);
  std::vector<int64_t> begins;
  for (int64_t s = 0; s < int64_t(step.contexts.size()); ++s) {
    begins.push_back(step.contextBegin(s));
  }
  auto keys = [&](const StepRow &row, int64_t a, int64_t i) {
    int64_t at = begins[row.sequence] + i;
    return std::pair(k.row(at) + a / group * keyWidth, kRope ? kRope->row(at) : nullptr);
  };
  auto value = [&](const StepRow &row, int64_t a, int64_t i) {
    return v.row(begins[row.sequence] + i) + a / group * width;
  };
  return attend(q, qRope, width, keys, value, spec, step);
}

AttentionResult latentAttention(const Tensor &qLatent, const Tensor &qRope, const Cache &cache,
                                int64_t layer, const AttentionSpec &spec, const Step &step) {
  auto keys = [&](const StepRow &row, int64_t, int64_t i) {
    return std::pair(cache.row(layer, 0, row.sequence, i), cache.row(layer, 1, row.sequence, i));
  };
  auto value = [&](const StepRow &row, int64_t, int64_t i) {
    return cache.row(layer, 0, row.sequence, i);
  };
  return attend(qLatent, &qRope, cache.width(0), keys, value, spec, step);
}

AttentionResult mergeAttention(const std::vector<const Tensor *> &values,
                               const std::vector<const Tensor *> &logSumExps) {
  const double nothing = -std::numeric_limits<double>::infinity();
  int64_t rows = values[0]->rows(), heads = values[0]->dim(1), width = values[0]->dim(2);
  AttentionResult y{Tensor({rows, heads, width}), Tensor({rows, heads})};
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t a = 0; a < heads; ++a) {
      std::vector<double> weights;
      for (const Tensor *lse : logSumExps) {
        weights.push_back(lse->row(t)[a]);
      }
      double &joined = y.logSumExp.row(t)[a];
      if (std::count(weights.begin(), weights.end(), nothing) == int64_t(weights.size())) {
        joined = nothing; // nothing was seen at all: 0, as of one part
        continue;
      }
      joined = softmax(weights.data(), int64_t(weights.size()));
      for (size_t part = 0; part < values.size(); ++part) {
        for (int64_t j = 0; j < width; ++j) {
          y.values.row(t)[a * width + j] += weights[part] * values[part]->row(t)[a * width + j];
        }
      }
    }
  }
  return y;
}

} // namespace dsv2
