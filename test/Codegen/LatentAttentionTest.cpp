//===- LatentAttentionTest.cpp - latent attention against a plain loop ----===//
//
// Ragged contexts around the edges of pages and blocks, shuffled pages, and a cache whose unused
// rows are NaN. Schedules, tiers and neighbours in the batch must not change a bit.
//
//===----------------------------------------------------------------------===//
#include "test/Codegen/KernelFixture.h"

#include "lib/Codegen/LatentAttention.h"

namespace dsv2::test {
namespace {

struct Case {
  int64_t heads, latent, rope;
  bool bf16, outBf16;
};

constexpr int64_t kPage = 64;
constexpr AttentionTile kTile; // of every x86 tier

/// One row per sequence; a cache of shuffled pages, NaN where no token lies.
struct Problem {
  Case c;
  std::vector<int64_t> contexts;
  int64_t rows, rowElements, tableStride, longest, recordBlocks;
  double scale = 0.1147;
  Elements q, qRope, cache;
  Buffer<int32_t> table, context, sequence;

  Problem(const Case &c, std::vector<int64_t> lengths)
      : c(c), contexts(std::move(lengths)), rows(int64_t(contexts.size())),
        rowElements(ceilDiv(c.latent + c.rope, 32) * 32),
        tableStride(ceilDiv(*std::max_element(contexts.begin(), contexts.end()), kPage) + 1),
        longest(*std::max_element(contexts.begin(), contexts.end())),
        recordBlocks(kTile.blocks(longest)),
        q(randomElements(rows * c.heads * c.latent, c.bf16, 1)),
        qRope(randomElements(rows * c.heads * c.rope, c.bf16, 2)),
        cache(rows * tableStride * kPage * rowElements, c.bf16), table(rows * tableStride),
        context(rows), sequence(rows) {
    std::vector<int32_t> pages(rows * tableStride);
    for (size_t i = 0; i < pages.size(); ++i) {
      pages[i] = int32_t(i);
    }
    std::shuffle(pages.begin(), pages.end(), std::mt19937(3));
    std::copy(pages.begin(), pages.end(), table.data());
    std::mt19937 random(4);
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    for (int64_t r = 0; r < rows; ++r) {
      sequence[r] = int32_t(rows - 1 - r);
      context[r] = int32_t(contexts[r]);
      for (int64_t t = 0; t < contexts[r]; ++t) {
        for (int64_t x = 0; x < rowElements; ++x) {
          cache.set(place(r, t) + x, x < c.latent + c.rope ? uniform(random) : 0.0f);
        }
      }
    }
  }

  int64_t place(int64_t row, int64_t token) const {
    return (int64_t(table[sequence[row] * tableStride + token / kPage]) * kPage + token % kPage) *
           rowElements;
  }

  std::string spec(const std::string &mode) const {
    auto type = [](bool bf16) { return bf16 ? std::string("bf16") : std::string("f32"); };
    auto number = [](int64_t x) { return std::to_string(x); };
    return "{heads = " + number(c.heads) + ", latent = " + number(c.latent) +
           ", rope = " + number(c.rope) + ", row_elements = " + number(rowElements) +
           ", page_tokens = 64, table_stride = " + number(tableStride) +
           ", dtype = " + type(c.bf16) + ", out_dtype = " + type(c.outBf16) +
           ", scale = 0.1147, q_row_stride = " + number(c.heads * c.latent) +
           ", q_head_stride = " + number(c.latent) +
           ", rope_row_stride = " + number(c.heads * c.rope) +
           ", rope_head_stride = " + number(c.rope) +
           ", out_row_stride = " + number(c.heads * c.latent) +
           ", out_head_stride = " + number(c.latent) + ", mode = \"" + mode + "\"}";
  }

  int64_t groups() const { return kTile.groups(c.heads); }

