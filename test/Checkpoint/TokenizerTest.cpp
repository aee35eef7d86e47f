//===- TokenizerTest.cpp - Tokenizers against Hugging Face's --------------===//
//
// The expected ids and texts come from the tokenizers library
// (tools/dev/make_tokenizer_cases.py); what is refused, and what bounds the work,
// is tested on small variations of one tokenizer.json.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/Tokenizer.h"
#include "lib/Support/File.h"

#include <chrono>
#include <gtest/gtest.h>

using namespace dsv2;

namespace {

std::vector<int32_t> idsOf(const Json &json) {
  std::vector<int32_t> ids;
  for (const Json &value : *json.array()) {
    ids.push_back(static_cast<int32_t>(*value.integer()));
  }
  return ids;
}

/// A tokenizer's directory beneath the source tree, and its cases.
struct Form {
  const char *name;
  const char *directory;
  const char *cases;
};

class TokenizerCases : public ::testing::TestWithParam<Form> {};

TEST_P(TokenizerCases, EqualTheLibrary) {
  std::string source = DSV2_SOURCE_DIR "/";
  Expected<Tokenizer> tokenizer = Tokenizer::load(source + GetParam().directory);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  Expected<Json> cases = Json::read(source + GetParam().cases);
  ASSERT_TRUE(cases) << cases.error().message();
  size_t count = 0;
  for (const Json &one : *cases->find("cases")->array()) {
    const std::string &text = *one.find("text")->string();
    Expected<std::vector<int32_t>> ids = tokenizer->encode(text);
    ASSERT_TRUE(ids) << ids.error().message();
    EXPECT_EQ(*ids, idsOf(*one.find("ids"))) << quote(text);
    Expected<std::vector<int32_t>> plain = tokenizer->encode(text, /*addSpecial=*/false);
    ASSERT_TRUE(plain) << plain.error().message();
    EXPECT_EQ(*plain, idsOf(*one.find("plain"))) << quote(text);
    Expected<std::string> decoded = tokenizer->decode(*ids);
    ASSERT_TRUE(decoded) << decoded.error().message();
    EXPECT_EQ(*decoded, *one.find("decoded")->string());
    EXPECT_EQ(*tokenizer->decode(*ids, /*skipSpecial=*/false), *one.find("shown")->string());
    ++count;
  }
  EXPECT_GE(count, 100u);
  for (const Json &one : *cases->find("broken")->array()) {
    EXPECT_EQ(*tokenizer->decode(idsOf(*one.find("ids")), false), *one.find("decoded")->string());
  }
}

#define INPUTS "test/Checkpoint/Inputs/"
#define FORM(name) {#name, INPUTS "tokenizer-" #name, INPUTS "tokenizer-" #name "/cases.json"}
const Form forms[] = {
    FORM(gpt2),
    FORM(deepseek_v2),
    FORM(deepseek_v3),
    FORM(llama3),
    {"kjv_v2", "models/kjv-v2", INPUTS "kjv-v2.json"},
};
INSTANTIATE_TEST_SUITE_P(Forms, TokenizerCases, ::testing::ValuesIn(forms),
                         [](const auto &info) { return info.param.name; });

/// A tokenizer.json with some members replaced; 256 byte tokens and no merges.
std::string makeJson(std::string_view member = "", std::string_view value = "") {
  auto part = [&](std::string_view name, std::string_view usual) {
    return concat("\"", name, "\":", name == member ? value : usual);
  };
  // Bytes 0..32 are U+0100.., 127..160 follow, then 173.
  std::string vocabulary;
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    bool plain = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
    unsigned c = plain ? byte : next++;
    static const char hex[] = "0123456789abcdef";
    vocabulary +=
        concat(byte == 0 ? "" : ",", "\"\\u0", std::string(1, hex[c >> 8]),
               std::string(1, hex[c >> 4 & 15]), std::string(1, hex[c & 15]), "\":", byte);
  }
  std::string model =
      concat("{", part("type", "\"BPE\""), ",", part("dropout", "null"), ",",
             part("unk_token", "null"), ",", part("continuing_subword_prefix", "\"\""), ",",
             part("end_of_word_suffix", "null"), ",", part("byte_fallback", "false"), ",",
             part("vocab", "{" + vocabulary + ",\"ab\":256,\"abc\":257}"), ",",
             part("merges", "[\"a b\",[\"ab\",\"c\"]]"), "}");
  return concat("{", part("added_tokens", "[]"), ",", part("normalizer", "null"), ",",
                part("pre_tokenizer",
                     "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}"),
                ",", part("post_processor", "null"), ",",
                part("decoder", "{\"type\":\"ByteLevel\"}"), ",", part("model", model), "}");
}

