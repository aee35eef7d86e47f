//===- WeightsTest.cpp - Copies, preparation, the cached file -------------===//
//
// Copies against the plain definition; a cached file that is wrong in any way
// must lead to preparing anew.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/CopyLoops.h"
#include "lib/Runtime/WeightCache.h"
#include "lib/Runtime/WeightPreparation.h"
#include "lib/Support/AtomicFile.h"
#include "lib/Support/BFloat16.h"
#include "lib/Support/File.h"
#include "test/Runtime/ToyModel.h"

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <sys/stat.h>
#include <unistd.h>

using namespace dsv2;
using namespace dsv2::test;

namespace {

/// The definition, element by element.
void naiveCopy(const WeightCopy &copy, size_t dim, int64_t from, int64_t to,
               const std::function<void(int64_t, int64_t)> &element) {
  if (dim == copy.dims.size()) {
    element(from, to);
    return;
  }
  for (int64_t i = 0; i < copy.dims[dim].extent; ++i) {
    naiveCopy(copy, dim + 1, from + i * copy.dims[dim].srcStride, to + i * copy.dims[dim].dstStride,
              element);
  }
}

TEST(CopyLoops, EqualTheDefinitionInAnyPermutationTypeAndPiece) {
  std::mt19937 random(7);
  const ElementType types[] = {ElementType::F32, ElementType::BF16};
  for (int round = 0; round < 400; ++round) {
    WeightCopy copy;
    size_t rank = random() % 5;
    std::vector<size_t> order(rank);
    std::vector<int64_t> extents(rank);
    for (size_t i = 0; i < rank; ++i) {
      order[i] = i;
      extents[i] = 1 + random() % 6;
    }
    int64_t elements = 1;
    copy.dims.resize(rank);
    for (size_t i = rank; i-- > 0;) {
      copy.dims[i].extent = extents[i];
      copy.dims[i].srcStride = elements;
      elements *= extents[i] + (random() % 3 == 0);
    }
    std::shuffle(order.begin(), order.end(), random);
    int64_t target = 1;
    for (size_t i : order) {
      copy.dims[i].dstStride = target;
      target *= extents[i] + (random() % 3 == 0);
    }
    copy.srcOffset = random() % 3;
    copy.dstOffset = random() % 3;
    int64_t sourceSize = copySourceEnd(copy), targetSize = copyDestinationEnd(copy);
    ASSERT_GT(sourceSize, 0);
    ASSERT_GT(targetSize, 0);
    for (ElementType from : types) {
      for (ElementType to : types) {
        std::vector<float> wide(sourceSize);
        std::vector<uint16_t> narrow(sourceSize);
        for (int64_t i = 0; i < sourceSize; ++i) {
          wide[i] = 1.0f + static_cast<float>(i) * 0.0077f;
          narrow[i] = static_cast<uint16_t>(0x3f80 + i);
        }
        std::vector<uint32_t> expected(targetSize, 0), actual(targetSize, 0);
        auto put = [&](std::vector<uint32_t> &into, int64_t at, float value) {
          if (to == ElementType::F32) {
            std::memcpy(reinterpret_cast<char *>(into.data()) + at * 4, &value, 4);
          } else {
            uint16_t bits = floatToBFloat16(value);
            std::memcpy(reinterpret_cast<char *>(into.data()) + at * 2, &bits, 2);
          }
        };
        naiveCopy(copy, 0, copy.srcOffset, copy.dstOffset, [&](int64_t a, int64_t b) {
          put(expected, b, from == ElementType::F32 ? wide[a] : bfloat16ToFloat(narrow[a]));
        });
        StridedCopy loops(copy, from, to);
        int64_t piece = 1 + random() % (sourceSize + 2);
        for (int64_t begin = 0; begin < sourceSize; begin += piece) {
          const void *source = from == ElementType::F32
                                   ? static_cast<const void *>(wide.data() + begin)
                                   : static_cast<const void *>(narrow.data() + begin);
          loops.run(source, begin, std::min(sourceSize, begin + piece), actual.data());
        }
        ASSERT_EQ(actual, expected) << "round " << round;
      }
    }
  }
}

class WeightsTest : public testing::Test {
protected:
  void SetUp() override {
    writeToyCheckpoint(directory.path);
    cache = directory.path + "/cache";
    options.cacheDirectory = cache;
    options.threads = 2;
    options.log = [this](const std::string &text) { notes.push_back(text); };
  }
  /// Loads and checks the weights themselves.
  WeightOrigin load(const std::string &note = "") {
    notes.clear();
    std::unique_ptr<Model> model = toyModel(directory.path, nullptr, options);
    if (!model) {
      return WeightOrigin::Prepared;
    }
    const char *base = reinterpret_cast<const char *>(model->weightsAddress());
    const WeightLayout &layout = model->layout();
    const float *embed = reinterpret_cast<const float *>(base + layout.places[0].offset);
    for (int i = 0; i < 40; ++i) {
      EXPECT_EQ(embed[i], i < kToyVocab ? 2.0f * i + 2 : 0.0f);
    }
    for (int l = 0; l < 2; ++l) {
      const float *layer = reinterpret_cast<const float *>(base + layout.places[1].offset +
                                                           l * layout.places[1].layerStride);
      for (int i = 0; i < 32; ++i) {
        int row = i % 4, column = i / 4;
        float expected = bfloat16ToFloat(static_cast<uint16_t>(0x3f80 + l * 24 + row * 6 + column));
        EXPECT_EQ(layer[i], i < 24 ? expected : 0.0f) << l << " " << i;
      }
    }
    if (!note.empty()) {
      bool found = std::any_of(notes.begin(), notes.end(), [&](const std::string &text) {
        return text.find(note) != std::string::npos;
      });
      EXPECT_TRUE(found) << "no note with '" << note << "'";
    }
    return model->weightOrigin();
  }
  std::vector<std::string> files() {
    std::vector<std::string> found;
    for (const auto &entry : std::filesystem::directory_iterator(cache)) {
      found.push_back(entry.path().string());
    }
    return found;
  }
  void flip(const std::string &path, uint64_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  }

