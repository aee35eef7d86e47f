//===- MatmulCases.cpp - contractions with packed weights -----------------===//
//
// Shapes that divide no tile, checked against plain loops in f64, and the shapes
// of the dense layers for measurements.
//
//===----------------------------------------------------------------------===//
#include "tools/gpu-pack/KernelShop.h"

namespace dsv2::pack {
namespace {

struct Shape {
  int64_t rows, n, k, batch;
  bool bf16, outBf16, add;
  bool bias = false;
};

std::string nameOf(const Shape &c) {
  return "matmul " + text(c.rows) + " x " + text(c.n) + " x " + text(c.k) +
         (c.batch > 1 ? " batch " + text(c.batch) : "") + " " + typeText(c.bf16) + " to " +
         typeText(c.outBf16) + (c.bias ? " bias" : "") + (c.add ? " add" : "");
}

/// Items of a call: panels, times blocks of rows where an item has a number of rows.
int64_t itemsOf(const TargetBackend &target, const PackedLayout &layout, const Shape &c) {
  int64_t block = target.getCapabilities().rowsOfItem;
  return c.batch * ceilDiv(c.n, layout.panel) * (block ? ceilDiv(c.rows, block) : 1);
}

size_t kernelOf(KernelShop &shop, const std::string &target, const Shape &c, int64_t kPadded,
                int64_t outRow) {
  return shop.kernel(target, "matmul",
                     {{"n", text(c.n)},
                      {"k", text(c.k)},
                      {"batch", text(c.batch)},
                      {"dtype", typeText(c.bf16)},
                      {"out_dtype", typeText(c.outBf16)},
                      {"a_row_stride", text(c.batch * kPadded)},
                      {"a_batch_stride", text(kPadded)},
                      {"out_row_stride", text(outRow)},
                      {"out_batch_stride", text(c.n)},
                      {"bias", text(c.bias)},
                      {"add", text(c.add)}});
}

void addCheck(KernelShop &shop, const std::string &name, const Shape &c) {
  const TargetBackend &target = *shop.target(name);
  PackedLayout layout = target.getPacking(shop.element(c.bf16));
  int64_t kPadded = ceilDiv(c.k, layout.pair) * layout.pair, outRow = c.batch * c.n + 3;
  Values random = Values::random(size_t(c.rows * c.batch * c.k), c.bf16, 1);
  Values a(size_t(c.rows * c.batch * kPadded), c.bf16);
  Values plain = Values::random(size_t(c.batch * c.n * c.k), c.bf16, 2);
  Values residual = Values::random(size_t(c.rows * outRow), false, 3);
  Values bias = Values::random(size_t(c.batch * c.n), false, 4);

  Expectation expect;
  expect.type = c.outBf16 ? ElementType::BF16 : ElementType::F32;
  expect.rows = c.rows;
  expect.columns = c.batch * c.n;
  expect.stride = outRow;
  expect.bound = c.outBf16 ? kRoundedBound : c.bf16 ? kExactBound : kF32Bound;
  for (int64_t m = 0; m < c.rows; ++m) {
    for (int64_t e = 0; e < c.batch; ++e) {
      const float *row = &random.numbers[size_t((m * c.batch + e) * c.k)];
      std::copy(row, row + c.k, &a.numbers[size_t((m * c.batch + e) * kPadded)]);
      for (int64_t j = 0; j < c.n; ++j) {
        double sum = (c.add ? residual.numbers[size_t(m * outRow + e * c.n + j)] : 0.0) +
                     (c.bias ? bias.numbers[size_t(e * c.n + j)] : 0.0);
        for (int64_t x = 0; x < c.k; ++x) {
          sum += double(row[x]) * plain.numbers[size_t((e * c.n + j) * c.k + x)];
        }
        expect.values.push_back(sum);
      }
    }
  }

  Case out;
  out.name = nameOf(c);
  out.target = name;
  out.builder = "matmul";
  std::vector<Slot> slots;
  auto pass = [&](BufferSpec buffer) { slots.push_back({int64_t(out.add(std::move(buffer))), 0}); };
  pass(a.buffer());
  pass(packWeight(plain, c.batch, c.n, c.k, layout).buffer());
  if (c.bias) {
    pass(bias.buffer());
  }
  if (c.add) {
    pass(residual.buffer());
  }
  expect.buffer = out.buffers.size();
  pass(empty(uint64_t(c.rows * outRow) * (c.outBf16 ? 2 : 4)));
  slots.push_back(Slot::number(c.rows));
  out.launches.push_back(
      {kernelOf(shop, name, c, kPadded, outRow), itemsOf(target, layout, c), slots});
  out.expect.push_back(std::move(expect));
  shop.add(std::move(out));
}

void addMeasurement(KernelShop &shop, const std::string &name, const Shape &c) {
  const TargetBackend &target = *shop.target(name);
  PackedLayout layout = target.getPacking(shop.element(true));
  int64_t weight = packedElements(1, c.n, c.k, layout);
  Case out;
  out.name = nameOf(c);
  out.target = name;
  out.builder = "matmul";
  out.goal = "mm";
  out.wanted = "the limits above";
  out.flop = 2.0 * double(c.rows) * double(c.n) * double(c.k);
  out.bytes = 2.0 * double(weight + c.rows * (c.k + c.n));
  std::vector<Slot> slots = {{int64_t(out.add(noise(uint64_t(c.rows * c.k), true))), 0},
                             {int64_t(out.add(noise(uint64_t(weight), true))), 0},
                             {int64_t(out.add(empty(uint64_t(c.rows * c.n) * 2))), 0},
                             Slot::number(c.rows)};
  out.launches.push_back({kernelOf(shop, name, c, c.k, c.n), itemsOf(target, layout, c), slots});
  shop.add(std::move(out));
}

} // namespace

void addMatmuls(KernelShop &shop, const std::string &target) {
  for (bool bf16 : {false, true}) {
    for (int64_t rows : {1, 7, 129}) {
      addCheck(shop, target, {rows, 100, 200, 1, bf16, false, true});
      addCheck(shop, target, {rows, 37, 41, 3, bf16, bf16, false});
    }
    addCheck(shop, target, {17, 64, 8, 2, bf16, true, true});
    addCheck(shop, target, {33, 72, 136, 1, bf16, false, false, true});
    addCheck(shop, target, {7, 576, 1024, 1, bf16, bf16, false});
  }
  if (shop.target(target)->getDriver() == "simt") {
    return;
  }
  for (auto [n, k] : {std::pair<int64_t, int64_t>{3072, 2048}, {576, 2048}, {2048, 2048}}) {
    for (int64_t rows : {1, 16, 128, 512}) {
      addMeasurement(shop, target, {rows, n, k, 1, true, true, false});
    }
  }
  addMeasurement(shop, target, {1, 102400, 2048, 1, true, true, false});
  addMeasurement(shop, target, {4096, 4096, 4096, 1, true, true, false});
}

} // namespace dsv2::pack
