//===- MutantTest.cpp - Artifacts that an attacker sealed -----------------===//
//
// Programs with random wrong fields, written past the semantic pass and with good
// hashes. The reader refuses them with a typed error, or what it took is checked
// again here by plain enumeration in 128 bits, and given to the parts of the
// runtime that work on tables before any code runs.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/Artifact.h"
#include "lib/Artifact/Container.h"
#include "lib/Artifact/Expr.h"
#include "lib/Artifact/Limits.h"
#include "lib/Artifact/Metadata.h"
#include "lib/Artifact/StepTables.h"
#include "lib/Runtime/BoundEntry.h"
#include "lib/Runtime/MemoryPlan.h"
#include "lib/Runtime/WeightLayout.h"
#include "lib/Runtime/Workload.h"
#include "test/Artifact/SampleProgram.h"

#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <random>

using namespace dsv2;

namespace {

__extension__ typedef __int128 Wide;

/// Changes a program at random places.
class Mutator {
public:
  explicit Mutator(uint64_t seed) : random(seed) {}

  void mutate(Program &program) {
    changes.clear();
    collect(program);
    for (uint64_t i = 0, count = 1 + random() % 3; i < count; ++i) {
      changes[random() % changes.size()]();
      // A vector may have moved its elements.
      changes.clear();
      collect(program);
    }
  }

private:
  int64_t value(int64_t old) {
    const int64_t values[] = {0,
                              1,
                              2,
                              -1,
                              3,
                              5,
                              63,
                              64,
                              65,
                              255,
                              4095,
                              4096,
                              4097,
                              65536,
                              int64_t(1) << 24,
                              int64_t(1) << 31,
                              int64_t(1) << 32,
                              (int64_t(1) << 40) - 1,
                              int64_t(1) << 40,
                              int64_t(1) << 61,
                              INT64_MAX,
                              INT64_MIN,
                              old + 1,
                              old - 1,
                              old * 2,
                              -old};
    return values[random() % (sizeof(values) / sizeof(values[0]))];
  }
  template <typename T> void number(T &field) {
    changes.push_back(
        [&] { field = static_cast<T>(value(static_cast<int64_t>(field) & INT32_MAX)); });
  }
  void number(int64_t &field) {
    changes.push_back([&] { field = value(std::clamp<int64_t>(field, -1000000, 1000000)); });
  }
  void text(std::string &field) {
    changes.push_back([&] {
      const char *values[] = {"",  "x",    "{l}",  "{e}.{l}", "{",
                              "}", "a\nb", "\xff", "tokens",  "logits"};
      field = values[random() % 10];
    });
  }
  template <typename T> void list(std::vector<T> &items, const std::function<void(T &)> &each) {
    changes.push_back([&] {
      size_t at = items.empty() ? 0 : random() % items.size();
      auto place = items.begin() + static_cast<std::ptrdiff_t>(at);
      switch (random() % 4) {
      case 0:
        items.clear();
        return;
      case 1:
        if (!items.empty()) {
          items.erase(place);
        }
        return;
      case 2:
        items.insert(place, items.empty() ? T() : T(items[at]));
        return;
      default:
        items.insert(place, T());
        return;
      }
    });
    for (T &item : items) {
      each(item);
    }
  }