  TemporaryDirectory directory;
  std::string cache;
  ModelOptions options;
  std::vector<std::string> notes;
};

TEST_F(WeightsTest, AreKeptAndReadBack) {
  EXPECT_EQ(load(), WeightOrigin::Prepared);
  ASSERT_EQ(files().size(), 1u) << "no temporary file is left";
  EXPECT_EQ(load(), WeightOrigin::Cached);
  EXPECT_TRUE(notes.empty());
  options.cacheDirectory = "none";
  EXPECT_EQ(load(), WeightOrigin::Prepared);
}

TEST_F(WeightsTest, ChangedCheckpointIsPreparedAnew) {
  load();
  struct timespec times[2] = {{1000000000, 0}, {1000000000, 5}};
  std::string source = directory.path + "/model.safetensors";
  ASSERT_EQ(utimensat(AT_FDCWD, source.c_str(), times, 0), 0);
  EXPECT_EQ(load(), WeightOrigin::Prepared);
  EXPECT_EQ(load(), WeightOrigin::Cached);
  times[1].tv_nsec = 6;
  ASSERT_EQ(utimensat(AT_FDCWD, source.c_str(), times, 0), 0);
  EXPECT_EQ(load(), WeightOrigin::Prepared);
}

TEST_F(WeightsTest, AnotherArtifactHasAnotherFile) {
  Expected<Checkpoint> checkpoint = Checkpoint::open(directory.path);
  ASSERT_TRUE(checkpoint);
  std::vector<Weight> weights = toyProgram().variants[0].weights;
  Sha256Digest key = weightCacheKey(weights, *checkpoint);
  EXPECT_EQ(weightCacheKey(weights, *checkpoint), key);
  std::vector<std::function<void(Weight &)>> changes = {
      [](Weight &w) { w.name += "x"; },
      [](Weight &w) { w.type = ElementType::BF16; },
      [](Weight &w) { w.elements += 1; },
      [](Weight &w) { w.layers.end += 1; },
      [](Weight &w) { w.sources[0].name += "x"; },
      [](Weight &w) { w.sources[0].shape[0] += 1; },
      [](Weight &w) { w.sources[0].scales = "scales"; },
      [](Weight &w) { w.sources[0].blockRows = 1; },
      [](Weight &w) { w.sources[0].blockColumns = 1; },
      [](Weight &w) { w.copies[0].srcOffset += 1; },
      [](Weight &w) { w.copies[0].dstOffset += 1; },
      [](Weight &w) { w.copies[0].dims[0].dstStride += 1; },
      [](Weight &w) { w.copies[0].expertDstStride += 1; },
  };
  for (const auto &change : changes) {
    std::vector<Weight> other = weights;
    change(other[1]);
    EXPECT_NE(weightCacheKey(other, *checkpoint), key);
  }
}

TEST_F(WeightsTest, DamagedFileIsNeverServed) {
  load();
  std::string path = files().front();
  Expected<std::string> whole = readFile(path, 1 << 20);
  ASSERT_TRUE(whole);
  uint64_t size = whole->size();
  for (uint64_t at : {uint64_t(0), uint64_t(9), uint64_t(17), uint64_t(30), uint64_t(60),
                      uint64_t(90), uint64_t(4096), uint64_t(4200), size - 1}) {
    flip(path, at);
    EXPECT_EQ(load("are not used"), WeightOrigin::Prepared) << at;
    EXPECT_EQ(load(), WeightOrigin::Cached) << at;
  }
  for (uint64_t length : {uint64_t(0), uint64_t(1), uint64_t(100), uint64_t(4096), size - 1}) {
    ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(length)), 0);
    EXPECT_EQ(load("are not used"), WeightOrigin::Prepared) << length;
  }
  // A file of another key under this name.
  std::ofstream(path, std::ios::binary | std::ios::app) << "more";
  EXPECT_EQ(load("are not used"), WeightOrigin::Prepared);
  EXPECT_EQ(files().size(), 1u);
}

