//===- GpuAttentionTest.cpp - latent attention on workgroups against f64 --===//
//
// Contexts around the edges of pages and blocks, shuffled pages, NaN where nothing is cached; split
// and merged as one by one, bit for bit.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/LatentAttention.h"
#include "test/Codegen/Gpu/SimtHouse.h"

#include <algorithm>

namespace dsv2::test {
namespace {

struct Case {
  int64_t heads, latent, rope;
  bool bf16, outBf16;
  int64_t page = 64;
  int64_t rowMultiple = 32; ///< of the elements of a cached token
};

/// A row for each sequence; a cache of shuffled pages, NaN where no token lies.
struct Attention {
  Case c;
  std::vector<int64_t> contexts;
  int64_t rows, longest, rowElements, tableStride;
  double scale = 0.1147;
  Elements q, qRope, cache;
  Buffer<int32_t> table, context, sequence;

  Attention(const Case &c, std::vector<int64_t> lengths)
      : c(c), contexts(std::move(lengths)), rows(int64_t(contexts.size())),
        longest(*std::max_element(contexts.begin(), contexts.end())),
        rowElements(ceilDiv(c.latent + c.rope, c.rowMultiple) * c.rowMultiple),
        tableStride(ceilDiv(longest, c.page) + 1),
        q(randomElements(rows * c.heads * c.latent, c.bf16, 1)),
        qRope(randomElements(rows * c.heads * c.rope, c.bf16, 2)),
        cache(rows * tableStride * c.page * rowElements, c.bf16), table(rows * tableStride),
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
    return (int64_t(table[sequence[row] * tableStride + token / c.page]) * c.page +
            token % c.page) *
           rowElements;
  }

  std::string spec(const std::string &mode) const {
    auto type = [](bool bf16) { return bf16 ? std::string("bf16") : std::string("f32"); };
    auto number = [](int64_t x) { return std::to_string(x); };
    return "{heads = " + number(c.heads) + ", latent = " + number(c.latent) +
           ", rope = " + number(c.rope) + ", row_elements = " + number(rowElements) +
           ", page_tokens = " + number(c.page) + ", table_stride = " + number(tableStride) +
           ", dtype = " + type(c.bf16) + ", out_dtype = " + type(c.outBf16) +
           ", scale = 0.1147, q_row_stride = " + number(c.heads * c.latent) +
           ", q_head_stride = " + number(c.latent) +
           ", rope_row_stride = " + number(c.heads * c.rope) +
           ", rope_head_stride = " + number(c.rope) +
           ", out_row_stride = " + number(c.heads * c.latent) +
           ", out_head_stride = " + number(c.latent) + ", mode = \"" + mode + "\"}";
  }

  std::vector<SimtSlot> operands() const {
    return {SimtSlot::of(q, c.bf16), SimtSlot::of(qRope, c.bf16), SimtSlot::of(cache, c.bf16),
            SimtSlot::of(table),     SimtSlot::of(context),       SimtSlot::of(sequence)};
  }

  Elements sequential(SimtHouse &house, const std::string &target) const {
    Elements out(rows * c.heads * c.latent, c.outBf16);
    AttentionTile tile = house.attentionTile(target, c.bf16);
    std::vector<SimtSlot> slots = operands();
    slots.push_back(SimtSlot::of(out, c.outBf16));
    house.run(target, "latent_attention", spec("sequential"), slots, rows * tile.groups(c.heads));
    return out;
  }

  Elements splitAndMerge(SimtHouse &house, const std::string &target) const {
    Elements out(rows * c.heads * c.latent, c.outBf16);
    AttentionTile tile = house.attentionTile(target, c.bf16);
    int64_t items = rows * tile.groups(c.heads) * tile.blocks(longest);
    Buffer<float> partials(items * tile.record(c.latent));
    std::vector<SimtSlot> slots = operands();
    slots.push_back(SimtSlot::of(partials));
    slots.push_back(SimtSlot::number(longest));
    house.run(target, "latent_attention", spec("split"), slots, items);
    house.run(target, "latent_attention", spec("merge"),
              {SimtSlot::of(partials), SimtSlot::of(context), SimtSlot::of(out, c.outBf16),
               SimtSlot::number(longest)},
              rows * tile.groups(c.heads));
    return out;
  }

  double agreement(const Elements &out) const {
    Agreement agreement;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t head = 0; head < c.heads; ++head) {
        int64_t query = row * c.heads + head;
        std::vector<double> weights(contexts[row]);
        double sum = 0.0;
        for (int64_t t = 0; t < contexts[row]; ++t) {
          double s = 0.0;
          for (int64_t x = 0; x < c.latent; ++x) {
            s += double(q.get(query * c.latent + x)) * cache.get(place(row, t) + x);
          }
          for (int64_t x = 0; x < c.rope; ++x) {
            s += double(qRope.get(query * c.rope + x)) * cache.get(place(row, t) + c.latent + x);
          }
          weights[t] = std::exp(s * scale);
          sum += weights[t];
        }
        for (int64_t x = 0; x < c.latent; ++x) {
          double wanted = 0.0;
          for (int64_t t = 0; t < contexts[row]; ++t) {
            wanted += weights[t] / sum * cache.get(place(row, t) + x);
          }
          agreement.add(out.get(query * c.latent + x), wanted);
        }
      }
    }
    return agreement.value();
  }
};

TEST(GpuAttentionTest, AgreesWithAPlainLoopInEverySchedule) {
  SimtHouse house;
  if (house.names().empty()) {
    GTEST_SKIP() << "no target of this build has a checked form";
  }
  for (const std::string &target : house.names()) {
    for (bool bf16 : {false, true}) {
      for (const Case &c : {Case{16, 64, 16, bf16, false}, Case{3, 41, 6, bf16, bf16},
                            Case{17, 20, 7, bf16, bf16}, Case{20, 100, 28, bf16, bf16, 16},
                            // Cached rows that are no multiple of 16 bytes.
                            Case{5, 24, 11, bf16, bf16, 32, 2}}) {
        Attention problem(c, {1, 65, 256, 300, 0});
        Elements one = problem.sequential(house, target);
        EXPECT_LE(problem.agreement(one), bf16 ? kRoundedBound : kF32Bound)
            << target << " " << problem.spec("sequential");
        Elements two = problem.splitAndMerge(house, target);
        EXPECT_TRUE(one.sameBits(two, 0, 0, one.size())) << target << " " << problem.spec("split");
      }
    }
  }
}

/// 16 and 128 heads of 512 latents. Rows of few tokens and of none leave blocks of the others
/// empty.
TEST(GpuAttentionTest, AgreesAtTheSizesOfModels) {
  SimtHouse house;
  for (const std::string &target : house.names()) {
    for (const Case &c : {Case{16, 512, 64, true, false}, Case{128, 512, 64, true, true}}) {
      Attention problem(c, {1, c.heads == 16 ? 300 : 129, 0});
      Elements one = problem.sequential(house, target);
      EXPECT_LE(problem.agreement(one), kRoundedBound) << target << " " << c.heads << " heads";
      Elements two = problem.splitAndMerge(house, target);
      EXPECT_TRUE(one.sameBits(two, 0, 0, one.size())) << target << " " << c.heads << " heads";
    }
  }
}

} // namespace
} // namespace dsv2::test
