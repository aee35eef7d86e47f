//===- TokensOptionsTest.cpp - The TOKENS flags ---------------------------===//
//
// Both spellings of a value, lists from files, and one clear error for each way
// to get a flag wrong.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/TokensOptions.h"

#include <gtest/gtest.h>

#include <fstream>

using namespace dsv2;

namespace {

Expected<TokensOptions> parse(std::vector<std::string> arguments) {
  FlagReader flags(std::move(arguments));
  TokensOptions options;
  while (flags.next()) {
    Expected<bool> taken = parseTokensFlag(flags, options);
    if (!taken) {
      return taken.takeError();
    }
    if (!*taken) {
      return Error(ErrorKind::Usage, "unknown flag ", flags.name());
    }
  }
  if (std::optional<Error> error = checkTokensOptions(options)) {
    return std::move(*error);
  }
  return options;
}

std::string errorOf(std::vector<std::string> arguments) {
  Expected<TokensOptions> options = parse(std::move(arguments));
  return options ? "no error" : options.error().message();
}

TEST(TokensOptions, TakesBothSpellingsAndSeveralSequences) {
  Expected<TokensOptions> options = parse(
      {"--weights", "dir", "--tokens=5,17,3", "--tokens", "1 2\n3,", "--prompt", "a=b",
       "--generate=4", "--chunk", "2", "--round", "--print-ids", "--mtp", "--logits", "file"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->weights, "dir");
  ASSERT_EQ(options->inputs.size(), 3u);
  EXPECT_EQ(options->inputs[0].ids, (std::vector<int32_t>{5, 17, 3}));
  EXPECT_EQ(options->inputs[1].ids, (std::vector<int32_t>{1, 2, 3}));
  EXPECT_TRUE(options->inputs[2].isText);
  EXPECT_EQ(options->inputs[2].text, "a=b");
  EXPECT_EQ(options->generate, std::optional<uint64_t>(4));
  EXPECT_EQ(options->chunk, 2u);
  EXPECT_TRUE(options->round && options->printIds && options->mtp && !options->perplexity);
}

TEST(TokensOptions, ReadsNumbersFromAFile) {
  std::string path = testing::TempDir() + "/positions.txt";
  std::ofstream(path) << "4352, 4353\n163800\n";
  Expected<TokensOptions> options = parse({"--tokens", "1,2,3", "--positions", "@" + path});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->positions[0], (std::vector<int64_t>{4352, 4353, 163800}));
}

TEST(TokensOptions, GenerateDependsOnTheOtherFlags) {
  EXPECT_EQ(parse({"--tokens", "1"})->generateLimit(7), 7u);
  EXPECT_EQ(parse({"--tokens", "1", "--generate", "3"})->generateLimit(7), 3u);
  EXPECT_EQ(parse({"--tokens", "1", "--generate", "9"})->generateLimit(7), 7u);
  EXPECT_EQ(parse({"--tokens", "1", "--logits", "f"})->generateLimit(7), 0u);
  EXPECT_EQ(parse({"--tokens", "1", "--logits", "f", "--generate", "2"})->generateLimit(7), 2u);
  EXPECT_EQ(parse({"--tokens", "1", "--perplexity"})->generateLimit(7), 0u);
}

TEST(TokensOptions, NamesFlagAndValue) {
  EXPECT_EQ(errorOf({}), "nothing to run: expected --tokens or --prompt");
  EXPECT_EQ(errorOf({"--tokens"}), "flag '--tokens' needs a value");
  EXPECT_EQ(errorOf({"--tokens", ","}), "flag '--tokens': expected at least one number, got none");
  EXPECT_EQ(errorOf({"--tokens", "1,x"}),
            "flag '--tokens': entry 1 must be a whole number from 0 to 2147483647, got 'x'");
  EXPECT_EQ(errorOf({"--tokens", "1", "--chunk", "0"}),
            "flag '--chunk' expects a whole number from 1 to 1099511627776, got '0'");
  EXPECT_EQ(errorOf({"--tokens", "1", "--round=yes"}), "flag '--round' takes no value, got 'yes'");
  EXPECT_EQ(errorOf({"--tokens", "1,2", "--positions", "7"}),
            "sequence 0 has 2 tokens but 1 positions");
  EXPECT_EQ(errorOf({"--tokens", "1", "--positions", "16777217"}),
            "flag '--positions': entry 0 must be a whole number from 0 to 16777216, got "
            "'16777217'");
  EXPECT_NE(errorOf({"--tokens", "@/nowhere/ids"}).find("/nowhere/ids"), std::string::npos);
}

TEST(TokensOptions, NamesTensors) {
  EXPECT_EQ(sequenceTensorName("logits", 0), "logits");
  EXPECT_EQ(sequenceTensorName("logits", 2), "logits.2");
  EXPECT_EQ(routingTensorName(3, 0), "layers.3.experts");
  EXPECT_EQ(routingTensorName(3, 1), "layers.3.experts.1");
}

TEST(TokensOptions, ReportsPerplexity) {
  EXPECT_EQ(perplexityReport(7.5, 3), "negative log-likelihood 7.5\nperplexity "
                                      "12.182493960703473\ntokens 3\n");
}

} // namespace
