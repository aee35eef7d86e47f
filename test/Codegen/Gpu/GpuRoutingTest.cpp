//===- GpuRoutingTest.cpp - choosing and sorting experts on workgroups ----===//
//
// The tables of a sort are those that one thread makes; the gate's weights agree with f64.
//
//===----------------------------------------------------------------------===//
#include "test/Codegen/Gpu/SimtHouse.h"

#include <algorithm>
#include <numeric>

namespace dsv2::test {
namespace {

TEST(GpuRoutingTest, SortsByExpert) {
  SimtHouse house;
  if (house.names().empty()) {
    GTEST_SKIP() << "no target of this build has a checked form";
  }
  const int64_t experts = 150, slots = 3, rows = 37, total = rows * slots;
  Buffer<int32_t> ids(total);
  for (int64_t i = 0; i < total; ++i) {
    ids[i] = int32_t((i * i * 7 + i) % 31 * 5 % experts); // few experts, the last row's among them
  }
  ids[total - 1] = experts - 1;
  for (const std::string &target : house.names()) {
    Buffer<int32_t> list(3 * total), count(1), order(total), position(total);
    house.run(target, "sort_experts", "{experts = 150, slots = 3}",
              {SimtSlot::of(ids), SimtSlot::of(list), SimtSlot::of(count), SimtSlot::of(order),
               SimtSlot::of(position), SimtSlot::number(rows)},
              1);
    int64_t place = 0, entry = 0;
    for (int64_t expert = 0; expert < experts; ++expert) {
      int64_t first = place;
      for (int64_t i = 0; i < total; ++i) {
        if (ids[i] == expert) {
          EXPECT_EQ(order[place], i / slots) << target;
          EXPECT_EQ(position[i], place) << target;
          ++place;
        }
      }
      if (place > first) {
        EXPECT_EQ(list[3 * entry], expert) << target;
        EXPECT_EQ(list[3 * entry + 1], first) << target;
        EXPECT_EQ(list[3 * entry + 2], place) << target;
        ++entry;
      }
    }
    EXPECT_EQ(count[0], entry) << target;
  }
}

TEST(GpuRoutingTest, GateChoosesTheLargest) {
  SimtHouse house;
  const int64_t experts = 20, topK = 3, shared = 1, rows = 7, width = topK + shared;
  Elements logits = randomElements(rows * experts, false, 1);
  for (const std::string &target : house.names()) {
    Elements weights(rows * width, false);
    Buffer<int32_t> ids(rows * width), replay(rows * topK, 0);
    house.run(target, "gate_topk",
              "{experts = 20, top_k = 3, groups = 1, keep = 1, shared = 1, scoring = \"softmax\", "
              "normalize = true, scale = 1.0}",
              {SimtSlot::of(logits, false), SimtSlot::of(weights, false), SimtSlot::of(ids),
               SimtSlot::of(replay), SimtSlot::number(0)},
              rows);
    for (int64_t row = 0; row < rows; ++row) {
      std::vector<int64_t> best(experts);
      std::iota(best.begin(), best.end(), 0);
      auto logit = [&](int64_t expert) { return double(logits.get(row * experts + expert)); };
      std::sort(best.begin(), best.end(),
                [&](int64_t a, int64_t b) { return logit(a) > logit(b); });
      double sum = 0.0;
      for (int64_t i = 0; i < topK; ++i) {
        sum += std::exp(logit(best[i]));
      }
      for (int64_t i = 0; i < topK; ++i) {
        EXPECT_EQ(ids[row * width + i], best[i]) << target << " row " << row;
        EXPECT_NEAR(weights.get(row * width + i), std::exp(logit(best[i])) / sum, 1e-5) << target;
      }
      EXPECT_EQ(ids[row * width + topK], experts) << target;
      EXPECT_EQ(weights.get(row * width + topK), 1.0f) << target;
    }
  }
}

/// Groups of a width that no chunk divides, equal logits, and scores with a bias: the choice is
/// that of plain loops, the lowest number first.
TEST(GpuRoutingTest, GateChoosesGroupsWithTies) {
  SimtHouse house;
  const int64_t groups = 5, size = 20, experts = groups * size, topK = 6, keep = 2, rows = 5;
  Elements logits(rows * experts, false), bias(experts, false);
  for (int64_t i = 0; i < rows * experts; ++i) {
    logits.set(i, float((i * i * 37 + i * 11) % 23) / 8.0f - 1.0f); // 23 values for 100 experts
  }
  for (int64_t i = 0; i < experts; ++i) {
    bias.set(i, float(i % 3) / 4.0f);
  }
  for (const std::string &target : house.names()) {
    for (bool sigmoid : {false, true}) {
      Elements weights(rows * topK, false);
      Buffer<int32_t> ids(rows * topK), replay(rows * topK, 0);
      std::vector<SimtSlot> slots = {SimtSlot::of(logits, false), SimtSlot::of(weights, false),
                                     SimtSlot::of(ids), SimtSlot::of(replay), SimtSlot::number(0)};
      if (sigmoid) {
        slots.push_back(SimtSlot::of(bias, false));
      }
      house.run(target, "gate_topk",
                std::string(
                    "{experts = 100, top_k = 6, groups = 5, keep = 2, shared = 0, scale = 2.5, ") +
                    (sigmoid ? "scoring = \"sigmoid\", normalize = true}"
                             : "scoring = \"softmax\", normalize = false}"),
                slots, rows);
      for (int64_t row = 0; row < rows; ++row) {
        std::vector<double> score(experts), compared(experts), ofGroup(groups);
        double total = 0.0;
        for (int64_t e = 0; e < experts; ++e) {
          double logit = logits.get(row * experts + e);
          score[e] = sigmoid ? 1.0 / (1.0 + std::exp(-logit)) : std::exp(logit);
          compared[e] = sigmoid ? score[e] + bias.get(e) : logit;
          total += score[e];
        }
        for (int64_t g = 0; g < groups; ++g) {
          std::vector<double> sorted(compared.begin() + g * size,
                                     compared.begin() + (g + 1) * size);
          std::sort(sorted.rbegin(), sorted.rend());
          ofGroup[g] = sigmoid ? sorted[0] + sorted[1] : sorted[0];
        }
        auto firstLargest = [](std::vector<double> &of) {
          auto best = std::max_element(of.begin(), of.end()); // the first
          *best = -1e30;
          return int64_t(best - of.begin());
        };
        std::vector<double> open(experts, -1e30);
        for (int64_t i = 0; i < keep; ++i) {
          int64_t g = firstLargest(ofGroup);
          std::copy_n(compared.begin() + g * size, size, open.begin() + g * size);
        }
        std::vector<int64_t> chosen;
        double sum = 0.0;
        for (int64_t i = 0; i < topK; ++i) {
          chosen.push_back(firstLargest(open));
          sum += score[chosen.back()];
        }
        for (int64_t i = 0; i < topK; ++i) {
          EXPECT_EQ(ids[row * topK + i], chosen[i]) << target << " row " << row << " place " << i;
          EXPECT_NEAR(weights.get(row * topK + i), 2.5 * score[chosen[i]] / (sigmoid ? sum : total),
                      1e-5)
              << target;
        }
      }
    }
  }
}

} // namespace
} // namespace dsv2::test
