//===- Attention.h - Per-head and latent attention --------------*- C++ -*-===//
//
// All forms are causal by order in the cache: a row sees its sequence's tokens from
// 0 to its own place, or those of them that lie in a part of the context. Scores are
// q . k * scale, the softmax subtracts the largest. A is the number of query heads,
// G of key heads, S the cached tokens of all sequences in batch order.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_OPS_ATTENTION_H
#define DSV2_LIB_REFERENCE_OPS_ATTENTION_H

#include "lib/Reference/Ops/Cache.h"

#include <limits>

namespace dsv2 {

/// K and V of every head from a layer's cached latents. `kvB` [A * (d + v), R]
/// has rows per head [nope | v]. Returns k_nope [S, A, d], k_rope [S, r] and
/// v [S, A, v].
std::vector<Tensor> decompress(const Cache &cache, int64_t layer, const Tensor &kvB, int64_t heads,
                               int64_t nopeWidth, const Step &step);

/// Cached tokens of a sequence: from begin, below end.
struct ContextRange {
  int64_t begin = 0;
  int64_t end = std::numeric_limits<int64_t>::max();
};

struct AttentionSpec {
  double scale = 1.0;
  /// Applied to the probabilities before they meet V.
  Rounding inner = Rounding::None;
  /// The part of the context that is looked at.
  ContextRange context;
};

struct AttentionResult {
  /// [T, A, v]; 0 for a row that sees nothing.
  Tensor values;
  /// [T, A]: ln of the sum of exp of the scaled scores; -inf for a row that sees
  /// nothing.
  Tensor logSumExp;
};

/// q [T, A, d] and k [S, G, d], G a divisor of A: query head a reads key head
/// a / (A / G). With a rope part (both, or neither null) q_rope [T, A, r] and
/// k_rope [S, r] add to the scores. v [S, G, w].
AttentionResult attention(const Tensor &q, const Tensor *qRope, const Tensor &k,
                          const Tensor *kRope, const Tensor &v, const AttentionSpec &spec,
                          const Step &step);

/// The absorbed form: q_latent [T, A, R] and q_rope [T, A, r] against the cache
/// itself, which is K and, its latent part, V. `values` are [T, A, R].
AttentionResult latentAttention(const Tensor &qLatent, const Tensor &qRope, const Cache &cache,
                                int64_t layer, const AttentionSpec &spec, const Step &step);

/// Attention over parts of the context joined to that over their union: the values,
/// [T, A, w] each, weighted by exp of their log-sum-exp, [T, A] each. Parts that saw
/// nothing weigh 0.
AttentionResult mergeAttention(const std::vector<const Tensor *> &values,
                               const std::vector<const Tensor *> &logSumExps);

/// exp(x - max) / sum, in place; returns ln sum exp x. At least one value.
double softmax(double *values, int64_t count);

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_OPS_ATTENTION_H
