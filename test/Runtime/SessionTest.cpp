//===- SessionTest.cpp - Sequences, pages, overflows, generation ----------===//
//
// The toy model's tokens are known, so every way of cutting, batching and
// paging must give them.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/Generator.h"
#include "test/Runtime/ToyModel.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace dsv2;
using namespace dsv2::test;

namespace {

class SessionTest : public testing::Test {
protected:
  void SetUp() override {
    writeToyCheckpoint(directory.path);
    model = toyModel(directory.path, &driver);
    ASSERT_TRUE(model);
  }
  std::unique_ptr<Session> session(const SessionOptions &options = {}) {
    Expected<std::unique_ptr<Session>> made = Session::create(*model, options);
    if (!made) {
      ADD_FAILURE() << made.error().message();
      return nullptr;
    }
    return std::move(*made);
  }
  static std::vector<int32_t> prompt(int seed, size_t count) {
    std::vector<int32_t> ids;
    for (size_t i = 0; i < count; ++i) {
      ids.push_back(static_cast<int32_t>((seed + i * 7) % kToyVocab));
    }
    return ids;
  }
  static StepPart part(int32_t sequence, const std::vector<int32_t> &tokens) {
    StepPart result;
    result.sequence = sequence;
    result.tokens = tokens.data();
    result.count = static_cast<int64_t>(tokens.size());
    result.wantedFrom = result.count - 1;
    return result;
  }

  TemporaryDirectory directory;
  TestDriver *driver = nullptr;
  std::unique_ptr<Model> model;
};

TEST_F(SessionTest, BatchesChunksAndPageOrdersGiveTheSameTokens) {
  for (uint64_t seed : {0, 1, 2}) {
    for (int64_t chunk : {0, 1, 3, 16, 100}) {
      SessionOptions options;
      options.pageSeed = seed;
      options.poisonCache = true;
      std::unique_ptr<Session> s = session(options);
      std::vector<GenerateRequest> requests;
      for (int i = 0; i < 4; ++i) {
        requests.push_back({prompt(i, 5 + 9 * i), {}, static_cast<uint64_t>(10 + i), nullptr});
      }
      GenerateOptions how;
      how.chunk = chunk;
      Expected<GenerateResult> result = generate(*s, requests, how);
      ASSERT_TRUE(result) << result.error().message();
      for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(result->generated[i], toyGenerate(prompt(i, 5 + 9 * i), 10 + i));
      }
      EXPECT_EQ(s->freePages(), s->pages()) << "a sequence kept its pages";
    }
  }
}

TEST_F(SessionTest, DeviceMemoryMayBeHiddenFromTheHost) {
  std::vector<TestKernel> kernels = toyKernels();
  auto device = std::make_unique<TestDriver>(kernels);
  device->visible = false;
  Expected<Checkpoint> checkpoint = Checkpoint::open(directory.path);
  ASSERT_TRUE(checkpoint);
  Expected<std::unique_ptr<Model>> hidden =
      Model::create(toyProgram(), 0, std::move(device), *checkpoint, {});
  ASSERT_TRUE(hidden) << hidden.error().message();
  Expected<std::unique_ptr<Session>> s = Session::create(**hidden, {});
  ASSERT_TRUE(s) << s.error().message();
  Expected<GenerateResult> result = generate(**s, {{prompt(3, 20), {}, 8, nullptr}}, {});
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->generated[0], toyGenerate(prompt(3, 20), 8));
}

TEST_F(SessionTest, LogitsCoverEveryFedTokenOnce) {
  std::unique_ptr<Session> s = session();
  std::vector<int32_t> ids = prompt(1, 21);
  GenerateOptions how;
  how.chunk = 5;
  how.logitsFrom = 3;
  std::vector<int64_t> rows;
  std::vector<int32_t> best;
  how.onLogits = [&](size_t, int64_t first, int64_t count, const float *logits) {
    for (int64_t i = 0; i < count; ++i) {
      rows.push_back(first + i);
      best.push_back(argmax(logits + i * kToyVocab, kToyVocab));
    }
  };
  Expected<GenerateResult> result = generate(*s, {{ids, {}, 4, nullptr}}, how);
  ASSERT_TRUE(result) << result.error().message();
  ids.insert(ids.end(), result->generated[0].begin(), result->generated[0].end());
  ASSERT_EQ(rows.size(), 21u - 3 + 3); // the last generated token is not fed
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i], static_cast<int64_t>(i + 3));
    EXPECT_EQ(best[i], toyNext({ids.begin(), ids.begin() + static_cast<int64_t>(i) + 4}));
  }
}

