//===- StructuredFuzzTest.cpp - A share of the fuzzing on every run -------===//
//
// The first inputs of each target, for a bounded time; dsv2-fuzz-checkpoint runs a
// million of them. The sanitizer build of this test is the one that counts.
//
//===----------------------------------------------------------------------===//
#include "test/Checkpoint/FuzzTargets.h"

#include <chrono>
#include <gtest/gtest.h>

using namespace dsv2;

namespace {

void runShare(std::unique_ptr<FuzzTarget> target) {
  constexpr uint64_t seed = 20240507;
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(900);
  uint64_t count = 0;
  for (; std::chrono::steady_clock::now() < end; ++count) {
    FuzzRandom random(seed, count);
    std::string input;
    std::string wrong = target->run(random, input);
    ASSERT_EQ(wrong, "") << target->name() << ", seed " << seed << ", input " << count << ": "
                         << quote(input, 4000);
  }
  std::printf("%zu inputs, %zu accepted, seed %zu\n", size_t(count), size_t(target->accepted),
              size_t(seed));
  EXPECT_GT(count, 20u);
  EXPECT_GT(target->accepted, count / 20);
}

TEST(StructuredFuzz, Configs) { runShare(fuzzConfigs()); }
TEST(StructuredFuzz, Headers) { runShare(fuzzHeaders()); }
TEST(StructuredFuzz, Directories) { runShare(fuzzDirectories()); }
TEST(StructuredFuzz, Tokenizers) { runShare(fuzzTokenizers()); }

TEST(StructuredFuzz, InputsCanBeMadeAgain) {
  std::string first, second;
  for (std::string *input : {&first, &second}) {
    FuzzRandom random(1, 77);
    (void)fuzzHeaders()->run(random, *input);
  }
  EXPECT_EQ(first, second);
}

TEST(StructuredFuzz, TreesKeepWhatTheyHold) {
  FuzzJson object;
  object.add("a", FuzzJson::array({FuzzJson::number(1), FuzzJson::string("x\"y")}));
  EXPECT_EQ(object.text(), R"({"a":[1,"x\"y"]})");
  Expected<Json> json = Json::parse(object.text(), "f");
  ASSERT_TRUE(json);
  EXPECT_EQ(FuzzJson::from(*json).text(), object.text());
}

} // namespace