TEST_F(WeightsTest, UnwritableCacheDirectoryIsANoteOrAnErrorWhenOnlyPreparing) {
  // A file where the directory should be stops root, too.
  ASSERT_FALSE(writeFileAtomically(cache, "not a directory"));
  EXPECT_EQ(load("are not kept"), WeightOrigin::Prepared);
  Expected<Checkpoint> checkpoint = Checkpoint::open(directory.path);
  options.prepareOnly = true;
  Expected<std::unique_ptr<Model>> model = Model::create(
      toyProgram(), 0, std::make_unique<TestDriver>(toyKernels()), *checkpoint, options);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().kind(), ErrorKind::Io);
  EXPECT_NE(model.error().message().find("cache"), std::string::npos);
}

TEST_F(WeightsTest, WhatOthersPutIntoTheCacheIsNeitherWaitedForNorFollowed) {
  load();
  std::string path = files().front();
  std::string victim = directory.path + "/victim";
  ASSERT_FALSE(writeFileAtomically(victim, "precious"));
  for (const char *how : {"pipe", "link", "loop"}) {
    ASSERT_EQ(unlink(path.c_str()), 0);
    int made = how == std::string("pipe")   ? mkfifo(path.c_str(), 0600)
               : how == std::string("link") ? symlink(victim.c_str(), path.c_str())
                                            : symlink(path.c_str(), path.c_str());
    ASSERT_EQ(made, 0) << how;
    EXPECT_EQ(load("are not kept"), WeightOrigin::Prepared) << how;
    EXPECT_EQ(*readFile(victim, 100), "precious");
  }
}

TEST_F(WeightsTest, WhatAKilledRunLeftIsRemovedAfterADay) {
  load();
  std::string gone = cache + "/.dsv2-tmp-1-0", kept = cache + "/.dsv2-tmp-2-0";
  std::string other = cache + "/other";
  struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
  for (const std::string &path : {gone, kept, other}) {
    ASSERT_FALSE(writeFileAtomically(path, "half"));
  }
  ASSERT_EQ(utimensat(AT_FDCWD, gone.c_str(), times, 0), 0);
  ASSERT_EQ(utimensat(AT_FDCWD, other.c_str(), times, 0), 0);
  ASSERT_EQ(utimensat(AT_FDCWD, (directory.path + "/model.safetensors").c_str(), times, 0), 0);
  EXPECT_EQ(load(), WeightOrigin::Prepared);
  EXPECT_FALSE(pathExists(gone));
  EXPECT_TRUE(pathExists(kept) && pathExists(other));
}

TEST_F(WeightsTest, SourcesThatDifferAreNamed) {
  Expected<Checkpoint> checkpoint = Checkpoint::open(directory.path);
  auto failure = [&](const std::function<void(Weight &)> &change) {
    std::vector<Weight> weights = toyProgram().variants[0].weights;
    change(weights[1]);
    Expected<WeightLayout> layout = layOutWeights(weights);
    EXPECT_TRUE(layout);
    Expected<std::unique_ptr<WeightPreparation>> plan =
        WeightPreparation::plan(weights, *layout, *checkpoint);
    return plan ? std::string("accepted") : plan.error().message();
  };
  auto has = [](const std::string &text, const char *part) {
    return text.find(part) != std::string::npos;
  };
  std::string message = failure([](Weight &w) { w.sources[0].name = "layer.{l}.gone"; });
  EXPECT_TRUE(has(message, "layer.0.gone") && has(message, directory.path.c_str())) << message;
  message = failure([](Weight &w) { w.sources[0].shape = {6, 4}; });
  EXPECT_TRUE(has(message, "BF16 [4, 6]") && has(message, "BF16 [6, 4]")) << message;
  message = failure([](Weight &w) { w.sources[0].type = ElementType::F32; });
  EXPECT_TRUE(has(message, "layer.0") && has(message, "F32")) << message;
  EXPECT_TRUE(has(failure([](Weight &w) { w.copies[0].srcOffset = 1; }), "reads past"));
  EXPECT_TRUE(has(failure([](Weight &w) { w.copies[0].dstOffset = 9; }), "writes past"));
  EXPECT_TRUE(
      has(failure([](Weight &w) { w.copies[0].dims[0].srcStride = INT64_MAX; }), "reads past"));
  EXPECT_TRUE(has(failure([](Weight &w) { w.copies[0].source = 1; }), "source"));
}

TEST_F(WeightsTest, MoreCopiesThanTheLimitAreRefusedAtOnce) {
  Expected<Checkpoint> checkpoint = Checkpoint::open(directory.path);
  Weight many = toyProgram().variants[0].weights[0];
  many.layers = {0, 4096, 1, false};
  many.elements = 65536;
  many.copies.assign(65536, WeightCopy());
  Expected<WeightLayout> layout = layOutWeights({many});
  ASSERT_TRUE(layout);
  auto begin = std::chrono::steady_clock::now();
  Expected<std::unique_ptr<WeightPreparation>> plan =
      WeightPreparation::plan({many}, *layout, *checkpoint);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().kind(), ErrorKind::Limit);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(WeightPreparation, NamesAreExpanded) {
  EXPECT_EQ(expandSourceName("a.{l}.b.{e}.{x}", 12, 3), "a.12.b.3.{x}");
}

} // namespace
