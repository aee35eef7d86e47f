//===- Experts.h - MLPs: dense, shared, routed, fused -----------*- C++ -*-===//
//
// An MLP is down(silu(gate x) * (up x)). H is the hidden width, I the MLP's, E
// the number of routed experts.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_OPS_EXPERTS_H
#define DSV2_LIB_REFERENCE_OPS_EXPERTS_H

#include "lib/Reference/Ops/Quantization.h"

namespace dsv2 {

struct MlpSpec {
  /// Rounds silu(gate x) * (up x) before `down`.
  Rounding inner = Rounding::None;
  /// Rounds x and, after `inner`, that product. Null: neither.
  const ActivationRounding *activation = nullptr;
  /// [I], [I] and [H]; null: none. Of `mlp` only.
  const Tensor *biasGate = nullptr;
  const Tensor *biasUp = nullptr;
  const Tensor *biasDown = nullptr;
};

/// x [T, H], gate and up [I, H], down [H, I] to [T, H].
Tensor mlp(const Tensor &x, const Tensor &gate, const Tensor &up, const Tensor &down,
           const MlpSpec &spec = {});

/// sum over slots k, ascending, of weights[t, k] * mlp of expert ids[t, k];
/// gate and up [E, I, H], down [E, H, I].
Tensor routedExperts(const Tensor &x, const Tensor &weights, const IntTensor &ids,
                     const Tensor &gate, const Tensor &up, const Tensor &down,
                     const MlpSpec &spec = {});

/// The same with gate above up in one [E + shared, 2I, H], and the last `shared`
/// experts added for every token with weight 1.
Tensor fusedExperts(const Tensor &x, const Tensor &weights, const IntTensor &ids,
                    const Tensor &gateUp, const Tensor &down, int64_t shared,
                    const MlpSpec &spec = {});

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_OPS_EXPERTS_H
