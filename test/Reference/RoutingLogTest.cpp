//===- RoutingLogTest.cpp - Recording and replaying routing ---------------===//
//
// A log does not remember how the tokens were cut into steps.
//
//===----------------------------------------------------------------------===//
#include "Values.h"

#include "lib/Reference/RoutingLog.h"

#include <fstream>

using namespace dsv2;

namespace {

TEST(RoutingLog, ReplaysInOtherStepsThroughAFile) {
  RoutingLog log;
  log.record(1, IntTensor({3, 2}, {0, 1, 2, 3, 4, 5}), makeStep({2, 1}));
  log.record(1, IntTensor({2, 2}, {6, 7, 5, 4}), makeStep({1, 1}, {2, 1}));
  log.record(12, IntTensor({1, 1}, {3}), makeStep({1}));
  std::string path = testing::TempDir() + "/routing.safetensors";
  ASSERT_FALSE(log.write(path));
  Expected<RoutingLog> read = RoutingLog::read(path);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->replay(1, 2, 8, makeStep({3, 2}))->values,
            (std::vector<int64_t>{0, 1, 2, 3, 6, 7, 4, 5, 5, 4}));
  EXPECT_EQ(read->replay(12, 1, 4, makeStep({1}))->values, (std::vector<int64_t>{3}));
}

TEST(RoutingLog, NamesWhatDoesNotFit) {
  RoutingLog log;
  log.record(3, IntTensor({1, 2}, {0, 7}), makeStep({1}));
  auto message = [&](int64_t layer, int64_t topK, int64_t experts, const Step &step) {
    return log.replay(layer, topK, experts, step).error().message();
  };
  EXPECT_EQ(message(4, 2, 8, makeStep({1})), "routing to replay: no tensor 'layers.4.experts'");
  EXPECT_EQ(message(3, 2, 8, makeStep({0, 1})),
            "routing to replay: no tensor 'layers.3.experts.1'");
  EXPECT_EQ(
      message(3, 2, 8, makeStep({2})),
      "routing to replay: tensor 'layers.3.experts' is [1, 2], expected at least 2 rows of 2");
  EXPECT_EQ(
      message(3, 3, 8, makeStep({1})),
      "routing to replay: tensor 'layers.3.experts' is [1, 2], expected at least 1 rows of 3");
  EXPECT_EQ(message(3, 2, 7, makeStep({1})), "routing to replay: tensor 'layers.3.experts' row 0 "
                                             "names expert 7, expected a number below 7");
}

TEST(RoutingLog, RefusesFilesOfAnotherKind) {
  std::string path = testing::TempDir() + "/other.safetensors";
  float value = 1;
  ASSERT_FALSE(writeSafetensors(path, {{"logits", DType::F32, {1, 1}, &value}}));
  std::string message = RoutingLog::read(path).error().message();
  EXPECT_NE(message.find("tensor 'logits' is F32 [1, 1], expected 'layers.L.experts'"),
            std::string::npos)
      << message;
  EXPECT_FALSE(RoutingLog::read("/nowhere/routing"));
}

TEST(RoutingLog, AModelWithoutGatesGivesAFileWithoutTensors) {
  std::string path = testing::TempDir() + "/empty.safetensors";
  ASSERT_FALSE(RoutingLog().write(path));
  EXPECT_TRUE(RoutingLog::read(path));
}

} // namespace
