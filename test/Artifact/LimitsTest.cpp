//===- LimitsTest.cpp - Every limit of an artifact at its edge ------------===//
//
// At the edge the sample passes, one past it the error is a Limit. The limit of the images (1 GiB)
// is left out: the test would need that much memory.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/Limits.h"

#include "SampleProgram.h"
#include "lib/Artifact/Container.h"
#include "lib/Artifact/VerifyProgram.h"

#include <functional>
#include <gtest/gtest.h>

namespace dsv2 {
namespace {

/// Sets something of the program (its first variant is at hand) to the number.
using Setter = std::function<void(Program &, Variant &, int64_t)>;

void expectLimit(const char *what, int64_t edge, const Setter &set) {
  for (int64_t number : {edge, edge + 1}) {
    Program program = sampleProgram();
    program.variants.resize(1);
    set(program, program.variants[0], number);
    std::optional<Error> error = verifyProgram(program);
    if (number == edge) {
      EXPECT_FALSE(error.has_value()) << what << ": " << error->message();
    } else {
      ASSERT_TRUE(error.has_value()) << what << " " << number << " passed";
      EXPECT_EQ(error->kind(), ErrorKind::Limit) << what << ": " << error->message();
    }
  }
}

/// `item` that many times with names that differ.
template <typename T> void fill(std::vector<T> &items, int64_t count, T item) {
  items.reserve(static_cast<size_t>(count));
  while (items.size() < static_cast<size_t>(count)) {
    item.name = "filler." + std::to_string(items.size());
    items.push_back(item);
  }
}

TEST(Limits, Model) {
  expectLimit("vocabulary", int64_t(1) << 31, [](Program &p, Variant &v, int64_t n) {
    p.model.vocab = n;
    v.buffers[4].elements = times(Symbol::Wanted, n);
  });
  expectLimit("hidden", 1 << 24, [](Program &p, Variant &, int64_t n) { p.model.hidden = n; });
  expectLimit("layers", 4096, [](Program &p, Variant &, int64_t n) { p.model.layers = n; });
  expectLimit("experts", 4096, [](Program &p, Variant &, int64_t n) { p.model.routedExperts = n; });
  expectLimit("eos", 1024, [](Program &p, Variant &, int64_t n) {
    p.model.eos.assign(static_cast<size_t>(n), 1);
  });
  expectLimit("variants", 64, [](Program &p, Variant &v, int64_t n) {
    Variant copy = v; // appending moves what `v` refers to
    fill(p.variants, n, copy);
  });
}

TEST(Limits, TensorMaps) {
  expectLimit("tensor maps", 16, [](Program &, Variant &v, int64_t n) {
    v.kernels[0].tensorMaps.resize(static_cast<size_t>(n), v.kernels[0].tensorMaps[0]);
  });
  expectLimit("columns", int64_t(1) << 31, [](Program &, Variant &v, int64_t n) {
    v.kernels[0].tensorMaps[0].columns = n;
    v.kernels[0].tensorMaps[0].rowBytes = int64_t(1) << 33;
  });
  expectLimit("bytes of a row", int64_t(1) << 39,
              [](Program &, Variant &v, int64_t n) { v.kernels[0].tensorMaps[0].rowBytes = n; });
  expectLimit("rows of a box", 256, [](Program &, Variant &v, int64_t n) {
    v.kernels[0].tensorMaps[0].boxRows = static_cast<uint32_t>(n);
  });
}

TEST(Limits, Caps) {
  expectLimit("context", 1 << 24, [](Program &, Variant &v, int64_t n) {
    v.maxContext = n;
    v.buffers[2].elements = times(Symbol::Sequences, 1 << 24);
  });
  expectLimit("sequences", 65536, [](Program &, Variant &v, int64_t n) { v.maxBatch = n; });
  expectLimit("rows", 1 << 20, [](Program &, Variant &v, int64_t n) { v.maxStepTokens = n; });
  expectLimit("rotary pairs", 4096, [](Program &, Variant &v, int64_t n) {
    v.ropeInverseFrequencies.assign(static_cast<size_t>(n), 1.0f);
  });
}

/// Leaves one weight and one dispatch that reads it.
void useOnly(Variant &v, const Weight &weight) {
  v.weights = {weight};
  v.entries[0].steps.resize(1);
  v.entries[0].steps[0].dispatch.args[1] = slotOf(ArgKind::Weight, 0);
  v.buffers[0].liveEnd = 1;
}

TEST(Limits, Weights) {
  expectLimit("families", 65536,
              [](Program &, Variant &v, int64_t n) { fill(v.weights, n, Weight(v.weights[0])); });
  expectLimit("sources", 4096, [](Program &, Variant &v, int64_t n) {
    v.weights[0].sources.resize(static_cast<size_t>(n), v.weights[0].sources[0]);
  });
  expectLimit("copies", 65536, [](Program &, Variant &v, int64_t n) {
    v.weights[0].elements = n;
    v.weights[0].copies.assign(static_cast<size_t>(n), {0, 0, 0, {}, 0, 1, 0});
  });
  expectLimit("rank", 8, [](Program &, Variant &v, int64_t n) {
    v.weights[0].sources[0].shape.assign(static_cast<size_t>(n), 1);
    v.weights[0].copies.clear();
  });
  expectLimit("copy dimensions", 8, [](Program &, Variant &v, int64_t n) {
    v.weights[0].copies[0].dims.assign(static_cast<size_t>(n), {1, 0, 0});
  });
  expectLimit("last expert", 4092, [](Program &, Variant &v, int64_t n) {
    v.weights[1].copies[0].expertBegin = n; // and four from there on
  });
  expectLimit("elements", int64_t(1) << 40,
              [](Program &, Variant &v, int64_t n) { v.weights[0].elements = n; });
  expectLimit("source elements", int64_t(1) << 40,
              [](Program &, Variant &v, int64_t n) { v.weights[0].sources[0].shape = {n}; });
  // 2 sources for each of 128 layers and 4096 experts are 2^20 tensors (and one for the embedding,
  // gone here).
  expectLimit("tensors", 128, [](Program &, Variant &v, int64_t n) {
    Weight &weight = v.weights[1];
    weight.layers = {0, n, 1, false};
    weight.elements = 8192;
    for (WeightCopy &copy : weight.copies) {
      copy = {copy.source, 0, 0, {}, 0, 4096, 1};
    }
    useOnly(v, Weight(weight));
  });
  // A scaled source counts twice.
  expectLimit("tensors and scales", 128, [](Program &, Variant &v, int64_t n) {
    Weight weight = v.weights[2];
    weight.layers.end = n;
    weight.elements = 4096;
    weight.sources[0].name += "{e}";
    weight.sources[0].scales += "{e}";
    weight.copies[0] = {0, 0, 0, {}, 0, 4096, 1};
    useOnly(v, weight);
  });
  // 16 TiB of prepared weights, of which the sample's experts take 1536 bytes.
  expectLimit("prepared bytes", (int64_t(1) << 40) - 96, [](Program &, Variant &v, int64_t n) {
    v.weights.pop_back();
    v.weights[0].layers = {0, 8, 1, false};
    v.weights[0].elements = n;
  });
  expectLimit("layers of a weight", 4096,
              [](Program &, Variant &v, int64_t n) { v.weights[1].layers.end = n; });
}

TEST(Limits, Memory) {
  expectLimit("buffers", 65536,
              [](Program &, Variant &v, int64_t n) { fill(v.buffers, n, Buffer(v.buffers[0])); });
  expectLimit("buffer elements", int64_t(1) << 40,
              [](Program &, Variant &v, int64_t n) { v.buffers[0].elements = constant(n); });
  expectLimit("caches", 64,
              [](Program &, Variant &v, int64_t n) { fill(v.caches, n, Cache(v.caches[0])); });
  expectLimit("page", 64, [](Program &, Variant &v, int64_t n) { v.caches[0].pageTokens = n; });
  expectLimit("cache layers", 4096,
              [](Program &, Variant &v, int64_t n) { v.caches[0].layers = n; });
  expectLimit("cache row", 1 << 20,
              [](Program &, Variant &v, int64_t n) { v.caches[0].rowElements = n; });
}

TEST(Limits, Programs) {
  expectLimit("kernels", 16384,
              [](Program &, Variant &v, int64_t n) { fill(v.kernels, n, Kernel(v.kernels[0])); });
  expectLimit("scratch", 256 << 20, [](Program &, Variant &v, int64_t n) {
    v.kernels[0].scratchBytes = static_cast<uint64_t>(n);
  });
  expectLimit("entries", 256, [](Program &, Variant &v, int64_t n) {
    Entry entry = v.entries[0];
    entry.steps = {entry.steps[0]};
    entry.steps[0].dispatch.args.clear();
    v.kernels[0].tensorMaps.clear(); // they would need slots
    entry.buffers.clear();
    fill(v.entries, n, entry);
  });
  expectLimit("guards", 64, [](Program &, Variant &v, int64_t n) {
    v.entries[0].guard.assign(static_cast<size_t>(n), constant(0));
  });
  expectLimit("slots", 64, [](Program &, Variant &v, int64_t n) {
    v.kernels[0].tensorMaps.clear();
    v.entries[0].steps[0].dispatch.args.assign(static_cast<size_t>(n), slotOf(ArgKind::Symbol, 0));
  });
  expectLimit("dispatches", 65536, [](Program &, Variant &v, int64_t n) {
    // The sample has three; the loop's body counts once.
    Dispatch bare = v.entries[0].steps[0].dispatch;
    bare.args.clear();
    v.kernels[0].tensorMaps.clear();
    v.entries[0].steps[1].body.resize(static_cast<size_t>(n - 2), bare);
    v.buffers[0].liveEnd = 65536;
    v.entries[0].steps[2].dispatch.args.clear();
  });
  expectLimit("name", 512, [](Program &, Variant &v, int64_t n) {
    v.kernels[0].name = std::string(static_cast<size_t>(n), 'a');
  });
}

TEST(Limits, SectionsOfTheFile) {
  for (uint64_t extra : {0, 1}) {
    // The container looks at sizes before it looks at content: an empty metadata section will do.
    std::vector<Section> sections(1 + limits::kVariants + extra,
                                  Section{SectionKind::Image, limits::kPageBytes, {}});
    sections[0] = {SectionKind::Metadata, 64, {}};
    std::vector<uint8_t> bytes = writeContainer(sections);
    ByteSource source = [&](uint64_t offset, void *into, uint64_t count) -> std::optional<Error> {
      std::copy_n(bytes.begin() + static_cast<int64_t>(offset), count,
                  static_cast<uint8_t *>(into));
      return std::nullopt;
    };
    Expected<Container> container = readContainer(source, bytes.size());
    EXPECT_EQ(bool(container), extra == 0);
    EXPECT_TRUE(container || container.error().kind() == ErrorKind::Limit);
  }
  for (uint64_t extra : {0, 1}) {
    std::vector<uint8_t> bytes = writeContainer(
        {{SectionKind::Metadata, 64, std::vector<uint8_t>(limits::kMetadataBytes + extra)}});
    ByteSource source = [&](uint64_t offset, void *into, uint64_t count) -> std::optional<Error> {
      std::copy_n(bytes.begin() + static_cast<int64_t>(offset), count,
                  static_cast<uint8_t *>(into));
      return std::nullopt;
    };
    Expected<Container> container = readContainer(source, bytes.size());
    EXPECT_EQ(bool(container), extra == 0);
    EXPECT_TRUE(container || container.error().kind() == ErrorKind::Limit);
  }
}

} // namespace
} // namespace dsv2
