//===- RoutingTest.cpp - Choice and order of experts on every tier --------===//
//
// The gates against plain f64 loops: the ids must be the very same, ties included (sigmoids are
// rounded, so their experts may differ where f64 sees a gap below 1e-6). The sort against its
// definition.
//
//===----------------------------------------------------------------------===//

#include "lib/Codegen/GateTopK.h"
#include "lib/Codegen/SortExperts.h"
#include "lib/Codegen/TileEmitter.h"
#include "test/Codegen/KernelLoader.h"

#include "mlir/IR/Diagnostics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

using namespace mlir;

namespace dsv2 {
namespace test {
namespace {

struct Gate {
  int64_t experts, topK, groups, keep, shared;
  bool normalize;
  double scale;
  bool sigmoid = false;
};

class RoutingTest : public ::testing::Test {
protected:
  void SetUp() override {
    DialectRegistry dialects;
    registerKernelDialects(dialects);
    context.appendDialectRegistry(dialects);
    context.loadAllAvailableDialects();
    registerAllTargets(targets);
    handler = std::make_unique<ScopedDiagnosticHandler>(&context, [this](Diagnostic &d) {
      message += d.str() + "\n";
      return success();
    });
  }

  DictionaryAttr spec(const Gate &gate) {
    Builder b(&context);
    return b.getDictionaryAttr(
        {b.getNamedAttr("experts", b.getI64IntegerAttr(gate.experts)),
         b.getNamedAttr("top_k", b.getI64IntegerAttr(gate.topK)),
         b.getNamedAttr("groups", b.getI64IntegerAttr(gate.groups)),
         b.getNamedAttr("keep", b.getI64IntegerAttr(gate.keep)),
         b.getNamedAttr("shared", b.getI64IntegerAttr(gate.shared)),
         b.getNamedAttr("scoring", b.getStringAttr(gate.sigmoid ? "sigmoid" : "softmax")),
         b.getNamedAttr("normalize", b.getBoolAttr(gate.normalize)),
         b.getNamedAttr("scale", b.getF64FloatAttr(gate.scale))});
  }

  // Builders that need no tiles never touch the emitter.
  FailureOr<KernelImage> compile(const TargetBackend &target, KernelBuilder builder,
                                 DictionaryAttr spec) {
    KernelRequest request{"k", spec, UnknownLoc::get(&context)};
    std::unique_ptr<TileEmitter> emitter = target.createEmitter(&context);
    FailureOr<BuiltKernel> built = builder(request, *emitter);
    if (failed(built)) {
      return failure();
    }
    scratchBytes = built->scratchBytes;
    FailureOr<CompiledKernel> object = target.compileKernel(built->function, {});
    if (failed(object)) {
      return failure();
    }
    return target.serialize({*object}, request.loc);
  }

  void gate(const Gate &gate, int64_t rows, bool ties);
  void biasedGate(const Gate &gate, int64_t rows, bool ties);

