//===- MatmulTest.cpp - the matmul kernel against a plain loop ------------===//
//
// Odd shapes on every tier that this CPU runs and on every emulated one; bits must not depend on
// the number of rows, the split of the items, or the tier.
//
//===----------------------------------------------------------------------===//
#include "test/Codegen/KernelFixture.h"

namespace dsv2::test {
namespace {

struct Case {
  int64_t rows, n, k, batch;
  bool bf16, outBf16, add;
  bool bias = false;
};

/// Operands of a case, with spare columns between rows, and its result in f64.
struct Problem {
  Case c;
  int64_t kPadded, aRow, outRow, outBatch;
  Elements a, plain, w, residual, bias;

  explicit Problem(const Case &c)
      : c(c), kPadded((c.k + 1) / 2 * 2), aRow(c.batch * kPadded + 2), outRow(c.batch * c.n + 3),
        outBatch(c.n), a(c.rows * aRow, c.bf16),
        plain(randomElements(c.batch * c.n * c.k, c.bf16, 2)),
        w(packWeight(plain, c.batch, c.n, c.k, c.bf16)),
        residual(randomElements(c.rows * outRow, false, 3)),
        bias(randomElements(c.batch * c.n, false, 4)) {
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
    auto type = [](bool bf16) { return bf16 ? std::string("bf16") : std::string("f32"); };
    return "{n = " + std::to_string(c.n) + ", k = " + std::to_string(c.k) +
           ", batch = " + std::to_string(c.batch) + ", dtype = " + type(c.bf16) +
           ", out_dtype = " + type(c.outBf16) + ", a_row_stride = " + std::to_string(aRow) +
           ", a_batch_stride = " + std::to_string(kPadded) +
           ", out_row_stride = " + std::to_string(outRow) +
           ", out_batch_stride = " + std::to_string(outBatch) +
           ", add = " + (c.add ? "true" : "false") + (c.bias ? ", bias = true}" : "}");
  }

  int64_t items() const { return c.batch * ceilDiv(c.n, 64); }

  Elements run(const ReadyKernel &kernel, int64_t rows, int64_t pieces = 1) const {
    Elements out(c.rows * outRow, c.outBf16);
    std::vector<uint64_t> slots = {a.slot(), w.slot()};
    if (c.bias) {
      slots.push_back(bias.slot());
    }
    if (c.add) {
      slots.push_back(residual.slot());
    }
    slots.push_back(out.slot());
    slots.push_back(uint64_t(rows));
    for (int64_t piece = 0; piece < pieces; ++piece) {
      kernel.call(slots, items() * piece / pieces, items() * (piece + 1) / pieces);
    }
    return out;
  }