  void expr(Expr &in) {
    list<ExprNode>(in.code, [&](ExprNode &node) {
      number(node.op);
      number(node.value);
    });
  }
  void dispatch(Dispatch &in) {
    number(in.kernel);
    expr(in.items);
    list<Arg>(in.args, [&](Arg &arg) {
      number(arg.kind);
      number(arg.index);
      number(arg.layerScale);
      number(arg.layerOffset);
      number(arg.value);
    });
  }
  void weight(Weight &in) {
    text(in.name);
    number(in.type);
    number(in.layers.begin);
    number(in.layers.end);
    number(in.layers.step);
    changes.push_back([&] { in.layers.global = !in.layers.global; });
    number(in.elements);
    list<WeightSource>(in.sources, [&](WeightSource &source) {
      text(source.name);
      number(source.type);
      list<int64_t>(source.shape, [&](int64_t &size) { number(size); });
      text(source.scales);
      number(source.blockRows);
      number(source.blockColumns);
    });
    list<WeightCopy>(in.copies, [&](WeightCopy &copy) {
      number(copy.source);
      for (int64_t *field : {&copy.srcOffset, &copy.dstOffset, &copy.expertBegin, &copy.expertCount,
                             &copy.expertDstStride}) {
        number(*field);
      }
      list<CopyDim>(copy.dims, [&](CopyDim &dim) {
        number(dim.extent);
        number(dim.srcStride);
        number(dim.dstStride);
      });
    });
  }
  void variant(Variant &in) {
    text(in.name);
    for (int64_t *field : {&in.maxContext, &in.maxBatch, &in.maxStepTokens}) {
      number(*field);
    }
    list<float>(in.ropeInverseFrequencies, [](float &) {});
    list<Weight>(in.weights, [&](Weight &each) { weight(each); });
    list<Buffer>(in.buffers, [&](Buffer &buffer) {
      text(buffer.name);
      text(buffer.table);
      number(buffer.kind);
      number(buffer.type);
      expr(buffer.elements);
      number(buffer.liveBegin);
      number(buffer.liveEnd);
    });
    list<Cache>(in.caches, [&](Cache &cache) {
      number(cache.type);
      number(cache.layers);
      number(cache.pageTokens);
      number(cache.rowElements);
    });
    list<Kernel>(in.kernels, [&](Kernel &kernel) {
      number(kernel.offset);
      number(kernel.size);
      number(kernel.scratchBytes);
    });
    list<Entry>(in.entries, [&](Entry &entry) {
      text(entry.name);
      list<Expr>(entry.guard, [&](Expr &each) { expr(each); });
      list<uint32_t>(entry.buffers, [&](uint32_t &each) { number(each); });
      list<Step>(entry.steps, [&](Step &step) {
        changes.push_back([&] { step.isRepeat = !step.isRepeat; });
        dispatch(step.dispatch);
        number(step.begin);
        number(step.end);
        number(step.step);
        list<Dispatch>(step.body, [&](Dispatch &each) { dispatch(each); });
      });
    });
    number(in.image.textBytes);
  }
  void collect(Program &in) {
    for (int64_t *field :
         {&in.model.vocab, &in.model.hidden, &in.model.layers, &in.model.maxPosition, &in.model.bos,
          &in.model.routedExperts, &in.model.topK}) {
      number(*field);
    }
    list<int64_t>(in.model.eos, [&](int64_t &each) { number(each); });
    list<int64_t>(in.model.routedLayerNumbers, [&](int64_t &each) { number(each); });
    list<Variant>(in.variants, [&](Variant &each) { variant(each); });
  }

