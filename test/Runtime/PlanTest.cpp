//===- PlanTest.cpp - Memory plans, bound entries, variants, sampling -----===//
//
// The pure parts of the runtime.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/BoundEntry.h"
#include "lib/Runtime/DriverRegistry.h"
#include "lib/Runtime/MemoryPlan.h"
#include "lib/Runtime/PagedCache.h"
#include "lib/Runtime/Sampler.h"
#include "lib/Runtime/Workload.h"
#include "test/Runtime/ToyModel.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <set>

using namespace dsv2;
using namespace dsv2::test;

namespace {

Buffer arena(int64_t elements, int64_t begin, int64_t end) {
  Buffer buffer;
  buffer.kind = BufferKind::Arena;
  buffer.elements.code = {{ExprOp::Constant, elements}};
  buffer.liveBegin = begin;
  buffer.liveEnd = end;
  return buffer;
}

TEST(MemoryPlan, SharesMemoryOnlyBetweenIntervalsThatDoNotMeet) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    Variant variant;
    Entry entry;
    uint64_t sum = 0, largest = 0;
    for (uint32_t i = 0; i < 20; ++i) {
      int64_t begin = random() % 10;
      variant.buffers.push_back(arena(random() % 1000, begin, begin + 1 + random() % 4));
      entry.buffers.push_back(i);
    }
    variant.entries.push_back(entry);
    Expected<MemoryPlan> plan = planMemory({}, variant, {});
    ASSERT_TRUE(plan);
    for (size_t i = 0; i < 20; ++i) {
      const MemoryPlan::Range &a = plan->buffers[i];
      EXPECT_EQ(a.offset % 64, 0u);
      EXPECT_LE(a.offset + a.bytes, plan->bytes);
      sum += a.bytes + 64;
      largest = std::max(largest, a.bytes);
      for (size_t j = 0; j < i; ++j) {
        const MemoryPlan::Range &b = plan->buffers[j];
        bool together = variant.buffers[i].liveBegin < variant.buffers[j].liveEnd &&
                        variant.buffers[j].liveBegin < variant.buffers[i].liveEnd;
        bool apart = a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
        EXPECT_TRUE(!together || apart);
      }
    }
    EXPECT_GE(plan->bytes, largest);
    EXPECT_LT(plan->bytes, sum);
  }
}

TEST(MemoryPlan, RefusesSizesThatWrapOrAreNegative) {
  for (int64_t elements : {int64_t(-1), INT64_MAX, int64_t(1) << 61, int64_t(1) << 40}) {
    Variant variant;
    variant.buffers.push_back(arena(elements, 0, 1));
    EXPECT_FALSE(planMemory({}, variant, {})) << elements;
  }
}

TEST(BoundEntry, ResolvesLayersAndPatchesSymbols) {
  Program program = toyProgram();
  const Variant &variant = program.variants[0];
  Expected<WeightLayout> layout = layOutWeights(variant.weights);
  ASSERT_TRUE(layout);
  BindAddresses addresses;
  for (uint64_t i = 0; i < variant.buffers.size(); ++i) {
    addresses.buffers.push_back(0x1000 * (i + 1));
  }
  addresses.weights = 0x100000;
  addresses.layout = &*layout;
  addresses.caches = {{0x200000, 0x5000}};
  Expected<BoundEntry> bound = BoundEntry::bind(variant, variant.entries[0], addresses);
  ASSERT_TRUE(bound) << bound.error().message();
  SymbolValues symbols = {3, 1, 2, 9, 2, 0};
  ASSERT_FALSE(bound->prepare(symbols));
  const std::vector<KernelCall> &calls = bound->calls();
  ASSERT_EQ(calls.size(), 6u);
  EXPECT_EQ(calls[1].slots[2], 0x100000u); // the global weight
  EXPECT_EQ(calls[1].slots[3], 0x200000u); // cache of layer 0
  EXPECT_EQ(calls[3].slots[3], 0x205000u); // cache of layer 1
  EXPECT_EQ(calls[5].slots[3], 2u);        // symbol W
  EXPECT_EQ(calls[5].items, 62);
  symbols[2] = 0;
  ASSERT_FALSE(bound->prepare(symbols));
  EXPECT_EQ(bound->calls().size(), 5u) << "a dispatch without items is left out";
  EXPECT_TRUE(bound->accepts(symbols));
  symbols[0] = 17;
  EXPECT_FALSE(bound->accepts(symbols));
}

