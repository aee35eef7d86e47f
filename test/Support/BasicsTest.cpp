//===- BasicsTest.cpp - Errors, checked sizes, bf16, hashes, UTF-8 --------===//
//
// The small parts that every plain room leans on.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/BFloat16.h"
#include "lib/Support/CheckedMath.h"
#include "lib/Support/Error.h"
#include "lib/Support/Sha256.h"
#include "lib/Support/Utf8.h"

#include <clocale>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <memory>
#include <vector>

using namespace dsv2;

namespace {

TEST(Error, JoinsPartsAndContext) {
  Error error(ErrorKind::Limit, "field '", std::string("a"), "' is ", uint64_t(7), ", ", -3, ", ",
              true, ", ", 0.25);
  EXPECT_EQ(error.message(), "field 'a' is 7, -3, true, 0.25");
  Error outer = error.within("file");
  EXPECT_EQ(outer.message(), "file: field 'a' is 7, -3, true, 0.25");
  EXPECT_EQ(outer.kind(), ErrorKind::Limit);
  EXPECT_EQ(errorKindName(outer.kind()), "limit");
}

TEST(Error, NumbersDoNotDependOnTheLocale) {
  // Without the locale installed this is no test, but no failure either.
  std::setlocale(LC_ALL, "de_DE.UTF-8");
  EXPECT_EQ(concat(1.5, " ", 1234567), "1.5 1234567");
  std::setlocale(LC_ALL, "C");
}

TEST(Error, WritesNumbersAsConfigsDo) {
  EXPECT_EQ(concat(500000.0, " ", 1e-6, " ", 0.707, " ", -2.0, " ", 1e20, " ", 0.0),
            "500000 1e-06 0.707 -2 1e+20 0");
}

TEST(Error, QuotesHostileText) {
  EXPECT_EQ(quote("a\nb\x1b[31m\x7f"), "'a\\x0ab\\x1b[31m\\x7f'");
  EXPECT_EQ(quote("\xff\xc3\xa9\xed\xa0\x80"), "'\\xff\xc3\xa9\\xed\\xa0\\x80'");
  EXPECT_EQ(quote("abcdef", 3), "'abc'...");
  EXPECT_EQ(quote("a\xc3\xa9", 2), "'a'..."); // no half character
}

TEST(Expected, HoldsMoveOnlyValues) {
  auto make = [](bool good) -> Expected<std::unique_ptr<int>> {
    if (!good) {
      return Error(ErrorKind::Io, "no");
    }
    return std::make_unique<int>(3);
  };
  Expected<std::unique_ptr<int>> value = make(true);
  ASSERT_TRUE(value);
  EXPECT_EQ(**value, 3);
  std::unique_ptr<int> taken = std::move(*value);
  EXPECT_EQ(*taken, 3);
  Expected<std::unique_ptr<int>> bad = make(false);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.takeError().message(), "no");
}

TEST(CheckedMath, StopsAtTheEdge) {
  constexpr uint64_t max = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(checkedAdd(max - 1, 1), max);
  EXPECT_EQ(checkedAdd(max, 1), std::nullopt);
  EXPECT_EQ(checkedMul(uint64_t(1) << 32, (uint64_t(1) << 32) - 1), max - 0xffffffffu);
  EXPECT_EQ(checkedMul(uint64_t(1) << 32, uint64_t(1) << 32), std::nullopt);
  EXPECT_EQ(checkedProduct(std::vector<uint64_t>{}), 1u);
  EXPECT_EQ(checkedProduct(std::vector<uint64_t>{3, 0, 5}), 0u);
  // A zero hides no overflow, wherever it stands.
  EXPECT_EQ(checkedProduct(std::vector<uint64_t>{0, max, 2}), std::nullopt);
  EXPECT_EQ(checkedProduct(std::vector<uint64_t>{max, 2, 0}), std::nullopt);
  EXPECT_EQ(checkedAlign(1, 64), 64u);
  EXPECT_EQ(checkedAlign(64, 64), 64u);
  EXPECT_EQ(checkedAlign(max - 5, 64), std::nullopt);
}

TEST(BFloat16, RoundsToNearestEven) {
  EXPECT_EQ(floatToBFloat16(1.0f), 0x3f80);
  EXPECT_EQ(floatToBFloat16(-0.0f), 0x8000);
  EXPECT_EQ(floatToBFloat16(1.0f + 0x1p-8f), 0x3f80);            // a tie, down to even
  EXPECT_EQ(floatToBFloat16(1.0f + 0x1p-7f + 0x1p-8f), 0x3f82);  // a tie, up to even
  EXPECT_EQ(floatToBFloat16(1.0f + 0x1p-8f + 0x1p-20f), 0x3f81); // above a tie
  EXPECT_EQ(floatToBFloat16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(floatToBFloat16(std::numeric_limits<float>::infinity()), 0x7f80);
  EXPECT_EQ(floatToBFloat16(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(floatToBFloat16(0x1p-133f), 1); // the smallest denormal stays
}

TEST(BFloat16, KeepsNaNsQuiet) {
  uint32_t bits = 0x7f800001u; // a signalling NaN whose payload rounding would lose
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  EXPECT_EQ(floatToBFloat16(value), 0x7fc0);
  bits = 0xffffffffu;
  std::memcpy(&value, &bits, sizeof(value));
  EXPECT_EQ(floatToBFloat16(value), 0xffff);
}

TEST(BFloat16, EveryValueSurvivesTheWayToFloatAndBack) {
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    float value = bfloat16ToFloat(static_cast<uint16_t>(bits));
    unsigned back = floatToBFloat16(value);
    EXPECT_EQ(back, std::isnan(value) ? (bits | 0x40u) : bits);
  }
}

TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(toHex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb924"
                               "27ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(toHex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223"
                                  "b00361a396177a9cb410ff61f20015ad");
  Sha256 stream;
  std::string million(1'000'000, 'a');
  for (size_t at = 0; at < million.size(); at += 999) {
    stream.update(std::string_view(million).substr(at, 999));
  }
  EXPECT_EQ(toHex(stream.finish()), "cdc76e5c9914fb9281a1c7e284d73e67"
                                    "f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(stream.update("abc").finish(), sha256("abc")); // starts over
}

TEST(Sha256, FieldsDoNotRunTogether) {
  EXPECT_NE(Sha256().updateField("ab").updateField("c").finish(),
            Sha256().updateField("a").updateField("bc").finish());
}

TEST(Utf8, FollowsTheStandardsTable) {
  for (const char *good : {"a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    std::string text = good;
    EXPECT_EQ(utf8Length(text, 0), text.size());
    std::string back;
    appendUtf8(back, decodeUtf8(text, 0, text.size()));
    EXPECT_EQ(back, text);
  }
  for (const char *bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_EQ(utf8Length(bad, 0), 0u);
    EXPECT_EQ(findInvalidUtf8(concat("ab", bad)), 2u);
  }
  EXPECT_EQ(findInvalidUtf8("gr\xc3\xbc\xc3\x9f"), std::string_view::npos);
}

TEST(Utf8, TellsCutFromBroken) {
  EXPECT_EQ(utf8CutLength("\xf0\x9f\x98", 0), 3u);
  EXPECT_EQ(utf8CutLength("\xf0\x9f\x98\x80", 0), 0u);
  EXPECT_EQ(utf8CutLength("\xf0\x9f"
                          "a",
                          0),
            0u);
  EXPECT_EQ(utf8InvalidLength("\xf0\x9f"
                              "a",
                              0),
            2u);
  EXPECT_EQ(utf8InvalidLength("\xff", 0), 1u);
}

} // namespace