Expected<Tokenizer> parseJson(const std::string &json, std::string_view config = "") {
  return Tokenizer::parse(json, "tokenizer.json", config, "tokenizer_config.json");
}

TEST(Tokenizer, ReadsBothSpellingsOfMerges) {
  Expected<Tokenizer> tokenizer = parseJson(makeJson());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  EXPECT_EQ(*tokenizer->encode("abcab"), (std::vector<int32_t>{257, 256}));
  EXPECT_EQ(tokenizer->idEnd(), 258u);
  EXPECT_EQ(tokenizer->idOf("abc"), 257);
  EXPECT_EQ(tokenizer->bytesOf(258), nullptr);
  EXPECT_EQ(tokenizer->bytesOf(-1), nullptr);
}

struct Refusal {
  const char *name;
  const char *member;
  const char *value;
  const char *message; // a part of it
};

class TokenizerRefuses : public ::testing::TestWithParam<Refusal> {};

TEST_P(TokenizerRefuses, ByName) {
  Expected<Tokenizer> tokenizer = parseJson(makeJson(GetParam().member, GetParam().value));
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().message().find("tokenizer.json: "), 0u);
  EXPECT_NE(tokenizer.error().message().find(GetParam().message), std::string::npos)
      << tokenizer.error().message();
}

const Refusal refusals[] = {
    {"ModelType", "type", "\"Unigram\"", "'model.type' must be 'BPE', found 'Unigram'"},
    {"Dropout", "dropout", "0.1", "'model.dropout' is not supported"},
    {"Prefix", "continuing_subword_prefix", "\"##\"", "'model.continuing_subword_prefix'"},
    {"Suffix", "end_of_word_suffix", "\"</w>\"", "'model.end_of_word_suffix'"},
    {"ByteFallback", "byte_fallback", "true", "'model.byte_fallback' is true"},
    {"VocabNotObject", "vocab", "[]", "'model.vocab' must be an object"},
    {"VocabIdTwice", "vocab", "{\"a\":1,\"b\":1}", "gives the id 1 to two tokens"},
    {"VocabIdHuge", "vocab", "{\"a\":4294967296}", "found 4294967296"},
    {"VocabIdNegative", "vocab", "{\"a\":-1}", "found -1"},
    {"UnknownToken", "vocab", "{\"a\":1}", "vocab lacks"},
    {"MergeOfUnknown", "merges", "[\"a zz\"]", "lacks the second"},
    {"MergeResultMissing", "merges", "[\"a c\"]", "lacks the result"},
    {"MergeOfThree", "merges", "[\"a b c\"]", "must hold two tokens at 0"},
    {"MergeTwice", "merges", "[\"a b\",\"a b\"]", "again at 1"},
    {"MergesNotArray", "merges", "{}", "'model.merges' must be an array"},
    {"Normalizer", "normalizer", "{\"type\":\"NFC\"}", "field 'normalizer'"},
    {"Decoder", "decoder", "{\"type\":\"Metaspace\"}", "'decoder' must be ByteLevel"},
    {"NoDecoder", "decoder", "null", "'decoder' must be ByteLevel"},
    {"NoPreTokenizer", "pre_tokenizer", "null", "'pre_tokenizer' is null"},
    {"OtherPreTokenizer", "pre_tokenizer", "{\"type\":\"Metaspace\"}", "found 'Metaspace'"},
    {"NotByteLevel", "pre_tokenizer", "{\"type\":\"Digits\"}", "must end in a ByteLevel"},
    {"StepAfterByteLevel", "pre_tokenizer",
     "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},{\"type\":\"Digits\"}]}",
     "after ByteLevel"},
    {"SplitBehavior", "pre_tokenizer",
     "{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"MergedWithNext\"}",
     "found 'MergedWithNext'"},
    {"SplitWord", "pre_tokenizer",
     "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\w+\"},\"behavior\":\"Isolated\"}",
     "uses '\\w'"},
    {"PostProcessor", "post_processor", "{\"type\":\"RobertaProcessing\"}",
     "found 'RobertaProcessing'"},
    {"TemplateToken", "post_processor",
     "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}},"
     "{\"Sequence\":{}}],\"special_tokens\":{\"x\":{\"ids\":[999]}}}",
     "id 999 no token has"},
    {"TemplateWithoutText", "post_processor",
     "{\"type\":\"TemplateProcessing\",\"single\":[],\"special_tokens\":{}}",
     "does not hold the text"},
    {"AddedSingleWord", "added_tokens", "[{\"id\":300,\"content\":\"x\",\"single_word\":true}]",
     "single_word' is true"},
    {"AddedEmpty", "added_tokens", "[{\"id\":300,\"content\":\"\"}]", "must have 1 to 256 bytes"},
    {"AddedTwice", "added_tokens",
     "[{\"id\":300,\"content\":\"x\"},{\"id\":301,\"content\":\"x\"}]", "has 'x' twice"},
    {"AddedIdTwice", "added_tokens",
     "[{\"id\":300,\"content\":\"x\"},{\"id\":300,\"content\":\"y\"}]", "gives the id 300"},
    {"AddedAgainstVocab", "added_tokens", "[{\"id\":65,\"content\":\"x\"}]", "to another token"},
    {"AddedIdHuge", "added_tokens", "[{\"id\":4194304,\"content\":\"x\"}]", "found 4194304"},
};
INSTANTIATE_TEST_SUITE_P(Corpus, TokenizerRefuses, ::testing::ValuesIn(refusals),
                         [](const auto &info) { return info.param.name; });