  void check(const Elements &out, const std::string &what) const {
    Elements untouched(1, c.outBf16);
    int failures = 0;
    for (int64_t m = 0; m < c.rows; ++m) {
      for (int64_t e = 0; e < c.batch; ++e) {
        for (int64_t j = 0; j < c.n; ++j) {
          double sum = c.add ? residual.get(m * outRow + e * outBatch + j) : 0.0,
                 size = std::abs(sum);
          if (c.bias) {
            sum += bias.get(e * c.n + j);
            size += std::abs(bias.get(e * c.n + j));
          }
          for (int64_t x = 0; x < c.k; ++x) {
            double product =
                double(a.get(m * aRow + e * kPadded + x)) * plain.get((e * c.n + j) * c.k + x);
            sum += product;
            size += std::abs(product);
          }
          double got = out.get(m * outRow + e * outBatch + j);
          double bound = 1e-6 * size + (c.outBf16 ? std::abs(sum) / 256 : 0.0);
          if (!(std::abs(got - sum) <= bound) && failures++ < 3) {
            ADD_FAILURE() << what << ": row " << m << " batch " << e << " column " << j << " is "
                          << got << ", expected " << sum;
          }
        }
      }
      for (int64_t j = c.batch * c.n; j < outRow; ++j) {
        EXPECT_TRUE(out.sameBits(untouched, m * outRow + j, 0, 1))
            << what << ": row " << m << " past its end";
      }
    }
    EXPECT_EQ(failures, 0) << what;
  }
};

std::vector<Case> cases() {
  std::vector<Case> out;
  for (bool bf16 : {false, true}) {
    for (int64_t rows : {1, 2, 3, 4, 5, 7, 129}) {
      out.push_back({rows, 100, 64, 1, bf16, false, rows == 7});
    }
    out.push_back({7, 37, 41, 1, bf16, false, true});
    out.push_back({129, 64, 41, 1, bf16, bf16, false});
    out.push_back({13, 37, 64, 3, bf16, bf16, false});
    out.push_back({5, 64, 1, 2, bf16, true, true});
    out.push_back({6, 1, 3, 1, bf16, false, false});
    out.push_back({7, 100, 64, 1, bf16, false, false, true});
    out.push_back({13, 37, 41, 3, bf16, bf16, true, true});
    out.push_back({1, 64, 64, 1, bf16, false, true, true});
  }
  return out;
}

TEST(MatmulTest, AgreesWithAPlainLoop) {
  for (const std::string &target : KernelHouse::get().runnable()) {
    for (const Case &c : cases()) {
      Problem problem(c);
      const ReadyKernel *kernel = KernelHouse::get().kernel(target, "matmul", problem.spec());
      ASSERT_TRUE(kernel) << KernelHouse::get().message;
      problem.check(problem.run(*kernel, c.rows),
                    target + " rows " + std::to_string(c.rows) + " " + problem.spec());
    }
  }
}

TEST(MatmulTest, BitsDoNotDependOnRowsOrSplit) {
  for (const std::string &target : KernelHouse::get().runnable()) {
    for (bool bf16 : {false, true}) {
      Problem problem({512, 192, 64, 1, bf16, false, false});
      const ReadyKernel *kernel = KernelHouse::get().kernel(target, "matmul", problem.spec());
      ASSERT_TRUE(kernel) << KernelHouse::get().message;
      Elements all = problem.run(*kernel, 512), split = problem.run(*kernel, 512, 3);
      problem.check(all, target + " 512 rows");
      EXPECT_TRUE(all.sameBits(split, 0, 0, all.size())) << target;
      for (int64_t rows : {1, 2, 5, 128}) {
        Elements few = problem.run(*kernel, rows);
        for (int64_t m = 0; m < rows; ++m) {
          EXPECT_TRUE(all.sameBits(few, m * problem.outRow, m * problem.outRow, 192))
              << target << " row " << m;
        }
      }
    }
  }
}

TEST(MatmulTest, BitsDoNotDependOnTheTier) {
  for (bool bf16 : {false, true}) {
    Problem problem({13, 100, 41, 2, bf16, bf16, true, true});
    const ReadyKernel *first = KernelHouse::get().kernel("x86-64-v3", "matmul", problem.spec());
    ASSERT_TRUE(first) << KernelHouse::get().message;
    Elements expected = problem.run(*first, 13);
    for (const std::string &target : KernelHouse::get().runnable()) {
      const ReadyKernel *kernel = KernelHouse::get().kernel(target, "matmul", problem.spec());
      ASSERT_TRUE(kernel);
      EXPECT_TRUE(expected.sameBits(problem.run(*kernel, 13), 0, 0, expected.size()))
          << target << " bf16 " << bf16;
    }
  }
}

TEST(MatmulTest, ResidualMayBeTheOutput) {
  Problem problem({7, 100, 64, 1, true, false, true});
  const ReadyKernel *kernel = KernelHouse::get().kernel("x86-64-v3", "matmul", problem.spec());
  ASSERT_TRUE(kernel) << KernelHouse::get().message;
  Elements expected = problem.run(*kernel, 7);
  kernel->call(
      {problem.a.slot(), problem.w.slot(), problem.residual.slot(), problem.residual.slot(), 7}, 0,
      problem.items());
  for (int64_t m = 0; m < 7; ++m) {
    EXPECT_TRUE(expected.sameBits(problem.residual, m * problem.outRow, m * problem.outRow, 100));
  }
}

TEST(MatmulTest, BiasComesBeforeTheResidual) {
  // Where the order shows: 1 + 2^-24 is 1 in f32, so the two small numbers only count together.
  Problem problem({1, 1, 1, 1, false, false, true, true});
  problem.a.set(0, 0x1p-24f);
  problem.w.set(0, 1.0f);
  problem.bias.set(0, 0x1p-24f);
  problem.residual.set(0, 1.0f);
  for (const std::string &target : KernelHouse::get().runnable()) {
    const ReadyKernel *kernel = KernelHouse::get().kernel(target, "matmul", problem.spec());
    ASSERT_TRUE(kernel) << KernelHouse::get().message;
    EXPECT_EQ(problem.run(*kernel, 1).get(0), 1.0f + 0x1p-23f) << target;
  }
}

TEST(MatmulTest, WrongSpecIsNamed) {
  KernelHouse &house = KernelHouse::get();
  EXPECT_EQ(house.kernel("x86-64-v3", "matmul", "{n = 0, k = 4}"), nullptr);
  EXPECT_NE(house.message.find("builder 'matmul', field 'n': is 0, expected at least 1"),
            std::string::npos);
  EXPECT_NE(house.message.find("field 'dtype': expected the type f32 or bf16"), std::string::npos);
  EXPECT_EQ(house.kernel("x86-64-v3", "matmul", "{n = 1, bias = 1}"), nullptr);
  EXPECT_NE(house.message.find("field 'bias': expected true or false"), std::string::npos);
}

} // namespace
} // namespace dsv2::test