  Elements sequential(const std::string &target) const {
    Elements out(rows * c.heads * c.latent, c.outBf16);
    const ReadyKernel *kernel =
        KernelHouse::get().kernel(target, "latent_attention", spec("sequential"));
    EXPECT_TRUE(kernel) << KernelHouse::get().message;
    if (kernel) {
      kernel->call({q.slot(), qRope.slot(), cache.slot(), table.slot(), context.slot(),
                    sequence.slot(), out.slot()},
                   0, rows * groups());
    }
    return out;
  }

  Elements splitAndMerge(const std::string &target) const {
    Elements out(rows * c.heads * c.latent, c.outBf16);
    const ReadyKernel *split = KernelHouse::get().kernel(target, "latent_attention", spec("split"));
    const ReadyKernel *merge = KernelHouse::get().kernel(target, "latent_attention", spec("merge"));
    EXPECT_TRUE(split && merge) << KernelHouse::get().message;
    if (split && merge) {
      Buffer<float> partials(rows * groups() * recordBlocks * kTile.record(c.latent));
      int64_t items = rows * groups() * recordBlocks;
      for (int64_t begin = 0; begin < items; begin += 3) {
        split->call({q.slot(), qRope.slot(), cache.slot(), table.slot(), context.slot(),
                     sequence.slot(), partials.slot(), uint64_t(longest)},
                    begin, std::min(begin + 3, items));
      }
      merge->call({partials.slot(), context.slot(), out.slot(), uint64_t(longest)}, 0,
                  rows * groups());
    }
    return out;
  }

  /// Result of one row and head in f64; `weighted` gets the sum of |p v| of each column.
  std::vector<double> expected(int64_t row, int64_t head, double &largest) const {
    std::vector<double> scores(contexts[row]), out(c.latent, 0.0);
    double most = -1e300, sum = 0.0;
    for (int64_t t = 0; t < contexts[row]; ++t) {
      double s = 0.0;
      for (int64_t x = 0; x < c.latent; ++x) {
        s += double(q.get((row * c.heads + head) * c.latent + x)) * cache.get(place(row, t) + x);
      }
      for (int64_t x = 0; x < c.rope; ++x) {
        s += double(qRope.get((row * c.heads + head) * c.rope + x)) *
             cache.get(place(row, t) + c.latent + x);
      }
      scores[t] = s * scale;
      most = std::max(most, scores[t]);
    }
    for (double &s : scores) {
      s = std::exp(s - most);
      sum += s;
    }
    largest = 0.0;
    for (int64_t x = 0; x < c.latent; ++x) {
      double size = 0.0;
      for (int64_t t = 0; t < contexts[row]; ++t) {
        double term = scores[t] / sum * cache.get(place(row, t) + x);
        out[x] += term;
        size += std::abs(term);
      }
      largest = std::max(largest, size);
    }
    return out;
  }

  void check(const Elements &out, const std::string &what) const {
    int failures = 0;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t head = 0; head < c.heads; ++head) {
        double largest = 0.0;
        std::vector<double> wanted = expected(row, head, largest);
        for (int64_t x = 0; x < c.latent; ++x) {
          double got = out.get((row * c.heads + head) * c.latent + x);
          // In bf16 each probability is rounded once: 2^-9 of the sum of sizes at most, and the
          // output once.
          double bound =
              largest * (c.bf16 ? 1.0 / 400 : 4e-6) + (c.outBf16 ? std::abs(wanted[x]) / 256 : 0.0);
          if (!(std::abs(got - wanted[x]) <= bound) && failures++ < 3) {
            ADD_FAILURE() << what << ": context " << contexts[row] << " head " << head << " column "
                          << x << " is " << got << ", expected " << wanted[x];
          }
        }
      }
    }
    EXPECT_EQ(failures, 0) << what;
  }
};

const std::vector<int64_t> kContexts = {1, 63, 64, 65, 255, 256, 257, 700, 0};

