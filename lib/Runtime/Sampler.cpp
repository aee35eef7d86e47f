//===- Sampler.cpp - From logits to the next token ------------------------===//
//
// Greedy search looks at 100,000 values between two steps, so its maximum is
// taken in independent lanes.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/Sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace dsv2;

static float maximum(const float *values, int64_t count) {
  constexpr int64_t kLanes = 16;
  float lanes[kLanes];
  std::fill_n(lanes, kLanes, -std::numeric_limits<float>::infinity());
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = values[i + lane] > lanes[lane] ? values[i + lane] : lanes[lane];
    }
  }
  float largest = *std::max_element(lanes, lanes + kLanes);
  for (; i < count; ++i) {
    largest = values[i] > largest ? values[i] : largest;
  }
  return largest;
}

int32_t dsv2::argmax(const float *values, int64_t count) {
  const float *found = std::find(values, values + count, maximum(values, count));
  return found == values + count ? 0 : static_cast<int32_t>(found - values);
}

double dsv2::negativeLogLikelihood(const float *logits, int64_t vocab, int32_t token) {
  double largest = maximum(logits, vocab);
  double sum = 0;
  for (int64_t i = 0; i < vocab; ++i) {
    sum += std::exp(static_cast<double>(logits[i]) - largest);
  }
  return std::log(sum) + largest - static_cast<double>(logits[token]);
}

Sampler::Sampler(const SamplingOptions &options, uint64_t sequence)
    : options(options), random(options.seed * 0x9e3779b97f4a7c15u + sequence) {}

int32_t Sampler::next(const float *logits, int64_t vocab) {
  if (options.temperature <= 0) {
    return argmax(logits, vocab);
  }
  candidates.clear();
  for (int64_t i = 0; i < vocab; ++i) {
    if (!std::isnan(logits[i])) {
      candidates.emplace_back(logits[i], static_cast<int32_t>(i));
    }
  }
  if (candidates.empty()) {
    return 0;
  }
  auto larger = [](const std::pair<float, int32_t> &a, const std::pair<float, int32_t> &b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  };
  if (options.topK != 0 && options.topK < candidates.size()) {
    std::partial_sort(candidates.begin(), candidates.begin() + options.topK, candidates.end(),
                      larger);
    candidates.resize(options.topK);
  } else {
    std::sort(candidates.begin(), candidates.end(), larger);
  }
  double largest = candidates.front().first;
  auto weight = [&](float logit) {
    return std::exp((static_cast<double>(logit) - largest) / options.temperature);
  };
  double total = 0;
  for (const auto &candidate : candidates) {
    total += weight(candidate.first);
  }
  // The smallest set of the largest that reaches top-p, at least one.
  double kept = 0;
  size_t count = 0;
  while (count < candidates.size() && (count == 0 || kept < options.topP * total)) {
    kept += weight(candidates[count++].first);
  }
  // 53 random bits, the same on every library.
  double draw = static_cast<double>(random() >> 11) * 0x1p-53 * kept;
  for (size_t i = 0; i + 1 < count; ++i) {
    draw -= weight(candidates[i].first);
    if (draw < 0) {
      return candidates[i].second;
    }
  }
  return candidates[count - 1].second;
}
