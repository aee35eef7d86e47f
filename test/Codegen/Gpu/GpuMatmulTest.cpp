//===- GpuMatmulTest.cpp - contractions on workgroups against f64 ---------===//
//
// Shapes that divide no tile, on every GPU target's checked form. Reports of the checks fail too.
//
//===----------------------------------------------------------------------===//
#include "test/Codegen/Gpu/SimtHouse.h"

namespace dsv2::test {
namespace {

struct Case {
  int64_t rows, n, k, batch;
  bool bf16, outBf16, add;
  bool bias = false;
};

std::string typeName(bool bf16) { return bf16 ? "bf16" : "f32"; }

struct Matmul {
  Case c;
  PackedLayout layout;
  int64_t kPadded, aRow, outRow;
  Elements a, plain, residual, biases;

  Matmul(const Case &c, PackedLayout layout)
      : c(c), layout(layout), kPadded(ceilDiv(c.k, layout.pair) * layout.pair),
        aRow(c.batch * kPadded), outRow(c.batch * c.n + 3), a(c.rows * aRow, c.bf16),
        plain(randomElements(c.batch * c.n * c.k, c.bf16, 2)),
        residual(randomElements(c.rows * outRow, false, 3)),
        biases(randomElements(c.batch * c.n, false, 4)) {
    a.randomize(1);
    for (int64_t m = 0; m < c.rows; ++m) {
      for (int64_t e = 0; e < c.batch; ++e) {
        for (int64_t x = c.k; x < kPadded; ++x) {
          a.set(m * aRow + e * kPadded + x, 0.0f);
        }
      }
    }
  }

  std::string spec() const {
    auto number = [](int64_t x) { return std::to_string(x); };
    return "{n = " + number(c.n) + ", k = " + number(c.k) + ", batch = " + number(c.batch) +
           ", dtype = " + typeName(c.bf16) + ", out_dtype = " + typeName(c.outBf16) +
           ", a_row_stride = " + number(aRow) + ", a_batch_stride = " + number(kPadded) +
           ", out_row_stride = " + number(outRow) + ", out_batch_stride = " + number(c.n) +
           ", add = " + (c.add ? "true" : "false") + (c.bias ? ", bias = true}" : "}");
  }

  Elements run(SimtHouse &house, const std::string &target, int64_t rows) const {
    Elements out(c.rows * outRow, c.outBf16),
        w = packWeight(plain, c.batch, c.n, c.k, c.bf16, layout);
    std::vector<SimtSlot> slots = {SimtSlot::of(a, c.bf16), SimtSlot::of(w, c.bf16)};
    if (c.bias) {
      slots.push_back(SimtSlot::of(biases, false));
    }
    if (c.add) {
      slots.push_back(SimtSlot::of(residual, false));
    }
    slots.push_back(SimtSlot::of(out, c.outBf16));
    slots.push_back(SimtSlot::number(rows));
    int64_t block = house.rowsOfItem(target);
    house.run(target, "matmul", spec(), slots,
              c.batch * ceilDiv(c.n, layout.panel) * (block ? ceilDiv(rows, block) : 1));
    return out;
  }

