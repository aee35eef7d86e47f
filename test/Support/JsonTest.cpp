//===- JsonTest.cpp - JSON from untrusted files ---------------------------===//
//
// What is refused, limits at the edge, and the wording of field errors.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/Json.h"

#include <gtest/gtest.h>

using namespace dsv2;

namespace {

std::string errorOf(std::string_view text, const JsonLimits &limits = {}) {
  Expected<Json> json = Json::parse(text, "f.json", limits);
  return json ? "" : json.error().message();
}

TEST(Json, ReadsValues) {
  Expected<Json> json = Json::parse(
      R"({"b": [1, -2, 1.5, true, null], "a": "\u00e9\n", "big": 18446744073709551615})", "f.json");
  ASSERT_TRUE(json) << json.error().message();
  const Json::Array &list = *json->find("b")->array();
  EXPECT_EQ(list[0].natural(), 1u);
  EXPECT_EQ(list[1].natural(), std::nullopt);
  EXPECT_EQ(list[1].integer(), -2);
  EXPECT_EQ(list[2].number(), 1.5);
  EXPECT_EQ(list[2].integer(), std::nullopt);
  EXPECT_TRUE(*list[3].boolean());
  EXPECT_TRUE(list[4].isNull());
  EXPECT_EQ(*json->find("a")->string(), "\xc3\xa9\n");
  EXPECT_EQ(json->find("big")->natural(), UINT64_MAX);
  EXPECT_EQ(json->find("big")->integer(), std::nullopt);
  EXPECT_EQ(json->find("absent"), nullptr);
  EXPECT_EQ(json->object()->members[0].first, "b"); // the file's order
}

TEST(Json, RefusesBrokenText) {
  for (std::string_view text : {"",
                                " ",
                                "{",
                                "[1,]",
                                "{\"a\":}",
                                "{a:1}",
                                "nul",
                                "NaN",
                                "Infinity",
                                "1e999",
                                "01",
                                "+1",
                                "'a'",
                                "\"\\x\"",
                                "\"\n\"",
                                "\"\xff\"",
                                "\"\xed\xa0\x80\"",
                                "\"\\ud800\"",
                                "[1] 2",
                                "// c\n1",
                                "\"a",
                                "{\"a\":1,}"}) {
    std::string message = errorOf(text);
    EXPECT_EQ(message.find("f.json: invalid JSON"), 0u) << text << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

TEST(Json, RefusesDuplicateKeysAtEveryLevel) {
  EXPECT_EQ(errorOf(R"({"a":1,"b":2,"a":3})"), "f.json: duplicate key 'a'");
  EXPECT_EQ(errorOf(R"([{"x":{"a":1,"a":1}}])"), "f.json: duplicate key 'a'");
  EXPECT_EQ(errorOf(R"({"a":{"a":1},"b":{"a":1}})"), "");
  EXPECT_EQ(errorOf(R"({"a":1,"\u0061":2})"), "f.json: duplicate key 'a'");
}

TEST(Json, LimitsHoldAtTheEdge) {
  JsonLimits limits;
  std::string deep = std::string(64, '[') + std::string(64, ']');
  EXPECT_EQ(errorOf(deep), "");
  EXPECT_EQ(errorOf("[" + deep + "]"), "f.json: JSON is nested deeper than the limit of 64");
  limits.maxValues = 3;
  EXPECT_EQ(errorOf("[1,2]", limits), "");
  EXPECT_EQ(errorOf("[1,2,3]", limits), "f.json: more JSON values than the limit of 3");
  limits.maxBytes = 4;
  EXPECT_EQ(errorOf("[1] ", limits), "");
  EXPECT_EQ(errorOf("[1]  ", limits), "f.json: 5 bytes of JSON, more than the limit of 4");
}

TEST(Json, FreesDeepAndWideTrees) {
  std::string wide = "[";
  for (int i = 0; i < 100'000; ++i) {
    wide += "[],";
  }
  EXPECT_EQ(errorOf(wide + "0]"), "");
}

TEST(FieldReader, NamesFileFieldExpectedAndActual) {
  Expected<Json> json =
      Json::parse(R"({"n":-1,"f":2.5,"s":"x","b":1,"z":null,"o":{"k":70000}})", "f.json");
  ASSERT_TRUE(json);
  auto first = [&](auto use) {
    FieldReader reader(*json, "f.json");
    use(reader);
    return reader.failed() ? reader.error()->message() : std::string();
  };
  EXPECT_EQ(first([](FieldReader &r) { r.natural("n", 1, 8); }),
            "f.json: field 'n' must be an integer from 1 to 8, found -1");
  EXPECT_EQ(first([](FieldReader &r) { r.natural("f", 1, 8); }),
            "f.json: field 'f' must be an integer from 1 to 8, found 2.5");
  EXPECT_EQ(first([](FieldReader &r) { r.natural("absent", 1); }),
            "f.json: field 'absent' is missing, expected an integer of at least 1");
  EXPECT_EQ(first([](FieldReader &r) { r.number("s", 0, 1); }),
            "f.json: field 's' must be a number from 0 to 1, found 'x'");
  EXPECT_EQ(first([](FieldReader &r) { r.boolean("b"); }),
            "f.json: field 'b' must be true or false, found 1");
  EXPECT_EQ(first([](FieldReader &r) { r.string("z"); }),
            "f.json: field 'z' is null, expected a string");
  EXPECT_EQ(first([](FieldReader &r) { r.object("s"); }),
            "f.json: field 's' must be an object, found 'x'");
  EXPECT_EQ(first([](FieldReader &r) { r.naturalOr("z", 5, 0, 9); }), "");
  EXPECT_EQ(first([&](FieldReader &r) {
              FieldReader inner(r.object("o"), r.file(), "o.");
              inner.natural("k", 0, 9);
              r.fail(*inner.error());
            }),
            "f.json: field 'o.k' must be an integer from 0 to 9, found 70000");
}

TEST(FieldReader, KeepsTheFirstFailure) {
  Expected<Json> json = Json::parse("{}", "f.json");
  FieldReader reader(*json, "f.json");
  EXPECT_EQ(reader.natural("first", 3), 3u);
  EXPECT_EQ(reader.number("second", 0, 1), 0);
  EXPECT_EQ(reader.error()->message(),
            "f.json: field 'first' is missing, expected an integer of at least 3");
}

TEST(FieldReader, RefusesWhatIsNoObject) {
  Expected<Json> json = Json::parse("[1]", "f.json");
  EXPECT_EQ(FieldReader(*json, "f.json").error()->message(),
            "f.json: expected an object, found an array of 1");
  EXPECT_EQ(FieldReader(*json, "f.json", "a.").error()->message(),
            "f.json: field 'a' must be an object, found an array of 1");
}

TEST(JsonQuote, IsReadBack) {
  std::string all = "\"\\/ \xc3\xa9";
  for (char c = 0; c < 0x20; ++c) {
    all += c;
  }
  EXPECT_EQ(jsonQuote("a\nb\"\x1f"), "\"a\\u000ab\\\"\\u001f\"");
  Expected<Json> json = Json::parse("[" + jsonQuote(all) + "]", "f.json");
  ASSERT_TRUE(json) << json.error().message();
  EXPECT_EQ(*(*json->array())[0].string(), all);
}

} // namespace