TEST(BoundEntry, RefusesWhatIsNotThere) {
  auto refused = [](const std::function<void(Variant &)> &change) {
    Program program = toyProgram();
    Variant &variant = program.variants[0];
    change(variant);
    Expected<WeightLayout> layout = layOutWeights(variant.weights);
    BindAddresses addresses;
    addresses.buffers.resize(variant.buffers.size());
    addresses.layout = &*layout;
    addresses.caches.resize(variant.caches.size());
    return !BoundEntry::bind(variant, variant.entries[0], addresses);
  };
  EXPECT_FALSE(refused([](Variant &) {}));
  EXPECT_TRUE(refused([](Variant &v) { v.entries[0].steps[0].dispatch.kernel = 4; }));
  EXPECT_TRUE(refused([](Variant &v) { v.entries[0].steps[0].dispatch.args[0].index = 99; }));
  EXPECT_TRUE(refused([](Variant &v) { v.entries[0].steps[1].end = 3; }));
  EXPECT_TRUE(refused([](Variant &v) { v.entries[0].steps[1].step = 0; }));
  EXPECT_TRUE(refused([](Variant &v) { v.entries[0].steps[1].body[0].args[2].index = 2; }));
  EXPECT_TRUE(refused([](Variant &v) { v.entries[0].steps[2].dispatch.args[3].index = 6; }));
}

std::vector<std::string> twoTiers() { return {"low", "high"}; }
std::string describeNothing() { return "a test device"; }

TEST(Variants, BestUsableTierIsChosen) {
  DriverRegistry drivers;
  drivers.add({"dev", twoTiers, describeNothing, nullptr, nullptr});
  Program program;
  auto add = [&](std::string name, std::string driver, std::string tier) {
    Variant variant;
    variant.name = std::move(name);
    variant.driver = std::move(driver);
    variant.tier = std::move(tier);
    program.variants.push_back(variant);
  };
  EXPECT_FALSE(chooseVariant(program, drivers, ""));
  add("top:emulated", "dev", "low");
  add("top", "dev", "top");
  EXPECT_FALSE(chooseVariant(program, drivers, "")) << "neither may be chosen unasked";
  add("low", "dev", "low");
  add("high", "dev", "high");
  add("high-bf16", "dev", "high");
  add("other", "gone", "high");
  EXPECT_EQ(*chooseVariant(program, drivers, ""), 3u);
  EXPECT_EQ(*chooseVariant(program, drivers, "low"), 2u);
  EXPECT_EQ(*chooseVariant(program, drivers, "top:emulated"), 0u);
  EXPECT_EQ(*chooseVariant(program, drivers, "high-bf16"), 4u);
  Expected<size_t> top = chooseVariant(program, drivers, "top");
  ASSERT_FALSE(top);
  EXPECT_NE(top.error().message().find("a test device"), std::string::npos);
  Expected<size_t> none = chooseVariant(program, drivers, "none");
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message().find("high-bf16"), std::string::npos);
  EXPECT_FALSE(chooseVariant(program, drivers, "other"));
}

TEST(Variants, PrefersADeviceOverTheCpuAndSaysWhatIsMissing) {
  Program program;
  for (const char *name : {"x86-64-v3", "gpu_1", "gpu_2", "gpu_1:simt"}) {
    Variant variant;
    variant.name = variant.tier = name;
    variant.driver = name[0] == 'x' ? "plain" : "fast";
    program.variants.push_back(variant);
  }
  program.variants[3].driver = "simt";
  program.variants[3].tier = "x86-64-v3";
  DriverRegistry drivers;
  DriverKind plain;
  plain.name = "plain";
  plain.usableTiers = [] { return std::vector<std::string>{"x86-64-v3"}; };
  plain.describe = [] { return std::string("a plain device"); };
  drivers.add(plain);
  EXPECT_EQ(*chooseVariant(program, drivers, ""), 0u);
  Expected<size_t> missing = chooseVariant(program, drivers, "gpu_1");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message(), "variant 'gpu_1' needs fast with gpu_1: this build has no "
                                       "driver 'fast'; found plain: a plain device");
  DriverKind fast = plain;
  fast.name = "fast";
  fast.preference = 1;
  fast.usableTiers = [] { return std::vector<std::string>{"gpu_1"}; };
  fast.describe = [] { return std::string("one gpu_1"); };
  drivers.add(fast);
  EXPECT_EQ(*chooseVariant(program, drivers, ""), 1u);
  missing = chooseVariant(program, drivers, "gpu_2");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message(), "variant 'gpu_2' needs fast with gpu_2: found one gpu_1");
  DriverKind nothing = plain;
  nothing.name = "nothing";
  nothing.usableTiers = [] { return std::vector<std::string>(); };
  nothing.acceptsAnyTier = true;
  drivers.add(nothing);
  EXPECT_EQ(*chooseVariant(program, drivers, "gpu_2", "nothing"), 2u);
  EXPECT_FALSE(chooseVariant(program, drivers, "", "unknown"));
}

