//===- Routing.cpp - Choice of experts ------------------------------------===//
//
// Masked experts get -inf, never 0: a zero could still win against nothing.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Ops/Routing.h"

#include "lib/Reference/Ops/Attention.h"
#include "lib/Reference/Ops/Linear.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace dsv2 {

std::vector<int64_t> topIndices(const double *values, int64_t size, int64_t count) {
  std::vector<int64_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  count = std::min(size, count);
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int64_t a, int64_t b) {
    return values[a] > values[b] || (values[a] == values[b] && a < b);
  });
  order.resize(count);
  return order;
}

/// Sets the scores of all but the best groups to -inf. A group counts the sum of
/// its `counted` best scores.
static void keepBestGroups(std::vector<double> &scores, const GateSpec &spec, int64_t counted) {
  int64_t size = int64_t(scores.size()) / spec.groups;
  std::vector<double> best(spec.groups);
  for (int64_t g = 0; g < spec.groups; ++g) {
    const double *group = scores.data() + g * size;
    for (int64_t i : topIndices(group, size, counted)) {
      best[g] += group[i];
    }
  }
  std::vector<bool> kept(spec.groups);
  for (int64_t g : topIndices(best.data(), spec.groups, spec.keep)) {
    kept[g] = true;
  }
  for (int64_t e = 0; e < int64_t(scores.size()); ++e) {
    if (!kept[e / size]) {
      scores[e] = -std::numeric_limits<double>::infinity();
    }
  }
}

GateResult gate(const Tensor &x, const Tensor &w, const GateSpec &spec, const IntTensor *replay) {
  int64_t experts = w.rows();
  assert(experts % spec.groups == 0 && "groups of equal size");
  assert((!spec.bias || int64_t(spec.bias->values.size()) == experts) && "a bias of every expert");
  Tensor scores = linear(x, w);
  GateResult result{Tensor({x.rows(), spec.topK}), IntTensor({x.rows(), spec.topK})};
  for (int64_t t = 0; t < x.rows(); ++t) {
    double *row = scores.row(t);
    if (spec.bias) {
      std::transform(row, row + experts, row, [](double v) { return 1 / (1 + std::exp(-v)); });
    } else {
      softmax(row, experts);
    }
    std::vector<int64_t> chosen;
    if (replay) {
      chosen.assign(replay->row(t), replay->row(t) + spec.topK);
    } else {
      std::vector<double> choice(row, row + experts);
      for (int64_t e = 0; spec.bias && e < experts; ++e) {
        choice[e] += spec.bias->values[e];
      }
      keepBestGroups(choice, spec, spec.bias ? 2 : 1);
      chosen = topIndices(choice.data(), experts, spec.topK);
    }
    double sum = 0;
    for (int64_t id : chosen) {
      sum += row[id];
    }
    bool normalize = spec.normalize && (spec.topK > 1 || spec.bias);
    double factor = normalize && !spec.bias ? 1.0 : spec.scale;
    for (int64_t k = 0; k < spec.topK; ++k) {
      double score = row[chosen[k]];
      result.weights.row(t)[k] = (normalize ? score / (sum + 1e-20) : score) * factor;
      result.ids.row(t)[k] = chosen[k];
    }
  }
  return result;
}

} // namespace dsv2
