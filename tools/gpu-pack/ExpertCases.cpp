//===- ExpertCases.cpp - contractions of rows grouped by expert -----------===//
//
// Experts without rows and entries past the list's end for the checks; G6 and G7
// of PERFORMANCE.md for the measurements.
//
//===----------------------------------------------------------------------===//
#include "tools/gpu-pack/KernelShop.h"

#include <cmath>

namespace dsv2::pack {
namespace {

constexpr int64_t kExperts = 64, kChosen = 6, kShared = 2, kHidden = 2048, kWidth = 1408;

size_t kernelOf(KernelShop &shop, const std::string &target, int64_t n, int64_t k, bool bf16,
                bool gated, bool gather) {
  return shop.kernel(target, "grouped_matmul",
                     {{"n", text(n)},
                      {"k", text(k)},
                      {"dtype", typeText(bf16)},
                      {"out_dtype", typeText(bf16)},
                      {"a_row_stride", text(k)},
                      {"out_row_stride", text(n)},
                      {"epilogue", quoted(gated ? "swiglu" : "none")},
                      {"gather", text(gather)}});
}

void addCheck(KernelShop &shop, const std::string &name, int64_t rows, bool bf16, bool gated) {
  const int64_t experts = 5, n = 70, k = 48, positions = 4 * rows;
  // Expert, first and one-past-last position: one is empty, one is not in the list.
  const std::vector<int64_t> list = {0, 0,    rows,     2, rows,     rows,
                                     3, rows, 3 * rows, 4, 3 * rows, 4 * rows};
  const int64_t entries = 4, matrices = gated ? 2 : 1;
  PackedLayout layout = shop.target(name)->getPacking(shop.element(bf16));
  Values a = Values::random(size_t(rows * k), bf16, 1);
  Values plain = Values::random(size_t(experts * matrices * n * k), bf16, 2);
  std::vector<int32_t> order;
  for (int64_t p = 0; p < positions; ++p) {
    order.push_back(int32_t((p * 7 + 3) % rows));
  }
  Expectation expect;
  expect.type = bf16 ? ElementType::BF16 : ElementType::F32;
  expect.rows = positions;
  expect.columns = expect.stride = n;
  expect.bound = bf16 ? kRoundedBound : kF32Bound;
  for (int64_t entry = 0; entry < entries; ++entry) {
    for (int64_t p = list[size_t(3 * entry + 1)]; p < list[size_t(3 * entry + 2)]; ++p) {
      for (int64_t j = 0; j < n; ++j) {
        double sums[2] = {0.0, 0.0};
        for (int64_t m = 0; m < matrices; ++m) {
          int64_t row = (list[size_t(3 * entry)] * matrices + m) * n + j;
          for (int64_t x = 0; x < k; ++x) {
            sums[m] += double(a.numbers[size_t(order[size_t(p)] * k + x)]) *
                       plain.numbers[size_t(row * k + x)];
          }
        }
        expect.values.push_back(gated ? sums[0] / (1.0 + std::exp(-sums[0])) * sums[1] : sums[0]);
      }
    }
  }
  Case out;
  out.name = "grouped_matmul " + text(rows) + " rows " + typeText(bf16) + (gated ? " swiglu" : "");
  out.target = name;
  out.builder = "grouped_matmul";
  std::vector<int32_t> tasks(list.begin(), list.end());
  tasks.resize(size_t(3 * (entries + 1)), 0);
  std::vector<Slot> slots;
  for (BufferSpec buffer :
       {a.buffer(), packWeight(plain, experts * matrices, n, k, layout).buffer(), integers(tasks),
        integers({int32_t(entries)}), integers(order),
        empty(uint64_t(positions * n) * (bf16 ? 2 : 4))}) {
    slots.push_back({int64_t(out.add(std::move(buffer))), 0});
  }
  expect.buffer = 5;
  // One entry more than there are: its items do nothing.
  out.launches.push_back({kernelOf(shop, name, n, k, bf16, gated, true),
                          (entries + 1) * ceilDiv(n, layout.panel), slots});
  out.expect.push_back(std::move(expect));
  shop.add(std::move(out));
}

/// One expert layer: gate and up with SwiGLU, then down. Experts are chosen evenly.
void addLayer(KernelShop &shop, const std::string &name, int64_t tokens, bool decode) {
  PackedLayout layout = shop.target(name)->getPacking(shop.element(true));
  int64_t slotsOfToken = kChosen + (decode ? kShared : 0);
  int64_t experts = kExperts + (decode ? kShared : 0), positions = tokens * slotsOfToken;
  std::vector<int32_t> list, order;
  std::vector<std::vector<int32_t>> rowsOf(static_cast<size_t>(experts));
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t s = 0; s < slotsOfToken; ++s) {
      int64_t expert =
          s < kChosen ? (t * kChosen + s * 11 + t / 11) % kExperts : kExperts + s - kChosen;
      rowsOf[size_t(expert)].push_back(int32_t(t));
    }
  }
  double touched = 0;
  for (int64_t expert = 0; expert < experts; ++expert) {
    const std::vector<int32_t> &rows = rowsOf[size_t(expert)];
    if (rows.empty()) {
      continue;
    }
    int32_t first = int32_t(order.size());
    order.insert(order.end(), rows.begin(), rows.end());
    list.insert(list.end(), {int32_t(expert), first, int32_t(order.size())});
    ++touched;
  }
  int32_t entries = int32_t(list.size() / 3);
  uint64_t gateUp = uint64_t(packedElements(experts * 2, kWidth, kHidden, layout));
  uint64_t down = uint64_t(packedElements(experts, kHidden, kWidth, layout));
  Case out;
  out.target = name;
  out.builder = "grouped_matmul";
  out.goal = decode ? "G7" : "G6";
  out.wanted = decode ? ">= 85% of bandwidth" : ">= 600 TFLOP/s";
  out.name = (decode ? "expert layer, tokens " : "experts, tokens ") + text(tokens);
  out.flop = 2.0 * double(positions) * 3.0 * double(kHidden * kWidth);
  out.bytes = touched * 3.0 * double(kHidden * kWidth) * 2.0 +
              2.0 * double(positions) * double(2 * kHidden + 2 * kWidth);
  size_t x = out.add(noise(uint64_t(tokens * kHidden), true)), w1 = out.add(noise(gateUp, true)),
         tasks = out.add(integers(list)), count = out.add(integers({entries})),
         rows = out.add(integers(order)), middle = out.add(empty(uint64_t(positions * kWidth) * 2)),
         w2 = out.add(noise(down, true)), last = out.add(empty(uint64_t(positions * kHidden) * 2));
  auto slots = [](std::initializer_list<size_t> buffers) {
    std::vector<Slot> all;
    for (size_t buffer : buffers) {
      all.push_back({int64_t(buffer), 0});
    }
    return all;
  };
  int64_t upper = std::min(experts, positions);
  out.launches.push_back({kernelOf(shop, name, kWidth, kHidden, true, true, true),
                          upper * ceilDiv(kWidth, layout.panel),
                          slots({x, w1, tasks, count, rows, middle})});
  out.launches.push_back({kernelOf(shop, name, kHidden, kWidth, true, false, false),
                          upper * ceilDiv(kHidden, layout.panel),
                          slots({middle, w2, tasks, count, last})});
  shop.add(std::move(out));
}

} // namespace

void addExperts(KernelShop &shop, const std::string &target) {
  for (bool bf16 : {false, true}) {
    for (bool gated : {false, true}) {
      for (int64_t rows : {1, 7, 129}) {
        addCheck(shop, target, rows, bf16, gated);
      }
    }
  }
  if (shop.target(target)->getDriver() == "simt") {
    return;
  }
  for (int64_t tokens : {4096, 8192, 16384, 32768}) {
    addLayer(shop, target, tokens, /*decode=*/false);
  }
  for (int64_t tokens : {1, 4, 8, 32}) {
    addLayer(shop, target, tokens, /*decode=*/true);
  }
}

} // namespace dsv2::pack
