//===- Routing.cpp - The softmax gates ------------------------------------===//
//
// Masked experts get -inf, never 0: a zero could still win against nothing.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Ops/Routing.h"

#include "lib/Reference/Ops/Attention.h"
#include "lib/Reference/Ops/Linear.h"

#include <algorithm>
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

/// Sets the scores of all but the best groups to -inf.
static void keepBestGroups(std::vector<double> &scores, int64_t groups, int64_t keep) {
  int64_t size = int64_t(scores.size()) / groups;
  std::vector<double> best(groups);
  for (int64_t g = 0; g < groups; ++g) {
    best[g] = *std::max_element(scores.begin() + g * size, scores.begin() + (g + 1) * size);
  }
  std::vector<bool> kept(groups);
  for (int64_t g : topIndices(best.data(), groups, keep)) {
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
  Tensor scores = linear(x, w);
  GateResult result{Tensor({x.rows(), spec.topK}), IntTensor({x.rows(), spec.topK})};
  for (int64_t t = 0; t < x.rows(); ++t) {
    double *row = scores.row(t);
    softmax(row, experts);
    std::vector<int64_t> chosen;
    if (replay) {
      chosen.assign(replay->row(t), replay->row(t) + spec.topK);
    } else {
      std::vector<double> choice(row, row + experts);
      keepBestGroups(choice, spec.groups, spec.keep);
      chosen = topIndices(choice.data(), experts, spec.topK);
    }
    double sum = 0;
    for (int64_t id : chosen) {
      sum += row[id];
    }
    bool normalize = spec.normalize && spec.topK > 1;
    for (int64_t k = 0; k < spec.topK; ++k) {
      double score = row[chosen[k]];
      result.weights.row(t)[k] = normalize ? score / (sum + 1e-20) : score * spec.scale;
      result.ids.row(t)[k] = chosen[k];
    }
  }
  return result;
}

} // namespace dsv2
