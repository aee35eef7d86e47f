//===- AttentionTest.cpp - Both forms of attention ------------------------===//
//
// The two forms are told apart only by where W_UK and W_UV stand, so one must give
// what the other gives: in one step, in chunks, and for sequences in a batch.
//
//===----------------------------------------------------------------------===//
#include "Values.h"

#include "lib/Reference/Ops/Attention.h"
#include "lib/Reference/Ops/Linear.h"
#include "lib/Reference/Ops/Shape.h"

using namespace dsv2;

namespace {

constexpr int64_t heads = 3, latent = 5, ropeWidth = 4, nope = 6, value = 2;

struct Inputs {
  Tensor qNope, qRope, c, kRope;
  Inputs(int64_t rows, uint64_t seed)
      : qNope(randomTensor({rows, heads, nope}, seed)),
        qRope(randomTensor({rows, heads, ropeWidth}, seed + 1)),
        c(randomTensor({rows, latent}, seed + 2)),
        kRope(randomTensor({rows, ropeWidth}, seed + 3)) {}
  Inputs(const Inputs &all, const std::vector<int64_t> &rows)
      : qNope(selectRows(all.qNope, rows)), qRope(selectRows(all.qRope, rows)),
        c(selectRows(all.c, rows)), kRope(selectRows(all.kRope, rows)) {}
};

Cache emptyCache(int64_t sequences) {
  return Cache(1, sequences, {latent, ropeWidth}, Rounding::None);
}

Tensor naive(const Inputs &in, const Tensor &kvB, Cache &cache, const Step &step) {
  cache.append(0, {&in.c, &in.kRope}, step);
  std::vector<Tensor> kv = decompress(cache, 0, kvB, heads, nope, step);
  return attention(in.qNope, &in.qRope, kv[0], &kv[1], kv[2], {0.3}, step).values;
}

TEST(Attention, ByHand) {
  // One head of width 1 without rope: scores 0 and ln 3 give weights 1/4 and 3/4.
  Cache cache(1, 1, {1, 0}, Rounding::None);
  Step step = makeStep({2});
  Tensor latents({2, 1}, {0, std::log(3.0)}), none({2, 0});
  cache.append(0, {&latents, &none}, step);
  Tensor y =
      latentAttention(Tensor({2, 1, 1}, {1, 2}), Tensor({2, 1, 0}), cache, 0, {0.5}, step).values;
  EXPECT_EQ(y.values[0], 0.0) << "the first token sees itself only";
  EXPECT_NEAR(y.values[1], 0.75 * std::log(3.0), 1e-15);
}

TEST(Attention, AbsorbedFormGivesTheSame) {
  Inputs in(7, 10);
  Tensor kvB = randomTensor({heads * (nope + value), latent}, 20);
  Step step = makeStep({4, 3});
  Cache cache = emptyCache(2);
  Tensor expected = naive(in, kvB, cache, step);

  Tensor perHead = reshape(kvB, {heads, nope + value, latent});
  Tensor uk =
      transpose(extractSlice(perHead, {0, 0, 0}, {heads, nope, latent}, {1, 1, 1}), {0, 2, 1});
  Tensor uv = extractSlice(perHead, {0, nope, 0}, {heads, value, latent}, {1, 1, 1});
  Tensor o = latentAttention(headLinear(in.qNope, uk), in.qRope, cache, 0, {0.3}, step).values;
  expectNear(headLinear(o, uv).values, expected.values, 1e-14);
}

TEST(Attention, ChunksAndBatchesChangeNothing) {
  Inputs in(7, 10);
  Tensor kvB = randomTensor({heads * (nope + value), latent}, 20);
  Cache together = emptyCache(2);
  Tensor both = naive(in, kvB, together, makeStep({4, 3}));

  // The second sequence alone, in chunks of two and one.
  Cache alone = emptyCache(1);
  Tensor first = naive(Inputs(in, {4, 5}), kvB, alone, makeStep({2}));
  Tensor second = naive(Inputs(in, {6}), kvB, alone, makeStep({1}, {2}));
  for (int64_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(std::equal(first.row(i), first.row(i) + heads * value, both.row(4 + i)));
  }
  EXPECT_TRUE(std::equal(second.row(0), second.row(0) + heads * value, both.row(6)));
}

TEST(Attention, LaterTokensAreInvisible) {
  Inputs in(5, 30), changed = in;
  Tensor kvB = randomTensor({heads * (nope + value), latent}, 20);
  changed.c.row(3)[0] += 1.0;
  Cache a = emptyCache(1), b = emptyCache(1);
  Tensor x = naive(in, kvB, a, makeStep({5})), y = naive(changed, kvB, b, makeStep({5}));
  int64_t width = heads * value;
  EXPECT_TRUE(std::equal(x.row(0), x.row(3), y.row(0)));
  EXPECT_FALSE(std::equal(x.row(3), x.row(3) + width, y.row(3)));
  EXPECT_FALSE(std::equal(x.row(4), x.row(4) + width, y.row(4)));
}

TEST(Attention, RoundsProbabilitiesAndCacheWhenAsked) {
  Cache cache(1, 1, {1, 1}, Rounding::BF16);
  Step step = makeStep({1});
  Tensor c({1, 1}, {1.0 + 0x1p-9}), key({1, 1}, {1.0 + 3 * 0x1p-9});
  cache.append(0, {&c, &key}, step);
  EXPECT_EQ(cache.row(0, 0, 0, 0)[0], 1.0);
  EXPECT_EQ(cache.row(0, 1, 0, 0)[0], 1.0 + 0x1p-7);

  Cache exact(1, 1, {1, 0}, Rounding::None);
  Step two = makeStep({2});
  Tensor latents({2, 1}, {0, 1}), none({2, 0});
  exact.append(0, {&latents, &none}, two);
  Tensor q({2, 1, 1}, {1, 1});
  Tensor y = latentAttention(q, Tensor({2, 1, 0}), exact, 0, {1.0, Rounding::BF16}, two).values;
  double p = std::exp(1.0) / (1.0 + std::exp(1.0));
  EXPECT_EQ(y.values[1], roundTo(p, Rounding::BF16));
  EXPECT_NE(y.values[1], p);
}

TEST(Attention, SoftmaxOfLargeScores) {
  std::vector<double> x = {10000, 10000 + std::log(3.0)};
  softmax(x.data(), 2);
  expectNear(x, {0.25, 0.75}, 1e-11);
}

} // namespace
