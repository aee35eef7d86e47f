//===- Experts.cpp - MLPs: dense, shared, routed, fused -------------------===//
//
// Each expert runs once on the rows that chose it; a row's contributions are then
// summed slot by slot, so that the order of the sum is the row's own.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Ops/Experts.h"

#include "lib/Reference/Ops/Linear.h"

#include <algorithm>
#include <cmath>

namespace dsv2 {

/// The weights of one MLP, wherever they lie.
struct MlpWeights {
  const double *gate;
  const double *up;
  const double *down;
  int64_t width;
};

/// x [rows, hidden], already rounded, to y of the same shape.
static void runMlp(const double *x, int64_t rows, int64_t hidden, const MlpWeights &weights,
                   const MlpSpec &spec, std::vector<double> &y) {
  int64_t width = weights.width;
  std::vector<double> gated(rows * width), up(rows * width);
  contract(x, rows, hidden, weights.gate, width, gated.data());
  contract(x, rows, hidden, weights.up, width, up.data());
  addToRows(gated, spec.biasGate);
  addToRows(up, spec.biasUp);
  for (int64_t i = 0; i < rows * width; ++i) {
    double silu = gated[i] / (1.0 + std::exp(-gated[i]));
    gated[i] = roundTo(silu * up[i], spec.inner);
  }
  roundActivation(gated, width, spec.activation);
  contract(gated.data(), rows, width, weights.down, hidden, y.data());
  addToRows(y, spec.biasDown);
}

/// x as the contractions take it.
static Tensor roundedInput(const Tensor &x, const MlpSpec &spec) {
  Tensor rounded = x;
  roundActivation(rounded.values, x.dim(1), spec.activation);
  return rounded;
}

Tensor mlp(const Tensor &x, const Tensor &gate, const Tensor &up, const Tensor &down,
           const MlpSpec &spec) {
  Tensor y(x.shape);
  MlpWeights weights{gate.values.data(), up.values.data(), down.values.data(), gate.dim(0)};
  runMlp(roundedInput(x, spec).values.data(), x.rows(), x.dim(1), weights, spec, y.values);
  return y;
}

/// `weightsOf(e)` gives expert e. `ids` and `weights` are [T, slots].
template <typename WeightsOf>
static Tensor runExperts(const Tensor &input, const Tensor &weights, const IntTensor &ids,
                         int64_t experts, WeightsOf weightsOf, const MlpSpec &spec) {
  Tensor x = roundedInput(input, spec);
  int64_t slots = ids.dim(1), hidden = x.dim(1);
  std::vector<std::vector<int64_t>> users(experts); // t * slots + slot
  for (int64_t i = 0; i < x.rows() * slots; ++i) {
    assert(ids.values[i] >= 0 && ids.values[i] < experts && "no such expert");
    users[ids.values[i]].push_back(i);
  }
  Tensor parts({x.rows(), slots, hidden});
  for (int64_t e = 0; e < experts; ++e) {
    int64_t rows = int64_t(users[e].size());
    if (rows == 0) {
      continue;
    }
    std::vector<double> in(rows * hidden), out(rows * hidden);
    for (int64_t r = 0; r < rows; ++r) {
      std::copy_n(x.row(users[e][r] / slots), hidden, in.begin() + r * hidden);
    }
    runMlp(in.data(), rows, hidden, weightsOf(e), spec, out);
    for (int64_t r = 0; r < rows; ++r) {
      std::copy_n(out.begin() + r * hidden, hidden, parts.values.begin() + users[e][r] * hidden);
    }
  }
  Tensor y(x.shape);
  for (int64_t t = 0; t < x.rows(); ++t) {
    for (int64_t k = 0; k < slots; ++k) {
      double weight = weights.row(t)[k];
      const double *part = parts.row(t) + k * hidden;
      for (int64_t i = 0; i < hidden; ++i) {
        y.row(t)[i] += weight * part[i];
      }
    }
  }
  return y;
}

Tensor routedExperts(const Tensor &x, const Tensor &weights, const IntTensor &ids,
                     const Tensor &gate, const Tensor &up, const Tensor &down,
                     const MlpSpec &spec) {
  auto weightsOf = [&](int64_t e) {
    return MlpWeights{gate.row(e), up.row(e), down.row(e), gate.dim(1)};
  };
  return runExperts(x, weights, ids, gate.rows(), weightsOf, spec);
}

Tensor fusedExperts(const Tensor &x, const Tensor &weights, const IntTensor &ids,
                    const Tensor &gateUp, const Tensor &down, int64_t shared, const MlpSpec &spec) {
  int64_t experts = gateUp.rows(), width = gateUp.dim(1) / 2, hidden = x.dim(1);
  int64_t routed = ids.dim(1), slots = routed + shared;
  Tensor allWeights({x.rows(), slots});
  IntTensor allIds({x.rows(), slots});
  for (int64_t t = 0; t < x.rows(); ++t) {
    std::copy_n(weights.row(t), routed, allWeights.row(t));
    std::copy_n(ids.row(t), routed, allIds.row(t));
    for (int64_t s = 0; s < shared; ++s) {
      allWeights.row(t)[routed + s] = 1.0;
      allIds.row(t)[routed + s] = experts - shared + s;
    }
  }
  auto weightsOf = [&](int64_t e) {
    return MlpWeights{gateUp.row(e), gateUp.row(e) + width * hidden, down.row(e), width};
  };
  return runExperts(x, allWeights, allIds, experts, weightsOf, spec);
}

} // namespace dsv2