TEST(Variants, ThisBuildHasACpuDriver) {
  DriverRegistry drivers = builtinDrivers();
  const DriverKind *cpu = drivers.find("cpu");
  ASSERT_TRUE(cpu);
  EXPECT_FALSE(cpu->describe().empty());
  EXPECT_FALSE(drivers.find("nothing"));
}

TEST(PagePool, HandsOutEveryPageOnceInAnOrderOfTheSeed) {
  for (uint64_t seed : {0, 5}) {
    PagePool pool(20, seed);
    std::set<int32_t> seen;
    std::vector<int32_t> order;
    while (pool.free() > 0) {
      order.push_back(pool.take());
      seen.insert(order.back());
    }
    EXPECT_EQ(seen.size(), 20u);
    EXPECT_EQ(std::is_sorted(order.begin(), order.end()), seed == 0);
  }
}

TEST(Sampler, GreedyTakesTheFirstLargest) {
  std::vector<float> logits(100, 0.0f);
  logits[40] = logits[77] = 3;
  EXPECT_EQ(argmax(logits.data(), 100), 40);
  logits[99] = 4;
  EXPECT_EQ(argmax(logits.data(), 100), 99);
  logits[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(argmax(logits.data(), 100), 99);
  std::vector<float> nans(40, std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(argmax(nans.data(), 40), 0);
}

TEST(Sampler, FollowsTheDistributionAndItsLimits) {
  std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};
  auto counts = [&](SamplingOptions options) {
    Sampler sampler(options, 0);
    std::vector<int> count(4);
    for (int i = 0; i < 20000; ++i) {
      ++count[sampler.next(logits.data(), 4)];
    }
    return count;
  };
  SamplingOptions plain;
  plain.temperature = 1;
  std::vector<int> all = counts(plain);
  EXPECT_NEAR(all[0], 10000, 400);
  EXPECT_NEAR(all[3], 1000, 200);
  EXPECT_EQ(counts(plain), all) << "the same seed gives the same tokens";
  SamplingOptions top = plain;
  top.topK = 2;
  EXPECT_EQ(counts(top)[2], 0);
  EXPECT_NEAR(counts(top)[0], 12500, 400);
  SamplingOptions nucleus = plain;
  nucleus.topP = 0.75;
  EXPECT_EQ(counts(nucleus)[2], 0);
  SamplingOptions cold = plain;
  cold.temperature = 0.05;
  EXPECT_GT(counts(cold)[0], 19900);
}

TEST(Sampler, LikelihoodIsThatOfSoftmax) {
  std::vector<float> logits = {1000, 1001, 999};
  double sum = std::exp(-1.0) + 1 + std::exp(-2.0);
  EXPECT_NEAR(negativeLogLikelihood(logits.data(), 3, 0), 1 + std::log(sum), 1e-12);
}

TEST(Workload, CountsRowsExpertsAndHead) {
  Program program = toyProgram();
  Variant &variant = program.variants[0];
  variant.kernels[2].builder = "grouped_matmul";
  variant.kernels[3].builder = "matmul";
  Weight experts;
  experts.name = "experts";
  experts.type = ElementType::BF16;
  experts.elements = 4 * 10 + 10; // four routed, one shared
  experts.copies.resize(1);
  experts.copies[0].expertCount = 4;
  experts.copies[0].expertDstStride = 10;
  variant.weights.push_back(experts);
  Arg weight;
  weight.kind = ArgKind::Weight;
  weight.index = 2;
  variant.entries[0].steps[1].body[1].args.push_back(weight);
  weight.index = 0;
  variant.entries[0].steps[2].dispatch.args.push_back(weight);
  Workload workload = countWorkload(program.model, variant, variant.entries[0]);
  double embedding = 2 * 40 * 4.0 / kToyVocab; // gathered in both layers
  EXPECT_DOUBLE_EQ(workload.weightBytes, embedding + 2 * 30 * 2 + 40 * 4);
  EXPECT_DOUBLE_EQ(workload.rowFlops, 2 * 2 * 30);
  EXPECT_DOUBLE_EQ(workload.wantedFlops, 2 * 40);
  EXPECT_DOUBLE_EQ(workload.cacheBytesPerToken, 2 * 2 * 4);
}

} // namespace