  double agreement(const Elements &out) const {
    Agreement agreement;
    for (int64_t m = 0; m < c.rows; ++m) {
      for (int64_t e = 0; e < c.batch; ++e) {
        for (int64_t j = 0; j < c.n; ++j) {
          double sum = c.add ? residual.get(m * outRow + e * c.n + j) : 0.0;
          sum += c.bias ? biases.get(e * c.n + j) : 0.0;
          for (int64_t x = 0; x < c.k; ++x) {
            sum += double(a.get(m * aRow + e * kPadded + x)) * plain.get((e * c.n + j) * c.k + x);
          }
          agreement.add(out.get(m * outRow + e * c.n + j), sum);
        }
      }
    }
    return agreement.value();
  }
};

double boundOf(bool bf16, bool outBf16) {
  return outBf16 ? kRoundedBound : bf16 ? kExactBound : kF32Bound;
}

TEST(GpuMatmulTest, AgreesWithAPlainLoop) {
  SimtHouse house;
  if (house.names().empty()) {
    GTEST_SKIP() << "no target of this build has a checked form";
  }
  for (const std::string &target : house.names()) {
    for (bool bf16 : {false, true}) {
      for (const Case &c :
           {Case{1, 100, 200, 1, bf16, false, true}, Case{7, 37, 41, 3, bf16, bf16, false},
            Case{7, 200, 72, 1, bf16, false, false, true},
            Case{129, 72, 136, 1, bf16, false, false}, Case{17, 64, 8, 2, bf16, true, true}}) {
        Matmul problem(c, house.packing(target, bf16));
        Elements out = problem.run(house, target, c.rows);
        EXPECT_LE(problem.agreement(out), boundOf(bf16, c.outBf16))
            << target << " rows " << c.rows << " " << problem.spec();
        // Between rows nothing is written.
        Elements untouched(1, c.outBf16);
        EXPECT_TRUE(out.sameBits(untouched, c.batch * c.n, 0, 1)) << target;
      }
    }
  }
}

/// A row alone, among a few and among many: three bodies, the same bits.
TEST(GpuMatmulTest, RowsDoNotChangeBits) {
  SimtHouse house;
  for (const std::string &target : house.names()) {
    for (bool bf16 : {false, true}) {
      Matmul problem({40, 70, 100, 1, bf16, false, false}, house.packing(target, bf16));
      Elements all = problem.run(house, target, 40);
      for (int64_t rows : {1, 16}) {
        Elements some = problem.run(house, target, rows);
        EXPECT_TRUE(all.sameBits(some, 0, 0, (rows - 1) * problem.outRow + 70)) << target;
      }
    }
  }
}

TEST(GpuMatmulTest, GroupsOfRowsMeetTheirExperts) {
  SimtHouse house;
  const int64_t experts = 6, n = 70, k = 72, rows = 11;
  // Expert, first and one-past-last position; one expert is empty, one is not in the list.
  const std::vector<int32_t> list = {0, 0, 1, 1, 1, 8, 2, 8, 8, 3, 8, 45, 5, 45, 174};
  const int64_t entries = 5, positions = 174;
  for (const std::string &target : house.names()) {
    for (bool bf16 : {false, true}) {
      for (bool gated : {false, true}) {
        PackedLayout layout = house.packing(target, bf16);
        int64_t matrices = gated ? 2 : 1;
        Elements a = randomElements(rows * k, bf16, 1);
        Elements plain = randomElements(experts * matrices * n * k, bf16, 2);
        Elements w = packWeight(plain, experts * matrices, n, k, bf16, layout);
        Buffer<int32_t> tasks(list.size()), count(1), order(positions);
        std::copy(list.begin(), list.end(), tasks.data());
        count[0] = entries;
        for (int64_t p = 0; p < positions; ++p) {
          order[p] = int32_t((p * 7 + 3) % rows);
        }
        bool outBf16 = bf16 && gated;
        Elements out(positions * n, outBf16);
        std::string spec = "{n = 70, k = 72, dtype = " + typeName(bf16) +
                           ", out_dtype = " + typeName(outBf16) +
                           ", a_row_stride = 72, out_row_stride = 70, epilogue = \"" +
                           (gated ? "swiglu" : "none") + "\", gather = true}";
        // One item more than there are entries: it does nothing.
        house.run(target, "grouped_matmul", spec,
                  {SimtSlot::of(a, bf16), SimtSlot::of(w, bf16), SimtSlot::of(tasks),
                   SimtSlot::of(count), SimtSlot::of(order), SimtSlot::of(out, outBf16)},
                  (entries + 1) * ceilDiv(n, layout.panel));
        Agreement agreement;
        for (int64_t entry = 0; entry < entries; ++entry) {
          for (int64_t p = list[3 * entry + 1]; p < list[3 * entry + 2]; ++p) {
            for (int64_t j = 0; j < n; ++j) {
              double sums[2] = {0.0, 0.0};
              for (int64_t m = 0; m < matrices; ++m) {
                int64_t row = (list[3 * entry] * matrices + m) * n + j;
                for (int64_t x = 0; x < k; ++x) {
                  sums[m] += double(a.get(order[p] * k + x)) * plain.get(row * k + x);
                }
              }
              double wanted = gated ? sums[0] / (1.0 + std::exp(-sums[0])) * sums[1] : sums[0];
              agreement.add(out.get(p * n + j), wanted);
            }
          }
        }
        EXPECT_LE(agreement.value(), boundOf(bf16, outBf16)) << target << " " << spec;
      }
    }
  }
}

} // namespace
} // namespace dsv2::test