TEST(LatentAttentionTest, AgreesWithAPlainLoopAndAcrossTiers) {
  for (bool bf16 : {false, true}) {
    for (const Case &c : {Case{1, 32, 8, bf16, false}, Case{3, 41, 6, bf16, bf16},
                          Case{16, 64, 16, bf16, bf16}, Case{17, 20, 7, bf16, false}}) {
      Problem problem(c, kContexts);
      Elements first(1, false);
      for (const std::string &target : KernelHouse::get().runnable()) {
        Elements out = problem.sequential(target);
        std::string what = target + " " + problem.spec("sequential");
        problem.check(out, what);
        if (target == "x86-64-v3") {
          first = std::move(out);
        } else {
          EXPECT_TRUE(first.sameBits(out, 0, 0, out.size())) << what;
        }
      }
    }
  }
}

TEST(LatentAttentionTest, SchedulesAgreeBitForBit) {
  for (bool bf16 : {false, true}) {
    Problem problem({17, 41, 6, bf16, false}, kContexts);
    for (const std::string &target : KernelHouse::get().runnable()) {
      Elements one = problem.sequential(target), two = problem.splitAndMerge(target);
      EXPECT_TRUE(one.sameBits(two, 0, 0, one.size())) << target << " bf16 " << bf16;
    }
  }
}

TEST(LatentAttentionTest, NeighboursDoNotChangeBits) {
  Case c{16, 64, 16, true, false};
  Problem alone(c, {300});
  Problem many(c, {300, 17, 500, 300});
  // The same queries and cached rows for row 0 of both.
  for (int64_t t = 0; t < 300; ++t) {
    for (int64_t x = 0; x < alone.rowElements; ++x) {
      many.cache.set(many.place(0, t) + x, alone.cache.get(alone.place(0, t) + x));
    }
  }
  for (const std::string &target : KernelHouse::get().runnable()) {
    Elements one = alone.sequential(target), all = many.sequential(target);
    EXPECT_TRUE(one.sameBits(all, 0, 0, one.size())) << target;
  }
}

/// A chunk of 128 rows of one sequence, each seeing one token more than the row before, against
/// each row alone.
TEST(LatentAttentionTest, RowsOfAChunkEqualRowsAlone) {
  Case c{3, 41, 6, true, true};
  Problem chunk(c, std::vector<int64_t>(128, 300));
  for (int64_t row = 0; row < 128; ++row) {
    chunk.sequence[row] = 0;
    chunk.context[row] = chunk.contexts[row] = 300 - 127 + row;
  }
  // Sequence 0's pages hold the tokens of what the constructor calls row 127.
  for (const std::string &target : KernelHouse::get().runnable()) {
    Elements all = chunk.sequential(target);
    if (target == "x86-64-v3") {
      chunk.check(all, "chunk on " + target);
    }
    const ReadyKernel *kernel =
        KernelHouse::get().kernel(target, "latent_attention", chunk.spec("sequential"));
    ASSERT_TRUE(kernel) << KernelHouse::get().message;
    int64_t width = c.heads * c.latent;
    for (int64_t row : {0, 1, 63, 127}) {
      Elements one(width, c.outBf16);
      uint64_t bytes = c.bf16 ? 2 : 4;
      kernel->call({chunk.q.slot() + uint64_t(row * width) * bytes,
                    chunk.qRope.slot() + uint64_t(row * c.heads * c.rope) * bytes,
                    chunk.cache.slot(), chunk.table.slot(),
                    chunk.context.slot() + 4 * uint64_t(row), chunk.sequence.slot(), one.slot()},
                   0, 1);
      EXPECT_TRUE(all.sameBits(one, row * width, 0, width)) << target << " row " << row;
    }
  }
}

TEST(LatentAttentionTest, WrongSpecIsNamed) {
  Problem problem({1, 32, 8, false, false}, {1});
  std::string spec = problem.spec("sequential");
  spec.replace(spec.find("page_tokens = 64"), 16, "page_tokens = 48");
  EXPECT_EQ(KernelHouse::get().kernel("x86-64-v3", "latent_attention", spec), nullptr);
  EXPECT_NE(KernelHouse::get().message.find(
                "field 'page_tokens': is 48, expected a multiple of 16 that divides 256"),
            std::string::npos);
}

} // namespace
} // namespace dsv2::test
