//===- RoutingCases.cpp - choosing and sorting experts --------------------===//
//
// Results are integers but for the gate's weights; scores are far enough apart
// that f32 and f64 choose alike.
//
//===----------------------------------------------------------------------===//
#include "tools/gpu-pack/KernelShop.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace dsv2::pack {
namespace {

void addSort(KernelShop &shop, const std::string &target, int64_t rows) {
  const int64_t experts = 150, slots = 3, total = rows * slots;
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < total; ++i) {
    ids.push_back(int32_t((i * i * 7 + i) % 31 * 5 % experts)); // few experts
  }
  ids.back() = experts - 1;
  std::vector<double> list, order, position(static_cast<size_t>(total));
  for (int64_t expert = 0; expert < experts; ++expert) {
    size_t first = order.size();
    for (int64_t i = 0; i < total; ++i) {
      if (ids[size_t(i)] == expert) {
        position[size_t(i)] = double(order.size());
        order.push_back(double(i / slots));
      }
    }
    if (order.size() > first) {
      list.insert(list.end(), {double(expert), double(first), double(order.size())});
    }
  }
  std::vector<double> count = {double(list.size() / 3)};
  Case out;
  out.name = "sort_experts " + text(rows) + " rows";
  out.target = target;
  out.builder = "sort_experts";
  std::vector<Slot> launch = {{int64_t(out.add(integers(ids))), 0}};
  for (const std::vector<double> *values : {&list, &count, &order, &position}) {
    Expectation expect;
    expect.type = ElementType::I32;
    expect.buffer = out.add(empty(
        uint64_t(values == &list ? 3 * std::min(experts, total) : int64_t(values->size())) * 4));
    expect.rows = 1;
    expect.columns = expect.stride = int64_t(values->size());
    expect.values = *values;
    launch.push_back({int64_t(expect.buffer), 0});
    out.expect.push_back(std::move(expect));
  }
  launch.push_back(Slot::number(rows));
  size_t module =
      shop.kernel(target, "sort_experts", {{"experts", text(experts)}, {"slots", text(slots)}});
  out.launches.push_back({module, 1, launch});
  shop.add(std::move(out));
}

void addGate(KernelShop &shop, const std::string &target, int64_t rows) {
  const int64_t experts = 20, topK = 3, shared = 1, width = topK + shared;
  // A permutation of well separated scores for each row.
  Values logits(size_t(rows * experts), false);
  Expectation weights, ids;
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<int64_t> order(experts);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937(unsigned(row) + 7));
    double sum = 0;
    for (int64_t rank = 0; rank < experts; ++rank) {
      logits.set(size_t(row * experts + order[size_t(rank)]), 2.0f - 0.25f * float(rank));
      sum += rank < topK ? std::exp(2.0 - 0.25 * double(rank)) : 0.0;
    }
    for (int64_t rank = 0; rank < topK; ++rank) {
      ids.values.push_back(double(order[size_t(rank)]));
      weights.values.push_back(std::exp(2.0 - 0.25 * double(rank)) / sum);
    }
    ids.values.push_back(double(experts));
    weights.values.push_back(1.0);
  }
  Case out;
  out.name = "gate_topk " + text(rows) + " rows";
  out.target = target;
  out.builder = "gate_topk";
  std::vector<Slot> launch = {{int64_t(out.add(logits.buffer())), 0}};
  weights.type = ElementType::F32;
  weights.bound = 1e-5;
  ids.type = ElementType::I32;
  for (Expectation *expect : {&weights, &ids}) {
    expect->buffer = out.add(empty(uint64_t(rows * width) * 4));
    expect->rows = rows;
    expect->columns = expect->stride = width;
    launch.push_back({int64_t(expect->buffer), 0});
    out.expect.push_back(std::move(*expect));
  }
  launch.push_back({int64_t(out.add({uint64_t(rows * topK) * 4, Fill::Zero})), 0});
  launch.push_back(Slot::number(0));
  size_t module = shop.kernel(target, "gate_topk",
                              {{"experts", text(experts)},
                               {"top_k", text(topK)},
                               {"groups", "1"},
                               {"keep", "1"},
                               {"shared", text(shared)},
                               {"scoring", quoted("softmax")},
                               {"normalize", "true"},
                               {"scale", "1.0"}});
  out.launches.push_back({module, rows, launch});
  shop.add(std::move(out));
}

} // namespace

void addRouting(KernelShop &shop, const std::string &target) {
  for (int64_t rows : {1, 7, 129}) {
    addSort(shop, target, rows);
    addGate(shop, target, rows);
  }
}

} // namespace dsv2::pack
