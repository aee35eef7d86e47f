//===- Attention.h - Per-head and latent attention --------------*- C++ -*-===//
//
// Both are causal by order in the cache: a row sees its sequence's tokens from 0
// to its own place. Scores are q . k * scale, the softmax subtracts the largest.
// A is the number of heads, S the cached tokens of all sequences in batch order.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_OPS_ATTENTION_H
#define DSV2_LIB_REFERENCE_OPS_ATTENTION_H

#include "lib/Reference/Ops/Cache.h"

namespace dsv2 {

/// K and V of every head from a layer's cached latents. `kvB` [A * (d + v), R]
/// has rows per head [nope | v]. Returns k_nope [S, A, d], k_rope [S, r] and
/// v [S, A, v].
std::vector<Tensor> decompress(const LatentCache &cache, int64_t layer, const Tensor &kvB,
                               int64_t heads, int64_t nopeWidth, const Step &step);

struct AttentionSpec {
  double scale = 1.0;
  /// Applied to the probabilities before they meet V.
  Rounding inner = Rounding::None;
};

/// q_nope [T, A, d], q_rope [T, A, r], k_nope [S, A, d], k_rope [S, r],
/// v [S, A, w] to [T, A, w].
Tensor attention(const Tensor &qNope, const Tensor &qRope, const Tensor &kNope, const Tensor &kRope,
                 const Tensor &v, const AttentionSpec &spec, const Step &step);

/// The absorbed form: q_latent [T, A, R] and q_rope [T, A, r] against the cache
/// itself, which is K and, its latent part, V. Returns [T, A, R].
Tensor latentAttention(const Tensor &qLatent, const Tensor &qRope, const LatentCache &cache,
                       int64_t layer, const AttentionSpec &spec, const Step &step);

/// exp(x - max) / sum, in place.
void softmax(double *values, int64_t count);

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_OPS_ATTENTION_H
