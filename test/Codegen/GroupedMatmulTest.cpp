//===- GroupedMatmulTest.cpp - grouped matmul against a plain loop --------===//
//
// A work list with an empty expert, one row, and more rows than a block; gathered and not; with
// SwiGLU.
//
//===----------------------------------------------------------------------===//
#include "test/Codegen/KernelFixture.h"

namespace dsv2::test {
namespace {

struct Case {
  int64_t n, k;
  bool bf16, outBf16, swiglu, gather;
};

constexpr int64_t kExperts = 5, kTokens = 9;

/// Sorted positions: expert 0 has one row, 1 none, 2 seven, 3 six, 4 nine; the list leaves expert 1
/// out.
struct Problem {
  Case c;
  int64_t rows = 23, aRow, outRow, matrices;
  Elements a, plain, w;
  Buffer<int32_t> list, count, order;

  explicit Problem(const Case &c)
      : c(c), aRow((c.k + 1) / 2 * 2), outRow(c.n + 1), matrices(c.swiglu ? 2 : 1),
        a(randomElements((c.gather ? kTokens : rows) * aRow, c.bf16, 1)),
        plain(randomElements(kExperts * matrices * c.n * c.k, c.bf16, 2)),
        w(packWeight(plain, kExperts * matrices, c.n, c.k, c.bf16)), list(3 * kExperts), count(1),
        order(rows) {
    int32_t entries[] = {0, 0, 1, 2, 1, 8, 3, 8, 14, 4, 14, 23};
    std::copy(std::begin(entries), std::end(entries), list.data());
    count[0] = 4;
    for (int64_t p = 0; p < rows; ++p) {
      order[p] = int32_t((p * 5 + 2) % kTokens);
    }
    for (int64_t m = 0; m < int64_t(a.size()) / aRow && aRow != c.k; ++m) {
      a.set(m * aRow + c.k, 0.0f);
    }
  }

  std::string spec() const {
    auto type = [](bool bf16) { return bf16 ? std::string("bf16") : std::string("f32"); };
    return "{n = " + std::to_string(c.n) + ", k = " + std::to_string(c.k) +
           ", dtype = " + type(c.bf16) + ", out_dtype = " + type(c.outBf16) +
           ", a_row_stride = " + std::to_string(aRow) +
           ", out_row_stride = " + std::to_string(outRow) + ", epilogue = \"" +
           (c.swiglu ? "swiglu" : "none") + "\", gather = " + (c.gather ? "true" : "false") + "}";
  }

  Elements run(const ReadyKernel &kernel) const {
    Elements out(rows * outRow, c.outBf16);
    std::vector<uint64_t> slots = {a.slot(), w.slot(), list.slot(), count.slot()};
    if (c.gather) {
      slots.push_back(order.slot());
    }
    slots.push_back(out.slot());
    // One list entry more than there are: it must do nothing.
    kernel.call(slots, 0, 5 * ceilDiv(c.n, 64));
    return out;
  }

  double product(int64_t position, int64_t expert, int64_t matrix, int64_t j, double &size) const {
    int64_t row = c.gather ? order[position] : position;
    double sum = 0.0;
    for (int64_t x = 0; x < c.k; ++x) {
      double term = double(a.get(row * aRow + x)) *
                    plain.get(((expert * matrices + matrix) * c.n + j) * c.k + x);
      sum += term;
      size += std::abs(term);
    }
    return sum;
  }

  void check(const Elements &out, const std::string &what) const {
    int failures = 0;
    for (int64_t entry = 0; entry < count[0]; ++entry) {
      for (int64_t p = list[3 * entry + 1]; p < list[3 * entry + 2]; ++p) {
        for (int64_t j = 0; j < c.n; ++j) {
          double size = 0.0, expected = product(p, list[3 * entry], 0, j, size);
          if (c.swiglu) {
            double up = product(p, list[3 * entry], 1, j, size);
            expected = expected / (1.0 + std::exp(-expected)) * up;
            size *= 1.0 + std::abs(up);
          }
          double got = out.get(p * outRow + j),
                 bound = 2e-6 * size + (c.outBf16 ? std::abs(expected) / 256 : 0.0);
          if (!(std::abs(got - expected) <= bound) && failures++ < 3) {
            ADD_FAILURE() << what << ": position " << p << " column " << j << " is " << got
                          << ", expected " << expected;
          }
        }
      }
    }
    EXPECT_EQ(failures, 0) << what;
  }
};

TEST(GroupedMatmulTest, AgreesWithAPlainLoopAndAcrossTiers) {
  for (bool bf16 : {false, true}) {
    for (const Case &c :
         {Case{64, 64, bf16, bf16, true, true}, Case{37, 41, bf16, bf16, true, true},
          Case{100, 64, bf16, false, false, false}}) {
      Problem problem(c);
      Elements first(1, false);
      for (const std::string &target : KernelHouse::get().runnable()) {
        const ReadyKernel *kernel =
            KernelHouse::get().kernel(target, "grouped_matmul", problem.spec());
        ASSERT_TRUE(kernel) << KernelHouse::get().message;
        Elements out = problem.run(*kernel);
        problem.check(out, target + " " + problem.spec());
        if (target == "x86-64-v3") {
          first = std::move(out);
        } else {
          EXPECT_TRUE(first.sameBits(out, 0, 0, out.size())) << target << " " << problem.spec();
        }
      }
    }
  }
}

} // namespace
} // namespace dsv2::test