TEST(Tokenizer, ConfigAddsToTheTemplate) {
  std::string json =
      makeJson("added_tokens", "[{\"id\":300,\"content\":\"<s>\",\"special\":true}]");
  Expected<Tokenizer> with = parseJson(
      json, "{\"add_bos_token\":true,\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"<s>\"}");
  ASSERT_TRUE(with) << with.error().message();
  EXPECT_EQ(*with->encode("a"), (std::vector<int32_t>{300, 'a'}));
  Expected<Tokenizer> without = parseJson(json, "{\"add_bos_token\":false,\"bos_token\":\"<s>\"}");
  ASSERT_TRUE(without);
  EXPECT_EQ(*without->encode("a"), (std::vector<int32_t>{'a'}));
  Expected<Tokenizer> both = parseJson(
      makeJson("post_processor",
               "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"a\"}},"
               "{\"Sequence\":{}}],\"special_tokens\":{\"a\":{\"ids\":[97]}}}"),
      "{\"add_bos_token\":true,\"bos_token\":\"a\",\"add_eos_token\":true,\"eos_token\":\"b\"}");
  ASSERT_TRUE(both) << both.error().message();
  EXPECT_EQ(*both->encode("x"), (std::vector<int32_t>{'a', 'x', 'b'}));
  Expected<Tokenizer> unknown = parseJson(json, "{\"add_bos_token\":true,\"bos_token\":\"<t>\"}");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message(), "tokenizer_config.json: field 'bos_token' is '<t>', which "
                                       "tokenizer.json lacks");
}

TEST(Tokenizer, ATemplateHasALimit) {
  // A short file for 10^10 tokens.
  auto made = [](int pieces, int ids) {
    std::string single, list;
    for (int i = 0; i < pieces; ++i) {
      single += "{\"SpecialToken\":{\"id\":\"a\"}},";
    }
    for (int i = 0; i < ids; ++i) {
      list += i == 0 ? "97" : ",97";
    }
    return parseJson(
        makeJson("post_processor", "{\"type\":\"TemplateProcessing\",\"single\":[" + single +
                                       "{\"Sequence\":{}}],\"special_tokens\":{\"a\":{\"ids\":[" +
                                       list + "]}}}"));
  };
  Expected<Tokenizer> most = made(64, 64);
  ASSERT_TRUE(most) << most.error().message();
  EXPECT_EQ(most->encode("x")->size(), 4097u);
  for (auto [pieces, ids] : {std::pair(65, 64), std::pair(1, 4097), std::pair(100'000, 100'000)}) {
    Expected<Tokenizer> more = made(pieces, ids);
    ASSERT_FALSE(more);
    EXPECT_NE(more.error().message().find("'post_processor.single'"), std::string::npos);
    EXPECT_NE(more.error().message().find("4096"), std::string::npos);
  }
}

