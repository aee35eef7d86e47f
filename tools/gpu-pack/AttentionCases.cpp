//===- AttentionCases.cpp - latent attention over a paged cache -----------===//
//
// Contexts around the edges of pages and blocks, shuffled pages, rows without
// context (empty splits), 3, 16 and 128 heads; G1 to G4 for the measurements.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/AttentionTile.h"
#include "tools/gpu-pack/KernelShop.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace dsv2::pack {
namespace {

constexpr int64_t kPage = 64;
constexpr double kScale = 0.1147;

/// How the target cuts attention: heads of an item, tokens of a block, f32 values of a partial.
struct Cut {
  int64_t heads, tokens, record;
};

Cut cutOf(KernelShop &shop, const std::string &target, bool bf16, int64_t latent) {
  AttentionTile tile = shop.target(target)->getAttentionTile(shop.element(bf16));
  return {tile.heads, tile.tokens, tile.record(latent)};
}

struct Shape {
  int64_t heads, latent, rope;
  bool bf16, outBf16;
  int64_t rowElements() const { return ceilDiv(latent + rope, 32) * 32; }
};

size_t kernelOf(KernelShop &shop, const std::string &target, const Shape &c, int64_t tableStride,
                const std::string &mode) {
  return shop.kernel(target, "latent_attention",
                     {{"heads", text(c.heads)},
                      {"latent", text(c.latent)},
                      {"rope", text(c.rope)},
                      {"row_elements", text(c.rowElements())},
                      {"page_tokens", text(kPage)},
                      {"table_stride", text(tableStride)},
                      {"dtype", typeText(c.bf16)},
                      {"out_dtype", typeText(c.outBf16)},
                      {"scale", std::to_string(kScale)},
                      {"q_row_stride", text(c.heads * c.latent)},
                      {"q_head_stride", text(c.latent)},
                      {"rope_row_stride", text(c.heads * c.rope)},
                      {"rope_head_stride", text(c.rope)},
                      {"out_row_stride", text(c.heads * c.latent)},
                      {"out_head_stride", text(c.latent)},
                      {"mode", quoted(mode)}});
}

/// Buffers and launches of a step with a row for each context; results in buffer `out`.
struct Problem {
  Case one;
  size_t out = 0;
};

Problem problemOf(KernelShop &shop, const std::string &target, const Shape &c,
                  const std::vector<int32_t> &contexts, const std::vector<int32_t> &sequences,
                  const std::vector<int32_t> &table, int64_t tableStride, bool split,
                  std::array<BufferSpec, 3> values) {
  Problem problem;
  Case &one = problem.one;
  one.target = target;
  one.builder = "latent_attention";
  int64_t rows = int64_t(contexts.size());
  int64_t longest = *std::max_element(contexts.begin(), contexts.end());
  Cut cut = cutOf(shop, target, c.bf16, c.latent);
  int64_t groups = ceilDiv(c.heads, cut.heads);
  std::vector<Slot> slots;
  for (BufferSpec &value : values) {
    slots.push_back({int64_t(one.add(std::move(value))), 0});
  }
  slots.push_back({int64_t(one.add(integers(table))), 0});
  Slot context{int64_t(one.add(integers(contexts))), 0};
  slots.push_back(context);
  slots.push_back({int64_t(one.add(integers(sequences))), 0});
  problem.out = one.add(empty(uint64_t(rows * c.heads * c.latent) * (c.outBf16 ? 2 : 4)));
  Slot out{int64_t(problem.out), 0};
  if (!split) {
    slots.push_back(out);
    one.launches.push_back(
        {kernelOf(shop, target, c, tableStride, "sequential"), rows * groups, slots});
    return problem;
  }
  int64_t items = rows * groups * ceilDiv(longest, cut.tokens);
  Slot partials{int64_t(one.add(empty(uint64_t(items * cut.record) * 4))), 0};
  slots.push_back(partials);
  slots.push_back(Slot::number(longest));
  one.launches.push_back({kernelOf(shop, target, c, tableStride, "split"), items, slots});
  one.launches.push_back({kernelOf(shop, target, c, tableStride, "merge"),
                          rows * groups,
                          {partials, context, out, Slot::number(longest)}});
  return problem;
}

/// Pages in an order that is not theirs.
std::vector<int32_t> shuffledPages(int64_t count) {
  std::vector<int32_t> pages(static_cast<size_t>(count));
  for (size_t i = 0; i < pages.size(); ++i) {
    pages[i] = int32_t(i);
  }
  std::shuffle(pages.begin(), pages.end(), std::mt19937(3));
  return pages;
}

void addCheck(KernelShop &shop, const std::string &target, const Shape &c,
              const std::vector<int32_t> &contexts, bool split) {
  int64_t rows = int64_t(contexts.size());
  int64_t longest = *std::max_element(contexts.begin(), contexts.end());
  int64_t tableStride = ceilDiv(longest, kPage) + 1, rowElements = c.rowElements();
  std::vector<int32_t> table = shuffledPages(rows * tableStride), sequences;
  for (int64_t r = 0; r < rows; ++r) {
    sequences.push_back(int32_t(rows - 1 - r));
  }
  Values q = Values::random(size_t(rows * c.heads * c.latent), c.bf16, 1);
  Values qRope = Values::random(size_t(rows * c.heads * c.rope), c.bf16, 2);
  Values random = Values::random(size_t(rows * tableStride * kPage * rowElements), c.bf16, 4);
  Values cache(random.numbers.size(), c.bf16);
  std::fill(cache.numbers.begin(), cache.numbers.end(), NAN); // where no token lies
  auto place = [&](int64_t row, int64_t token) {
    int64_t page = table[size_t(sequences[size_t(row)] * tableStride + token / kPage)];
    return (page * kPage + token % kPage) * rowElements;
  };
  Expectation expect;
  expect.type = c.outBf16 ? ElementType::BF16 : ElementType::F32;
  expect.rows = rows * c.heads;
  expect.columns = expect.stride = c.latent;
  expect.bound = c.bf16 ? kRoundedBound : kF32Bound;
  for (int64_t row = 0; row < rows; ++row) {
    int64_t context = contexts[size_t(row)];
    for (int64_t t = 0; t < context; ++t) {
      for (int64_t x = 0; x < rowElements; ++x) {
        size_t at = size_t(place(row, t) + x);
        cache.numbers[at] = x < c.latent + c.rope ? random.numbers[at] : 0.0f;
      }
    }
    for (int64_t head = 0; head < c.heads; ++head) {
      int64_t query = row * c.heads + head;
      std::vector<double> weights(static_cast<size_t>(context)), result(size_t(c.latent), 0.0);
      double sum = 0;
      for (int64_t t = 0; t < context; ++t) {
        const float *token = &cache.numbers[size_t(place(row, t))];
        double s = 0;
        for (int64_t x = 0; x < c.latent; ++x) {
          s += double(q.numbers[size_t(query * c.latent + x)]) * token[x];
        }
        for (int64_t x = 0; x < c.rope; ++x) {
          s += double(qRope.numbers[size_t(query * c.rope + x)]) * token[c.latent + x];
        }
        weights[size_t(t)] = std::exp(s * kScale);
        sum += weights[size_t(t)];
      }
      for (int64_t t = 0; t < context; ++t) {
        const float *token = &cache.numbers[size_t(place(row, t))];
        for (int64_t x = 0; x < c.latent; ++x) {
          result[size_t(x)] += weights[size_t(t)] / sum * token[x];
        }
      }
      expect.values.insert(expect.values.end(), result.begin(), result.end());
    }
  }
  Problem problem = problemOf(shop, target, c, contexts, sequences, table, tableStride, split,
                              {q.buffer(), qRope.buffer(), cache.buffer()});
  expect.buffer = problem.out;
  problem.one.name = "latent_attention " + text(c.heads) + " heads " + text(c.latent) + "+" +
                     text(c.rope) + " " + typeText(c.bf16) + " to " + typeText(c.outBf16) + " " +
                     text(rows) + " rows" + (split ? " split" : "");
  problem.one.expect.push_back(std::move(expect));
  shop.add(std::move(problem.one));
}

void addMeasurement(KernelShop &shop, const std::string &target, const std::string &goal,
                    const std::string &wanted, const std::string &name, int64_t heads,
                    const std::vector<int32_t> &lengths, int64_t queries) {
  Shape c{heads, 512, 64, true, true};
  int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  int64_t tableStride = ceilDiv(longest, kPage);
  int64_t pages = 0;
  double tokens = 0, pairs = 0;
  for (int32_t length : lengths) {
    pages += ceilDiv(length, kPage);
    tokens += length;
  }
  std::vector<int32_t> order = shuffledPages(pages), table, contexts, sequences;
  int64_t next = 0;
  for (size_t s = 0; s < lengths.size(); ++s) {
    for (int64_t page = 0; page < tableStride; ++page) {
      table.push_back(page < ceilDiv(lengths[s], kPage) ? order[size_t(next++)] : 0);
    }
    for (int64_t i = 0; i < queries; ++i) {
      contexts.push_back(int32_t(lengths[s] - queries + 1 + i));
      sequences.push_back(int32_t(s));
      pairs += contexts.back();
    }
  }
  uint64_t rows = contexts.size();
  Problem problem = problemOf(shop, target, c, contexts, sequences, table, tableStride, true,
                              {noise(rows * uint64_t(heads * 512), true),
                               noise(rows * uint64_t(heads * 64), true),
                               noise(uint64_t(pages * kPage * c.rowElements()), true)});
  problem.one.goal = goal;
  problem.one.wanted = wanted;
  problem.one.name = name;
  problem.one.flop = 2.0 * double(heads) * pairs * (512 + 64 + 512);
  problem.one.bytes =
      tokens * double(c.rowElements()) * 2 + double(rows) * double(heads) * 1088 * 2;
  shop.add(std::move(problem.one));
}

/// Lengths between `least` and `most`, from a fixed sequence.
std::vector<int32_t> lengths(int64_t count, int32_t least, int32_t most) {
  std::mt19937 random(5);
  std::vector<int32_t> out;
  for (int64_t i = 0; i < count; ++i) {
    out.push_back(least + int32_t(random() % uint32_t(most - least + 1)));
  }
  return out;
}

} // namespace