TEST_F(SessionTest, StopIdEndsASequence) {
  std::unique_ptr<Session> s = session();
  std::vector<int32_t> free = toyGenerate(prompt(2, 6), 12);
  GenerateOptions how;
  how.stopIds = {free[4]};
  Expected<GenerateResult> result = generate(*s, {{prompt(2, 6), {}, 12, nullptr}}, how);
  ASSERT_TRUE(result);
  size_t length = static_cast<size_t>(std::find(free.begin(), free.end(), free[4]) - free.begin());
  EXPECT_EQ(result->generated[0].size(), length + 1);
}

TEST_F(SessionTest, ContextOverflowIsALimit) {
  std::unique_ptr<Session> s = session();
  Expected<GenerateResult> long_ = generate(*s, {{prompt(0, 61), {}, 0, nullptr}}, {});
  ASSERT_FALSE(long_);
  EXPECT_EQ(long_.error().kind(), ErrorKind::Limit);
  EXPECT_NE(long_.error().message().find("context overflow"), std::string::npos);
  EXPECT_NE(long_.error().message().find("61"), std::string::npos);
  Expected<GenerateResult> grown = generate(*s, {{prompt(0, 60), {}, 2, nullptr}}, {});
  ASSERT_FALSE(grown);
  EXPECT_EQ(grown.error().kind(), ErrorKind::Limit);
  // The session is usable after both.
  EXPECT_TRUE(generate(*s, {{prompt(0, 60), {}, 1, nullptr}}, {}));
}

TEST_F(SessionTest, BatchOverflowIsALimit) {
  std::unique_ptr<Session> s = session();
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(s->open());
  }
  Expected<int32_t> fifth = s->open();
  ASSERT_FALSE(fifth);
  EXPECT_EQ(fifth.error().kind(), ErrorKind::Limit);
  s->close(2);
  EXPECT_EQ(*s->open(), 2);
  SessionOptions five;
  five.maxSequences = 5;
  EXPECT_FALSE(Session::create(*model, five));
}

TEST_F(SessionTest, CacheOverflowIsALimitAndChangesNothing) {
  SessionOptions options;
  // Three pages: two layers of 8 tokens of 2 f32 each.
  options.cacheBytes = 3 * 2 * kToyPage * 2 * 4;
  std::unique_ptr<Session> s = session(options);
  EXPECT_EQ(s->pages(), 3);
  int32_t a = *s->open(), b = *s->open();
  std::vector<int32_t> ids = prompt(0, 12), more = prompt(4, 9);
  StepPart first = part(a, ids);
  ASSERT_FALSE(s->step(&first, 1));
  StepPart second = part(b, more);
  std::optional<Error> failure = s->step(&second, 1);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->kind(), ErrorKind::Limit);
  EXPECT_NE(failure->message().find("cache overflow"), std::string::npos);
  EXPECT_EQ(s->length(b), 0);
  EXPECT_EQ(s->freePages(), 1);
  second.count = 8;
  second.wantedFrom = 7;
  ASSERT_FALSE(s->step(&second, 1));
  EXPECT_EQ(argmax(s->logits(), kToyVocab), toyNext({more.begin(), more.begin() + 8}));
  s->close(a);
  EXPECT_EQ(s->freePages(), 2);
  options.cacheBytes = 10;
  EXPECT_FALSE(Session::create(*model, options));
}

TEST_F(SessionTest, DefaultCacheMustHoldOneSequence) {
  driver->available = 100;
  Expected<std::unique_ptr<Session>> s = Session::create(*model, {});
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().kind(), ErrorKind::Limit);
  EXPECT_NE(s.error().message().find("cache"), std::string::npos);
}

TEST_F(SessionTest, BadArgumentsAreUsageErrors) {
  std::unique_ptr<Session> s = session();
  int32_t a = *s->open();
  std::vector<int32_t> ids = {1, 2, 3};
  auto refused = [&](StepPart bad) {
    std::optional<Error> failure = s->step(&bad, 1);
    return failure && failure->kind() == ErrorKind::Usage && s->length(a) == 0;
  };
  for (int32_t token : {-1, static_cast<int32_t>(kToyVocab), INT32_MAX, INT32_MIN}) {
    std::vector<int32_t> bad = {1, token};
    EXPECT_TRUE(refused(part(a, bad))) << token;
  }
  for (int32_t sequence : {-1, 1, 4, INT32_MAX}) {
    EXPECT_TRUE(refused(part(sequence, ids))) << sequence;
  }
  std::vector<int64_t> positions = {0, 1, (1 << 24) + 1};
  StepPart far = part(a, ids);
  far.positions = positions.data();
  EXPECT_TRUE(refused(far));
  positions[2] = -1;
  EXPECT_TRUE(refused(far));
  std::vector<int32_t> wide(17, 0);
  EXPECT_TRUE(refused(part(a, wide)));
  StepPart twice[2] = {part(a, ids), part(a, ids)};
  EXPECT_TRUE(s->step(twice, 2));
  EXPECT_TRUE(s->step(nullptr, 0));
  StepPart good = part(a, ids);
  EXPECT_FALSE(s->step(&good, 1));
  s->close(99);
  s->close(-5);
}