TEST(Tokenizer, TheLongestAddedTokenIsTaken) {
  Expected<Tokenizer> tokenizer = parseJson(makeJson(
      "added_tokens", "[{\"id\":300,\"content\":\"<a\"},{\"id\":301,\"content\":\"<aaab\"},"
                      "{\"id\":302,\"content\":\"<aa\"},{\"id\":303,\"content\":\"\u00ff\"},"
                      "{\"id\":304,\"content\":\"<\",\"special\":true},"
                      "{\"id\":305,\"content\":\"<ab\"}]"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  auto ids = [&](const char *text) { return *tokenizer->encode(text); };
  // What is special (not normalized) is looked up first, whatever is longer.
  EXPECT_EQ(ids("<aaab"), (std::vector<int32_t>{304, 'a', 'a', 256}));
  tokenizer = parseJson(makeJson(
      "added_tokens", "[{\"id\":300,\"content\":\"<a\"},{\"id\":301,\"content\":\"<aaab\"},"
                      "{\"id\":302,\"content\":\"<aa\"},{\"id\":303,\"content\":\"\u00ff\"},"
                      "{\"id\":305,\"content\":\"<ab\"}]"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  EXPECT_EQ(ids("<aaab"), (std::vector<int32_t>{301}));
  EXPECT_EQ(ids("<aaa"), (std::vector<int32_t>{302, 'a'}));
  EXPECT_EQ(ids("<aab"), (std::vector<int32_t>{302, 'b'}));
  EXPECT_EQ(ids("<a<abb\xc3\xbf<"), (std::vector<int32_t>{300, 305, 'b', 303, '<'}));
}

TEST(Tokenizer, ManyAddedTokensTakeLittleTime) {
  // A tree over their bytes took 4 GB and half a minute for 50 MB.
  std::string list;
  for (int i = 0; i < 100'000; ++i) {
    list += concat(i == 0 ? "" : ",", "{\"id\":", 300 + i, ",\"content\":\"", i * 7919 % 100'003,
                   std::string(200, 'y'), "\"}");
  }
  auto begin = std::chrono::steady_clock::now();
  Expected<Tokenizer> tokenizer = parseJson(makeJson("added_tokens", "[" + list + "]"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  EXPECT_EQ(*tokenizer->encode(concat("a7919", std::string(200, 'y'), "yy")),
            (std::vector<int32_t>{'a', 301, 'y', 'y'}));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(Tokenizer, RefusesBadText) {
  Expected<Tokenizer> tokenizer = parseJson(makeJson());
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("ab\xff").error().message(), "text is not valid UTF-8 at byte 2");
  EXPECT_EQ(tokenizer->encode("\xed\xa0\x80").error().kind(), ErrorKind::Usage); // a surrogate
  std::string large(Tokenizer::maxTextBytes + 1, 'a');
  EXPECT_EQ(tokenizer->encode(large).error().kind(), ErrorKind::Limit);
  EXPECT_EQ(tokenizer->decode({-1}).error().message(),
            "token id -1 is not in the tokenizer's vocabulary");
  EXPECT_FALSE(tokenizer->decode({INT32_MAX}));
}

TEST(Tokenizer, NamesAByteWithoutToken) {
  Expected<Tokenizer> tokenizer =
      parseJson(makeJson("model", "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  EXPECT_EQ(*tokenizer->encode("aa"), (std::vector<int32_t>{0, 0}));
  Expected<std::vector<int32_t>> ids = tokenizer->encode("ab");
  ASSERT_FALSE(ids);
  EXPECT_NE(ids.error().message().find("byte 98"), std::string::npos);
}

TEST(Tokenizer, LongWordsTakeNoQuadraticTime) {
  Expected<Tokenizer> tokenizer = parseJson(makeJson());
  ASSERT_TRUE(tokenizer);
  auto begin = std::chrono::steady_clock::now();
  std::string text;
  for (size_t i = 0; i < 500'000; ++i) {
    text += "ab";
  }
  Expected<std::vector<int32_t>> ids = tokenizer->encode(text);
  ASSERT_TRUE(ids) << ids.error().message();
  EXPECT_EQ(ids->size(), 500'000u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(Tokenizer, APatternThatExplodesIsAnError) {
  Expected<Tokenizer> tokenizer = parseJson(
      makeJson("pre_tokenizer",
               "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{"
               "\"Regex\":\"(?:a+)+b\"},\"behavior\":\"Isolated\"},{\"type\":\"ByteLevel\"}]}"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  Expected<std::vector<int32_t>> ids = tokenizer->encode(std::string(64, 'a') + "c");
  // PCRE2 may see at once that no b follows; both ways are fine, a hang is not.
  EXPECT_TRUE(ids || ids.error().kind() == ErrorKind::Limit);
  ids = tokenizer->encode(std::string(64, 'a') + "c b");
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().kind(), ErrorKind::Limit);
  EXPECT_NE(ids.error().message().find("(?:a+)+b"), std::string::npos);
}

TEST(Tokenizer, AQuadraticPatternRunsOutOfPatience) {
  Expected<Tokenizer> tokenizer = parseJson(
      makeJson("pre_tokenizer",
               "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{"
               "\"Regex\":\"\\\\s+$\"},\"behavior\":\"Isolated\"},{\"type\":\"ByteLevel\"}]}"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  auto begin = std::chrono::steady_clock::now();
  Expected<std::vector<int32_t>> ids =
      tokenizer->encode(std::string(200'000, ' ') + "c", true, std::chrono::milliseconds(50));
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().kind(), ErrorKind::Limit);
  EXPECT_NE(ids.error().message().find("takes too long"), std::string::npos);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(StreamDecoder, GivesWholeCharactersOnly) {
  Expected<Tokenizer> tokenizer = parseJson(makeJson());
  ASSERT_TRUE(tokenizer);
  StreamDecoder decoder(*tokenizer);
  // U+1F600 is F0 9F 98 80; ids are bytes here.
  EXPECT_EQ(decoder.push(0xf0), "");
  EXPECT_EQ(decoder.push(0x9f), "");
  EXPECT_EQ(decoder.push(0x98), "");
  EXPECT_EQ(decoder.push(0x80), "\xf0\x9f\x98\x80");
  EXPECT_EQ(decoder.push('a'), "a");
  EXPECT_EQ(decoder.push(0xe2), "");
  EXPECT_EQ(decoder.push('b'), "\xef\xbf\xbd"
                               "b");
  EXPECT_EQ(decoder.push(0xff), "\xef\xbf\xbd");
  EXPECT_EQ(decoder.push(99999), "\xef\xbf\xbd");
  EXPECT_EQ(decoder.push(0xc3), "");
  EXPECT_EQ(decoder.finish(), "\xef\xbf\xbd");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(SplitRegex, RefusesWhatDiffers) {
  for (const char *pattern : {"\\w",
                              "\\b",
                              "\\W",
                              "\\B",
                              "\\h",
                              "\\R",
                              "\\X",
                              "\\1",
                              "\\Ga",
                              "\\K",
                              "(?i)a",
                              "(?<n>a)",
                              "(?R)",
                              "(?1)",
                              "(?C1)",
                              "(*UTF)a",
                              "(?#x)a",
                              "[a&&b]",
                              "[[:alpha:]]",
                              "[]a]",
                              "a{,2}",
                              "a{2}?",
                              "a{2}+",
                              "a{x}",
                              "{",
                              "\\p",
                              "\\p{L",
                              "\\p{}",
                              "\\p{Nope}",
                              "\\pL",
                              "\\u12",
                              "\\x{}",
                              "\\x{110000}",
                              "[a",
                              "(a",
                              "a)",
                              "*a",
                              "\\",
                              "[\\w]",
                              "[\\p{Bogus}]",
                              "((((a{1000}){1000}){1000}){1000})"}) {
    Expected<SplitRegex> regex = SplitRegex::compile(pattern);
    EXPECT_FALSE(regex) << pattern;
  }
  EXPECT_EQ(SplitRegex::compile(std::string(70'000, 'a')).error().kind(), ErrorKind::Limit);
  EXPECT_FALSE(SplitRegex::compile(std::string(200, '(') + "a" + std::string(200, ')')));
}

TEST(SplitRegex, RefusesEmptyMatches) {
  Expected<SplitRegex> regex = SplitRegex::compile("x*");
  ASSERT_TRUE(regex);
  SplitRegex::Matcher matcher(*regex, std::chrono::seconds(1));
  EXPECT_FALSE(matcher.find("axxb", 0));
}

TEST(SplitRegex, TranslatesWhiteSpaceAndScripts) {
  EXPECT_EQ(*translateRegex("\\p{Han}\\p{^L}\\p{Lu}"), "\\p{sc:Han}\\p{^L}\\p{Lu}");
  EXPECT_EQ(*translateRegex("\\u00e9\\x41\\x{1F600}\\d\\v"),
            "\\x{00e9}\\x{41}\\x{1F600}\\p{Nd}\\x{b}");
  Expected<SplitRegex> regex = SplitRegex::compile("\\s");
  ASSERT_TRUE(regex);
  SplitRegex::Matcher matcher(*regex, std::chrono::seconds(1));
  EXPECT_FALSE(*matcher.find("a\u180eb\u200b", 0));
  Expected<std::optional<SplitRegex::Match>> match = matcher.find("a\u3000", 0);
  ASSERT_TRUE(match && *match);
  EXPECT_EQ((*match)->begin, 1u);
  EXPECT_EQ((*match)->end, 4u);
}

} // namespace