  MLIRContext context{MLIRContext::Threading::DISABLED};
  TargetRegistry targets;
  std::string message;
  std::unique_ptr<ScopedDiagnosticHandler> handler;
  uint64_t scratchBytes = 0;
};

// Ids by descending logit, lowest index first, from the kept groups.
std::vector<int> choose(const Gate &gate, const float *logits) {
  int64_t size = gate.experts / gate.groups;
  std::vector<int> groups(gate.groups), ids(gate.experts);
  std::iota(groups.begin(), groups.end(), 0);
  std::iota(ids.begin(), ids.end(), 0);
  auto best = [&](int g) { return *std::max_element(logits + g * size, logits + (g + 1) * size); };
  std::sort(groups.begin(), groups.end(),
            [&](int a, int b) { return best(a) != best(b) ? best(a) > best(b) : a < b; });
  std::vector<bool> kept(gate.groups, false);
  for (int64_t i = 0; i < gate.keep; ++i) {
    kept[groups[i]] = true;
  }
  ids.erase(std::remove_if(ids.begin(), ids.end(), [&](int id) { return !kept[id / size]; }),
            ids.end());
  std::sort(ids.begin(), ids.end(),
            [&](int a, int b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  ids.resize(gate.topK);
  return ids;
}

void RoutingTest::gate(const Gate &gate, int64_t rows, bool ties) {
  SCOPED_TRACE("experts " + std::to_string(gate.experts) + " groups " +
               std::to_string(gate.groups) + (ties ? " with ties" : ""));
  FlushDenormals flush;
  int64_t slots = gate.topK + gate.shared;
  std::mt19937 engine(7);
  std::normal_distribution<float> normal(0.0f, 2.0f);
  Buffer<float> logits(rows * gate.experts), weights(rows * slots);
  Buffer<int32_t> ids(rows * slots), replay(rows * gate.topK);
  for (size_t i = 0; i < logits.size(); ++i) {
    logits[i] = ties ? std::round(normal(engine) / 2) : normal(engine);
  }
  for (size_t i = 0; i < replay.size(); ++i) {
    replay[i] = int32_t((i * 7 + 3) % gate.experts);
  }
  for (const std::string &name : targets.getNames()) {
    const TargetBackend *target = targets.lookup(name);
    FailureOr<KernelImage> image = compile(*target, buildGateTopK, spec(gate));
    ASSERT_TRUE(succeeded(image)) << name << ": " << message;
    if (!runsHere(*target)) {
      continue;
    }
    LoadedImage loaded(*image);
    Buffer<char> scratch(scratchBytes);
    for (bool replaying : {false, true}) {
      std::memset(weights.data(), 0xff, weights.size() * 4);
      std::memset(ids.data(), 0xff, ids.size() * 4);
      uint64_t values[] = {logits.slot(), weights.slot(), ids.slot(), replaying ? replay.slot() : 0,
                           replaying};
      loaded.find("k")(values, 0, rows / 2, scratch.data());
      loaded.find("k")(values, rows / 2, rows, scratch.data());
      for (int64_t t = 0; t < rows; ++t) {
        const float *in = &logits[t * gate.experts];
        std::vector<int> expected = choose(gate, in);
        if (replaying) {
          expected.assign(&replay[t * gate.topK], &replay[t * gate.topK] + gate.topK);
        }
        double top = *std::max_element(in, in + gate.experts), total = 0, chosen = 0;
        for (int64_t e = 0; e < gate.experts; ++e) {
          total += std::exp(in[e] - top);
        }
        for (int id : expected) {
          chosen += std::exp(in[id] - top) / total;
        }
        for (int64_t s = 0; s < slots; ++s) {
          bool routed = s < gate.topK;
          int id = routed ? expected[s] : int(gate.experts + s - gate.topK);
          ASSERT_EQ(ids[t * slots + s], id) << name << " row " << t << " slot " << s;
          double weight = 1;
          if (routed) {
            weight = std::exp(in[id] - top) / total;
            weight =
                gate.normalize && gate.topK > 1 ? weight / (chosen + 1e-20) : weight * gate.scale;
          }
          ASSERT_NEAR(weights[t * slots + s], weight, 1e-6 * weight)
              << name << " row " << t << " slot " << s;
        }
      }
    }
  }
}

// What a gate with a bias compares, in f64.
std::vector<double> corrected(const float *logits, const float *bias, int64_t experts) {
  std::vector<double> choice(experts);
  for (int64_t e = 0; e < experts; ++e) {
    choice[e] = 1 / (1 + std::exp(-double(logits[e]))) + bias[e];
  }
  return choice;
}

// Ids by descending choice within the groups whose two best sum highest. `gap` is how close the
// nearest comparison that matters was; exact ties do not count.
std::vector<int> chooseCorrected(const Gate &gate, const std::vector<double> &choice, double &gap) {
  int64_t size = gate.experts / gate.groups;
  std::vector<int> groups(gate.groups), ids;
  std::iota(groups.begin(), groups.end(), 0);
  std::vector<double> sums(gate.groups);
  for (int64_t g = 0; g < gate.groups; ++g) {
    std::vector<double> group(choice.begin() + g * size, choice.begin() + (g + 1) * size);
    std::sort(group.begin(), group.end(), std::greater<double>());
    sums[g] = group[0] + group[1];
  }
  gap = 1;
  auto sort = [&](std::vector<int> &order, const std::vector<double> &by, int64_t taken) {
    std::sort(order.begin(), order.end(),
              [&](int a, int b) { return by[a] != by[b] ? by[a] > by[b] : a < b; });
    for (int64_t i = 0; i < taken && i + 1 < int64_t(order.size()); ++i) {
      double distance = by[order[i]] - by[order[i + 1]];
      gap = distance > 0 ? std::min(gap, distance) : gap;
    }
    order.resize(taken);
  };
  sort(groups, sums, gate.keep);
  std::sort(groups.begin(), groups.end());
  for (int g : groups) {
    for (int64_t i = 0; i < size; ++i) {
      ids.push_back(int(g * size + i));
    }
  }
  sort(ids, choice, gate.topK);
  return ids;
}

void RoutingTest::biasedGate(const Gate &gate, int64_t rows, bool ties) {
  SCOPED_TRACE("experts " + std::to_string(gate.experts) + " groups " +
               std::to_string(gate.groups) + (ties ? " with ties" : ""));
  FlushDenormals flush;
  int64_t slots = gate.topK + gate.shared, checked = 0;
  std::mt19937 engine(11);
  std::normal_distribution<float> normal(0.0f, 2.0f);
  Buffer<float> logits(rows * gate.experts), weights(rows * slots), bias(gate.experts);
  Buffer<int32_t> ids(rows * slots), replay(rows * gate.topK);
  for (size_t i = 0; i < logits.size(); ++i) {
    // Ties of one value only: sigmoids of x and -x would sum alike but for rounding.
    logits[i] = ties ? 0.7f * std::round(normal(engine) / 2) + 0.3f : normal(engine);
  }
  // Sigmoids that round to 0 and 1.
  logits[0] = -200, logits[1] = 200;
  // Mostly below -1: choices are negative, so a mask of 0 would win.
  for (int64_t e = 0; e < gate.experts; ++e) {
    bias[e] = ties ? -1.5f : -1.2f + 0.2f * normal(engine);
  }
  for (size_t i = 0; i < replay.size(); ++i) {
    replay[i] = int32_t((i * 7 + 3) % gate.experts);
  }
  for (const std::string &name : targets.getNames()) {
    const TargetBackend *target = targets.lookup(name);
    FailureOr<KernelImage> image = compile(*target, buildGateTopK, spec(gate));
    ASSERT_TRUE(succeeded(image)) << name << ": " << message;
    if (!runsHere(*target)) {
      continue;
    }
    LoadedImage loaded(*image);
    Buffer<char> scratch(scratchBytes);
    for (bool replaying : {false, true}) {
      std::memset(weights.data(), 0xff, weights.size() * 4);
      std::memset(ids.data(), 0xff, ids.size() * 4);
      uint64_t values[] = {logits.slot(), weights.slot(), ids.slot(), replaying ? replay.slot() : 0,
                           replaying,     bias.slot()};
      loaded.find("k")(values, 0, rows / 2, scratch.data());
      loaded.find("k")(values, rows / 2, rows, scratch.data());
      for (int64_t t = 0; t < rows; ++t) {
        const float *in = &logits[t * gate.experts];
        double gap = 0, sum = 0;
        std::vector<int> expected =
            chooseCorrected(gate, corrected(in, bias.data(), gate.experts), gap);
        if (replaying) {
          expected.assign(&replay[t * gate.topK], &replay[t * gate.topK] + gate.topK);
        } else if (gap < 1e-6) {
          continue;
        }
        checked += !replaying;
        auto score = [&](int id) { return 1 / (1 + std::exp(-double(in[id]))); };
        for (int id : expected) {
          sum += score(id);
        }
        for (int64_t s = 0; s < slots; ++s) {
          bool routed = s < gate.topK;
          int id = routed ? expected[s] : int(gate.experts + s - gate.topK);
          ASSERT_EQ(ids[t * slots + s], id) << name << " row " << t << " slot " << s;
          double weight = 1;
          if (routed) {
            weight = (gate.normalize ? score(id) / (sum + 1e-20) : score(id)) * gate.scale;
          }
          ASSERT_NEAR(weights[t * slots + s], weight, 1e-6 * weight + 1e-30)
              << name << " row " << t << " slot " << s;
        }
      }
    }
  }
  EXPECT_GT(checked, rows / 2);
}

TEST_F(RoutingTest, BiasedGateOfShippedShapes) {
  biasedGate({256, 8, 8, 4, 0, true, 2.5, true}, 50, false);
  biasedGate({256, 8, 8, 4, 1, true, 2.5, true}, 50, true);
}

TEST_F(RoutingTest, BiasedGateOfOddShapes) {
  biasedGate({12, 4, 4, 2, 1, true, 2.5, true}, 40, false);
  biasedGate({2, 1, 1, 1, 0, true, 2.5, true}, 20, true);
  biasedGate({5, 2, 1, 1, 1, false, 2.5, true}, 20, true);
  biasedGate({9, 4, 3, 2, 1, true, 1.0, true}, 20, true);
  biasedGate({38, 5, 19, 9, 0, false, 0.5, true}, 20, true);
  biasedGate({100, 20, 4, 2, 3, true, 1.0, true}, 20, false);
}

TEST_F(RoutingTest, GateOfShippedShapes) {
  gate({160, 6, 8, 3, 0, false, 16.0}, 50, false);
  gate({160, 6, 8, 3, 2, false, 16.0}, 50, true);
  gate({64, 6, 1, 1, 2, false, 1.0}, 50, false);
}

TEST_F(RoutingTest, GateOfOddShapes) {
  gate({5, 1, 1, 1, 0, true, 2.5}, 20, true);
  gate({9, 4, 3, 2, 1, true, 2.5}, 20, true);
  gate({37, 5, 37, 9, 0, false, 0.5}, 20, true);
  gate({100, 20, 4, 2, 3, true, 1.0}, 20, false);
  gate({256, 8, 8, 4, 1, true, 2.5}, 20, true);
}

// Whatever the logits and biases are, ids stay in range: later kernels index memory by them.
TEST_F(RoutingTest, GateOfNanStaysInRange) {
  for (bool sigmoid : {false, true}) {
    Gate gate{10, 3, 2, 1, 0, false, 1.0, sigmoid};
    FailureOr<KernelImage> image = compile(*targets.lookup("x86-64-v3"), buildGateTopK, spec(gate));
    ASSERT_TRUE(succeeded(image)) << message;
    LoadedImage loaded(*image);
    Buffer<char> scratch(scratchBytes);
    Buffer<float> logits(10), weights(3), bias(10);
    Buffer<int32_t> ids(3), replay(3);
    replay[0] = -5, replay[1] = 10, replay[2] = 2;
    for (float bad :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      for (int i = 0; i < 10; ++i) {
        logits[i] = bias[i] = bad;
      }
      for (uint64_t replaying : {0, 1}) {
        uint64_t values[] = {logits.slot(), weights.slot(), ids.slot(),
                             replay.slot(), replaying,      bias.slot()};
        loaded.find("k")(values, 0, 1, scratch.data());
        for (int s = 0; s < 3; ++s) {
          EXPECT_GE(ids[s], 0);
          EXPECT_LT(ids[s], 10);
        }
      }
    }
  }
}

TEST_F(RoutingTest, WrongSpecsAreNamed) {
  const TargetBackend *target = targets.lookup("x86-64-v3");
  EXPECT_TRUE(failed(compile(*target, buildGateTopK, spec({10, 3, 4, 1, 0, false, 1.0}))));
  EXPECT_NE(
      message.find("builder 'gate_topk', field 'groups': is 4, expected a divisor of experts = 10"),
      std::string::npos)
      << message;
  EXPECT_TRUE(failed(compile(*target, buildGateTopK, spec({10, 6, 5, 2, 0, false, 1.0}))));
  EXPECT_NE(message.find("field 'top_k': is 6, expected at most the 4 experts"), std::string::npos)
      << message;
  EXPECT_TRUE(failed(compile(*target, buildGateTopK, spec({6, 3, 6, 3, 0, false, 1.0, true}))));
  EXPECT_NE(message.find("field 'groups': is 6, expected at most half of experts = 6"),
            std::string::npos)
      << message;
}

TEST_F(RoutingTest, Sort) {
  struct Case {
    int64_t experts, slots, rows;
  };
  for (Case c :
       {Case{162, 8, 1}, Case{66, 8, 40}, Case{5, 1, 7}, Case{9, 5, 0}, Case{64, 6, 3000}}) {
    SCOPED_TRACE("experts " + std::to_string(c.experts) + " rows " + std::to_string(c.rows));
    Builder b(&context);
    DictionaryAttr spec =
        b.getDictionaryAttr({b.getNamedAttr("experts", b.getI64IntegerAttr(c.experts)),
                             b.getNamedAttr("slots", b.getI64IntegerAttr(c.slots))});
    int64_t assignments = c.rows * c.slots;
    std::mt19937 engine(3);
    Buffer<int32_t> ids(assignments), count(1), order(assignments), position(assignments);
    for (int64_t i = 0; i < assignments; ++i) {
      ids[i] = int32_t(engine() % (c.experts > 5 ? c.experts / 2 : c.experts));
    }
    for (const std::string &name : targets.getNames()) {
      const TargetBackend *target = targets.lookup(name);
      FailureOr<KernelImage> image = compile(*target, buildSortExperts, spec);
      ASSERT_TRUE(succeeded(image)) << name << ": " << message;
      if (!runsHere(*target)) {
        continue;
      }
      LoadedImage loaded(*image);
      Buffer<char> scratch(scratchBytes);
      int64_t bound = std::min(c.experts, assignments);
      Buffer<int32_t> list(bound * 3 + 1, 0x55);
      uint64_t values[] = {ids.slot(),   list.slot(),     count.slot(),
                           order.slot(), position.slot(), uint64_t(c.rows)};
      count[0] = -1;
      loaded.find("k")(values, 1, 1, scratch.data());
      ASSERT_EQ(count[0], -1) << name << ": no item, no write";
      loaded.find("k")(values, 0, 1, scratch.data());
      ASSERT_EQ(list[bound * 3], 0x55555555) << name << ": wrote past the list";
      int64_t at = 0, entry = 0;
      for (int e = 0; e < c.experts; ++e) {
        int64_t first = at;
        for (int64_t i = 0; i < assignments; ++i) {
          if (ids[i] == e) {
            ASSERT_EQ(order[at], i / c.slots) << name;
            ASSERT_EQ(position[i], at) << name;
            ++at;
          }
        }
        if (at > first) {
          ASSERT_EQ(list[entry * 3], e) << name;
          ASSERT_EQ(list[entry * 3 + 1], first) << name;
          ASSERT_EQ(list[entry * 3 + 2], at) << name;
          ++entry;
        }
      }
      ASSERT_EQ(count[0], entry) << name;
    }
  }
}

} // namespace
} // namespace test
} // namespace dsv2