void addAttention(KernelShop &shop, const std::string &target) {
  bool checked = shop.target(target)->getDriver() == "simt";
  for (bool bf16 : {false, true}) {
    for (bool split : {false, true}) {
      addCheck(shop, target, {16, 64, 16, bf16, false}, {1, 65, 256, 300, 0}, split);
      addCheck(shop, target, {3, 41, 6, bf16, bf16}, {1, 65, 256, 300, 0, 64, 7}, split);
      addCheck(shop, target, {128, 64, 16, bf16, bf16}, {129}, split);
      if (!checked) {
        addCheck(shop, target, {16, 512, 64, bf16, bf16}, {300, 0, 17}, split);
        addCheck(shop, target, {128, 512, 64, bf16, bf16}, {129}, split);
        addCheck(shop, target, {16, 64, 16, bf16, bf16}, std::vector<int32_t>(129, 33), split);
      }
    }
  }
  if (checked) {
    return;
  }
  for (int64_t heads : {128, 16}) {
    std::string goal = heads == 128 ? "G1" : "G2";
    std::string wanted = heads == 128 ? ">= 680 TFLOP/s" : ">= 90% of copy bandwidth";
    for (int64_t queries : {1, 2}) {
      for (int32_t longest : {4096, 32768}) {
        addMeasurement(shop, target, goal, wanted,
                       "latent decode h=" + text(heads) + " b=128 s_q=" + text(queries) +
                           " s_k to " + text(int64_t(longest)),
                       heads, lengths(128, longest / 8, longest), queries);
      }
    }
  }
  addMeasurement(shop, target, "G3", "<= 30 us", "latent decode h=16, four sequences, s_q=4", 16,
                 {4641, 45118, 1730, 1696}, 4);
  for (int64_t batch : {1, 4, 16}) {
    addMeasurement(shop, target, "G4", "< 30 us", "latent decode h=16 B=" + text(batch) + " S=1024",
                   16, std::vector<int32_t>(size_t(batch), 1024), 1);
  }
  Case prefill;
  prefill.target = target;
  prefill.builder = "latent_attention";
  prefill.goal = "G5";
  prefill.wanted = ">= 650 TFLOP/s";
  prefill.name = "causal prefill 192/128";
  prefill.why =
      "this compiler has no kernel for attention with expanded keys and values: prefill runs "
      "in latent width";
  shop.add(std::move(prefill));
}

} // namespace dsv2::pack
