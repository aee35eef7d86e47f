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

} // namespace
} // namespace dsv2::test