  std::mt19937_64 random;
  std::vector<std::function<void()>> changes;
};

/// The bytes of a program that nobody verified.
std::vector<uint8_t> seal(const Program &program) {
  std::vector<uint32_t> images(program.variants.size(), 0);
  std::vector<Section> sections = {{SectionKind::Metadata, 64, encodeMetadata(program, images)}};
  if (!program.variants.empty()) {
    sections.push_back({SectionKind::Image, limits::kPageBytes, program.variants[0].image.bytes});
  }
  return writeContainer(sections);
}

void checkWeight(const Weight &weight) {
  for (const WeightSource &source : weight.sources) {
    if (source.type != ElementType::F8E4M3) {
      ASSERT_TRUE(source.scales.empty());
      continue;
    }
    ASSERT_TRUE(!source.scales.empty() && source.shape.size() == 2);
    ASSERT_TRUE(source.blockRows >= 1 && source.blockRows <= source.shape[0]);
    ASSERT_TRUE(source.blockColumns >= 1 && source.blockColumns <= source.shape[1]);
  }
  for (const WeightCopy &copy : weight.copies) {
    ASSERT_LT(copy.source, weight.sources.size());
    Wide source = 1, from = copy.srcOffset, to = copy.dstOffset;
    for (int64_t size : weight.sources[copy.source].shape) {
      source *= size;
    }
    for (const CopyDim &dim : copy.dims) {
      ASSERT_TRUE(dim.extent >= 1 && dim.srcStride >= 0 && dim.dstStride >= 0);
      from += Wide(dim.extent - 1) * dim.srcStride;
      to += Wide(dim.extent - 1) * dim.dstStride;
    }
    to += Wide(copy.expertCount - 1) * copy.expertDstStride;
    ASSERT_TRUE(copy.srcOffset >= 0 && from < source);
    ASSERT_TRUE(copy.dstOffset >= 0 && to < weight.elements);
  }
}

void checkDispatch(const Variant &variant, const Dispatch &dispatch, int64_t layer) {
  ASSERT_LT(dispatch.kernel, variant.kernels.size());
  for (const Arg &arg : dispatch.args) {
    Wide at = Wide(arg.layerScale) * layer + arg.layerOffset;
    switch (arg.kind) {
    case ArgKind::Buffer: {
      ASSERT_LT(arg.index, variant.buffers.size());
      int64_t size = *evaluate(variant.buffers[arg.index].elements, symbolCaps(variant));
      ASSERT_TRUE(at >= 0 && at < std::max<int64_t>(1, size));
      break;
    }
    case ArgKind::Weight:
      ASSERT_LT(arg.index, variant.weights.size());
      ASSERT_GE(layerIndex(variant.weights[arg.index].layers, static_cast<int64_t>(at)), 0);
      break;
    case ArgKind::Cache:
      ASSERT_LT(arg.index, variant.caches.size());
      ASSERT_TRUE(at >= 0 && at < variant.caches[arg.index].layers);
      break;
    default:
      ASSERT_TRUE(arg.kind == ArgKind::Symbol || arg.kind == ArgKind::Constant);
    }
  }
}

/// What the runtime relies on, by enumeration.
void checkProgram(const Program &program) {
  for (const Variant &variant : program.variants) {
    for (const Weight &weight : variant.weights) {
      checkWeight(weight);
    }
    for (const Kernel &kernel : variant.kernels) {
      ASSERT_LE(Wide(kernel.offset) + kernel.size, Wide(variant.image.textBytes));
    }
    for (const Entry &entry : variant.entries) {
      for (const Step &step : entry.steps) {
        if (!step.isRepeat) {
          checkDispatch(variant, step.dispatch, 0);
          continue;
        }
        ASSERT_GE(step.step, 1);
        for (int64_t layer = step.begin; layer < step.end; layer += step.step) {
          for (const Dispatch &dispatch : step.body) {
            checkDispatch(variant, dispatch, layer);
          }
        }
      }
    }
  }
}

/// The runtime's tables; errors are fine, anything else is not.
void useProgram(const Program &program) {
  for (const Variant &variant : program.variants) {
    Expected<WeightLayout> layout = layOutWeights(variant.weights);
    SymbolValues caps = symbolCaps(variant);
    Expected<MemoryPlan> plan = planMemory(program.model, variant, caps);
    if (!layout || !plan) {
      continue;
    }
    BindAddresses addresses;
    addresses.weights = uint64_t(1) << 62;
    addresses.layout = &*layout;
    addresses.buffers.assign(variant.buffers.size(), uint64_t(1) << 61);
    addresses.caches.assign(variant.caches.size(), {uint64_t(1) << 60, 64});
    for (const Entry &entry : variant.entries) {
      Expected<BoundEntry> bound = BoundEntry::bind(variant, entry, addresses);
      if (bound && bound->accepts(caps)) {
        (void)bound->prepare(caps);
      }
      (void)countWorkload(program.model, variant, entry);
    }
  }
}

TEST(Mutants, AreRefusedOrHoldWhatTheRuntimeReliesOn) {
  constexpr uint64_t kSeed = 20, kCount = 8000;
  Mutator mutator(kSeed);
  uint64_t accepted = 0;
  for (uint64_t i = 0; i < kCount && !testing::Test::HasFatalFailure(); ++i) {
    SCOPED_TRACE(i);
    Program program = sampleProgram();
    mutator.mutate(program);
    std::vector<uint8_t> bytes = seal(program);
    Expected<Artifact> artifact = parseArtifact(bytes.data(), bytes.size(), "mutant");
    if (!artifact) {
      EXPECT_EQ(artifact.error().message().rfind("mutant: ", 0), 0u);
      EXPECT_NE(artifact.error().kind(), ErrorKind::Internal) << artifact.error().message();
      continue;
    }
    ++accepted;
    checkProgram(artifact->program);
    useProgram(artifact->program);
  }
  std::printf("seed %llu, %llu mutants, %llu accepted\n", (unsigned long long)kSeed,
              (unsigned long long)kCount, (unsigned long long)accepted);
  EXPECT_GT(accepted, kCount / 50);
  EXPECT_LT(accepted, kCount * 3 / 4);
}

} // namespace