TEST_F(SessionTest, AProgramWithoutLogitsGivesNoTokens) {
  Expected<Checkpoint> checkpoint = Checkpoint::open(directory.path);
  Program program = toyProgram();
  program.variants[0].buffers[6].kind = BufferKind::Arena;
  program.variants[0].buffers[6].table.clear();
  Expected<std::unique_ptr<Model>> silent = Model::create(
      std::move(program), 0, std::make_unique<TestDriver>(toyKernels()), *checkpoint, {});
  ASSERT_TRUE(silent) << silent.error().message();
  Expected<std::unique_ptr<Session>> s = Session::create(**silent, {});
  ASSERT_TRUE(s) << s.error().message();
  GenerateRequest request;
  request.prompt = {1, 2};
  request.maxTokens = 1;
  Expected<GenerateResult> result = generate(**s, {request}, {});
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message().find("no output 'logits'"), std::string::npos);
}

TEST_F(SessionTest, FailedLaunchKeepsTheSequence) {
  std::unique_ptr<Session> s = session();
  int32_t a = *s->open();
  std::vector<int32_t> ids = prompt(0, 10);
  StepPart rows = part(a, ids);
  driver->failLaunch = driver->launches + 1;
  ASSERT_TRUE(s->step(&rows, 1));
  EXPECT_EQ(s->length(a), 0);
  EXPECT_EQ(s->freePages(), s->pages());
  ASSERT_FALSE(s->step(&rows, 1));
  EXPECT_EQ(argmax(s->logits(), kToyVocab), toyNext(ids));
}

TEST_F(SessionTest, ShorteningUndoesTokens) {
  std::unique_ptr<Session> s = session();
  int32_t a = *s->open();
  std::vector<int32_t> ids = prompt(0, 12), draft = {5, 6, 7}, other = {9};
  StepPart rows = part(a, ids), drafted = part(a, draft), kept = part(a, other);
  ASSERT_FALSE(s->step(&rows, 1));
  ASSERT_FALSE(s->step(&drafted, 1));
  ASSERT_FALSE(s->shorten(a, 12));
  ASSERT_FALSE(s->step(&kept, 1));
  ids.push_back(9);
  EXPECT_EQ(argmax(s->logits(), kToyVocab), toyNext(ids));
  EXPECT_TRUE(s->shorten(a, 14));
  EXPECT_TRUE(s->shorten(a, -1));
  EXPECT_TRUE(s->shorten(3, 0));
}

TEST_F(SessionTest, TablesHoldPositionsAnglesAndReplayedExperts) {
  // The kernel copies the tables out, so that they can be looked at.
  std::vector<int32_t> positions, replay;
  std::vector<float> cosines, sines;
  Program program = toyProgram();
  Variant &variant = program.variants[0];
  Arg table;
  table.kind = ArgKind::Buffer;
  Dispatch &clear = variant.entries[0].steps[0].dispatch;
  for (uint32_t index : {8, 9, 10, 11}) {
    table.index = index;
    clear.args.push_back(table);
  }
  std::vector<TestKernel> kernels = toyKernels();
  kernels[0] = [&](const uint64_t *s, int64_t begin, int64_t end) {
    std::fill(reinterpret_cast<float *>(s[0]) + begin, reinterpret_cast<float *>(s[0]) + end, 0.f);
    auto copy = [&](auto &into, uint64_t slot, int64_t width) {
      auto *from = reinterpret_cast<typename std::decay_t<decltype(into)>::value_type *>(slot);
      into.assign(from, from + 3 * width);
    };
    copy(positions, s[1], 1);
    copy(cosines, s[2], 2);
    copy(sines, s[3], 2);
    copy(replay, s[4], 4);
  };
  Expected<Checkpoint> checkpoint = Checkpoint::open(directory.path);
  Expected<std::unique_ptr<Model>> made =
      Model::create(program, 0, std::make_unique<TestDriver>(kernels), *checkpoint, {});
  ASSERT_TRUE(made);
  Expected<std::unique_ptr<Session>> s = Session::create(**made, {});
  ASSERT_TRUE(s);
  int32_t a = *(*s)->open();
  std::vector<int32_t> ids = {1, 2, 3};
  std::vector<int64_t> places = {4, 4352, 163800};
  RoutingRecord routing;
  routing.layers = {{9, 9, 0, 1, 2, 3, 1, 0}, {9, 9, 3, 2, 0, 3, 1, 2}};
  StepPart rows = part(a, ids);
  rows.positions = places.data();
  rows.routing = &routing;
  rows.routingFrom = 1;
  std::optional<Error> failure = (*s)->step(&rows, 1);
  ASSERT_FALSE(failure) << failure->message();
  EXPECT_EQ(positions, (std::vector<int32_t>{4, 4352, 163800}));
  EXPECT_EQ(replay, (std::vector<int32_t>{0, 1, 3, 2, 2, 3, 0, 3, 1, 0, 1, 2}));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(cosines[2 * i], static_cast<float>(std::cos(double(places[i]))));
    EXPECT_EQ(sines[2 * i + 1], static_cast<float>(std::sin(double(places[i]) / 4)));
  }
  // Positions go on from the last one; experts out of range are refused.
  StepPart next = part(a, ids);
  next.routing = nullptr;
  ASSERT_FALSE((*s)->step(&next, 1));
  EXPECT_EQ(positions, (std::vector<int32_t>{163801, 163802, 163803}));
  routing.layers[1][3] = 4;
  EXPECT_TRUE((*s)->step(&rows, 1));
  routing.layers[1][3] = -1;
  EXPECT_TRUE((*s)->step(&rows, 1));
  routing.layers[1][3] = 0;
  rows.routingFrom = 2;
  EXPECT_TRUE((*s)->step(&rows, 1)) << "the record ends before the last row";
}

TEST_F(SessionTest, ReplayedExpertsOfLayersWithGapsLieByNumber) {
  std::vector<int32_t> replay;
  Program program = toyProgram();
  program.model.layers = 5;
  program.model.routedLayerNumbers = {1, 4};
  Variant &variant = program.variants[0];
  int64_t table = variant.maxStepTokens * program.model.topK;
  variant.buffers[11].elements.code = {{ExprOp::Constant, 4 * table}};
  Arg whole;
  whole.kind = ArgKind::Buffer;
  whole.index = 11;
  variant.entries[0].steps[0].dispatch.args.push_back(whole);
  std::vector<TestKernel> kernels = toyKernels();
  kernels[0] = [&](const uint64_t *s, int64_t begin, int64_t end) {
    std::fill(reinterpret_cast<float *>(s[0]) + begin, reinterpret_cast<float *>(s[0]) + end, 0.f);
    const auto *from = reinterpret_cast<const int32_t *>(s[1]);
    replay.assign(from, from + 4 * table);
  };
  Expected<Checkpoint> checkpoint = Checkpoint::open(directory.path);
  Expected<std::unique_ptr<Model>> made =
      Model::create(program, 0, std::make_unique<TestDriver>(kernels), *checkpoint, {});
  ASSERT_TRUE(made);
  Expected<std::unique_ptr<Session>> s = Session::create(**made, {});
  ASSERT_TRUE(s);
  std::vector<int32_t> ids = {1, 2};
  RoutingRecord routing;
  routing.layers = {{0, 1, 2, 3}, {3, 2, 1, 2}};
  StepPart rows = part(*(*s)->open(), ids);
  rows.routing = &routing;
  std::optional<Error> failure = (*s)->step(&rows, 1);
  ASSERT_FALSE(failure) << failure->message();
  EXPECT_EQ(std::vector<int32_t>(replay.begin(), replay.begin() + 4), routing.layers[0]);
  auto last = replay.begin() + 3 * table;
  EXPECT_EQ(std::vector<int32_t>(last, last + 4), routing.layers[1]);
}

TEST_F(SessionTest, FirstEntryWhoseGuardHoldsIsTaken) {
  Program program = toyProgram();
  program.variants[0].entries[0].guard = {expr("3 T -1 * +")}; // at most three rows
  Expected<Checkpoint> checkpoint = Checkpoint::open(directory.path);
  Expected<std::unique_ptr<Model>> made =
      Model::create(program, 0, std::make_unique<TestDriver>(toyKernels()), *checkpoint, {});
  Expected<std::unique_ptr<Session>> s = Session::create(**made, {});
  ASSERT_TRUE(s);
  int32_t a = *(*s)->open();
  std::vector<int32_t> four = prompt(0, 4), three = prompt(0, 3);
  StepPart wide = part(a, four), narrow = part(a, three);
  std::optional<Error> failure = (*s)->step(&wide, 1);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->kind(), ErrorKind::Unsupported);
  EXPECT_FALSE((*s)->step(&narrow, 1));
}

} // namespace
