//===- SafetensorsTest.cpp - One safetensors file, read and written -------===//
//
// A named corpus of bad files, each with the words of its error, limits at the
// edge, and the writer read back.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/Safetensors.h"
#include "test/Checkpoint/CheckpointFiles.h"
#include "test/Support/TemporaryDirectory.h"

#include <gtest/gtest.h>
#include <unistd.h>

using namespace dsv2;

namespace {

TEST(Safetensors, FindsAndReadsTensors) {
  TemporaryDirectory folder;
  std::string path = folder.write(
      "a.safetensors",
      safetensorsBytes(R"({"__metadata__":{"format":"pt"},)"
                       R"("b":{"dtype":"U8","shape":[2,2],"data_offsets":[4,8]},)"
                       R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                       R"("empty":{"dtype":"I64","shape":[3,0],"data_offsets":[8,8]}})",
                       "abcdefgh"));
  Expected<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(file->metadata().at("format"), "pt");
  ASSERT_EQ(file->tensors().size(), 3u);
  const TensorInfo *tensor = file->find("b");
  ASSERT_TRUE(tensor);
  EXPECT_EQ(describeTensor(tensor->dtype, tensor->shape), "U8 [2, 2]");
  EXPECT_EQ(tensor->elements(), 4u);
  char buffer[4] = {};
  EXPECT_FALSE(file->read(*tensor, 1, 2, buffer));
  EXPECT_EQ(std::string_view(buffer, 2), "fg");
  EXPECT_EQ(file->find("empty")->elements(), 0u);
  EXPECT_FALSE(file->read(*file->find("empty"), 0, 0, buffer));
  EXPECT_EQ(file->find("c"), nullptr);
  EXPECT_EQ(file->find(""), nullptr);
  std::optional<Error> error = file->read(*tensor, 3, 2, buffer);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::Usage);
  EXPECT_TRUE(file->read(*tensor, UINT64_MAX, 2, buffer));
}

TEST(Safetensors, HeaderOnlyFilesOpenOnRequest) {
  TemporaryDirectory folder;
  std::string header = R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  std::string path = folder.write("a", safetensorsBytes(header, ""));
  EXPECT_FALSE(SafetensorsFile::open(path));
  Expected<SafetensorsFile> file =
      SafetensorsFile::open(std::move(*File::open(path)), /*allowHeaderOnly=*/true);
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_FALSE(file->hasData());
  char buffer[4];
  EXPECT_NE(file->read(*file->find("a"), 0, 4, buffer)->message().find("header only"),
            std::string::npos);
  // A part of the data is a truncated file all the same.
  path = folder.write("b", safetensorsBytes(header, "abc"));
  EXPECT_FALSE(SafetensorsFile::open(std::move(*File::open(path)), true));
}

TEST(Safetensors, AFileThatShrinksLaterIsAnError) {
  TemporaryDirectory folder;
  std::string header = R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  std::string path = folder.write("a", safetensorsBytes(header, "abcd"));
  Expected<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_TRUE(file);
  ASSERT_EQ(::truncate(path.c_str(), static_cast<off_t>(8 + header.size() + 2)), 0);
  char buffer[4];
  std::optional<Error> error = file->read(*file->find("a"), 0, 4, buffer);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->message().find("tensor 'a': "), 0u);
  EXPECT_EQ(error->kind(), ErrorKind::InvalidFile);
}

struct BadHeader {
  const char *name;
  const char *header;
  const char *data;
  const char *message; // a part of it
};

class SafetensorsRefuses : public ::testing::TestWithParam<BadHeader> {};

TEST_P(SafetensorsRefuses, BadFile) {
  TemporaryDirectory folder;
  std::string path =
      folder.write("bad.safetensors", safetensorsBytes(GetParam().header, GetParam().data));
  Expected<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message().find("bad.safetensors"), std::string::npos);
  EXPECT_NE(file.error().message().find(GetParam().message), std::string::npos)
      << file.error().message();
}

const BadHeader badHeaders[] = {
    {"Overlap",
     R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
     "abcdef", "tensor 'b' begins at 2 and overlaps another, which ends at 4"},
    {"SameRange",
     R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
     "abcd", "overlaps another"},
    {"Hole",
     R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}})",
     "abcde", "tensor 'b' begins at 3 after a hole, the data before it ends at 2"},
    {"HoleAtTheFront", R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", "abc",
     "begins at 1 after a hole"},
    {"Rest", R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "abc",
     "has a rest that no tensor names, tensors need 2 bytes of data, found 3"},
    {"Truncated", R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "abc",
     "truncated, tensors need 4 bytes of data, found 3"},
    {"NoTensorsButData", "{}", "a", "has a rest"},
    {"DuplicateTensor",
     R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
     "ab", "duplicate key 'a'"},
    {"DuplicateField", R"({"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", "a",
     "duplicate key 'dtype'"},
    {"DuplicateMetadata", R"({"__metadata__":{"a":"1","a":"2"}})", "", "duplicate key 'a'"},
    {"ProductWraps", R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
     "", "has a size past 64 bits: U8 [4294967296, 4294967296]"},
    {"BytesWrap", R"({"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})", "",
     "has a size past 64 bits"},
    {"BitsWrap", R"({"a":{"dtype":"U8","shape":[2305843009213693952],"data_offsets":[0,0]}})", "",
     "has a size past 64 bits"},
    {"WrapHiddenByZero",
     R"({"a":{"dtype":"U8","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}})", "",
     "has a size past 64 bits"},
    {"WrongSize", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "abcd",
     "tensor 'a' has 4 bytes in data_offsets, F32 [2] needs 8"},
    {"HalfBytes", R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", "a",
     "needs 1 and a part of one"},
    {"OffsetsBackwards", R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[2,1]}})", "ab",
     "tensor 'a' has data_offsets [2, 1], expected begin <= end"},
    {"OffsetsNearTheEnd",
     R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615]}})",
     "a", "after a hole"},
    {"OneOffset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", "a",
     "tensor 'a' has 1 data_offsets, expected [begin, end]"},
    {"ThreeOffsets", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", "a",
     "more than two data_offsets"},
    {"NegativeOffset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}})", "a",
     "two whole numbers as data_offsets, found -1"},
    {"FractionalOffset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1.0]}})", "a",
     "two whole numbers as data_offsets, found 1"},
    {"HugeOffset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,18446744073709551616]}})",
     "a", "two whole numbers"},
    {"NegativeSize", R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", "a",
     "whole numbers as shape, found -1"},
    {"NestedShape", R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", "a", "deeper"},
    {"ShapeNoArray", R"({"a":{"dtype":"U8","shape":1,"data_offsets":[0,1]}})", "a",
     "array of whole numbers as shape, found 1"},
    {"RankNine", R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", "a",
     "has a rank above the limit of 8"},
    {"UnknownDtype", R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", "abcd",
     "tensor 'a' has the unknown dtype 'F31'"},
    {"DtypeInLowerCase", R"({"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}})", "abcd",
     "unknown dtype 'f32'"},
    {"DtypeNoString", R"({"a":{"dtype":32,"shape":[1],"data_offsets":[0,4]}})", "abcd",
     "must have a string as dtype, found 32"},
    {"NoDtype", R"({"a":{"shape":[1],"data_offsets":[0,1]}})", "a", "lacks dtype"},
    {"NoShape", R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", "a", "lacks shape"},
    {"NoOffsets", R"({"a":{"dtype":"U8","shape":[1]}})", "a", "lacks data_offsets"},
    {"UnknownField", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})", "a",
     "has the unknown field 'x'"},
    {"TensorNoObject", R"({"a":[1]})", "", "field 'a' must be an object, found an array"},
    {"TensorNull", R"({"a":null})", "", "field 'a' must be an object, found null"},
    {"EmptyName", R"({"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "a",
     "tensor name '' of 0 bytes"},
    {"MetadataNoObject", R"({"__metadata__":"x"})", "",
     "field '__metadata__' must be an object, found 'x'"},
    {"MetadataNumber", R"({"__metadata__":{"a":1}})", "",
     "__metadata__ field 'a' must be a string, found 1"},
    {"MetadataNested", R"({"__metadata__":{"a":{"b":"c"}}})", "",
     "__metadata__ field 'a' must be a string, found an object"},
    {"Array", R"([])", "", "must begin with '{', found '['"},
    {"SpaceFirst", R"( {})", "", "must begin with '{', found ' '"},
    {"EmptyHeader", "", "", "must begin with '{', found nothing"},
    {"TwoObjects", R"({}{})", "", "invalid JSON"},
    {"NotJson", R"({"a")", "", "invalid JSON"},
    {"InvalidUtf8", "{\"\xff\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", "a",
     "invalid JSON"},
};
INSTANTIATE_TEST_SUITE_P(Corpus, SafetensorsRefuses, ::testing::ValuesIn(badHeaders),
                         [](const auto &info) { return info.param.name; });

std::string openError(const TemporaryDirectory &folder, std::string_view bytes) {
  Expected<SafetensorsFile> file = SafetensorsFile::open(folder.write("bad", bytes));
  return file ? "" : file.error().message();
}

TEST(Safetensors, RefusesBadLengths) {
  TemporaryDirectory folder;
  auto withLength = [](uint64_t length, std::string_view rest) {
    std::string bytes(8, '\0');
    for (unsigned i = 0; i < 8; ++i) {
      bytes[i] = static_cast<char>(length >> (8 * i));
    }
    return bytes.append(rest);
  };
  EXPECT_NE(openError(folder, "").find("expected at least 8 bytes, found 0"), std::string::npos);
  EXPECT_NE(openError(folder, "1234567").find("found 7"), std::string::npos);
  EXPECT_NE(openError(folder, withLength(3, "{}")).find("header length is 3 but 2"),
            std::string::npos);
  EXPECT_NE(openError(folder, withLength(100'000'001, "{}")).find("the limit of 100000000"),
            std::string::npos);
  EXPECT_NE(openError(folder, withLength(100'000'000, "{}")).find("truncated"), std::string::npos);
  for (uint64_t length : {UINT64_MAX, UINT64_MAX - 7, uint64_t(1) << 63}) {
    EXPECT_NE(openError(folder, withLength(length, "{}")).find("is more than the limit"),
              std::string::npos);
  }
  EXPECT_EQ(openError(folder, withLength(2, "{}")), "");
}

TEST(Safetensors, EveryTruncationIsRefused) {
  TemporaryDirectory folder;
  std::string bytes =
      safetensorsBytes(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "abcd");
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(openError(folder, std::string_view(bytes).substr(0, size)), "") << size;
  }
  EXPECT_EQ(openError(folder, bytes), "");
}

TEST(Safetensors, RankEightAndLongNamesAreTheEdge) {
  TemporaryDirectory folder;
  auto named = [](size_t length) {
    return safetensorsBytes(
        concat("{\"", std::string(length, 'n'),
               R"(":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})"),
        "x");
  };
  EXPECT_EQ(openError(folder, named(SafetensorsLimits::nameBytes)), "");
  EXPECT_NE(openError(folder, named(SafetensorsLimits::nameBytes + 1)), "");
}

TEST(Safetensors, MetadataHasALimit) {
  for (uint64_t count :
       {SafetensorsLimits::metadataEntries, SafetensorsLimits::metadataEntries + 1}) {
    std::string header = "{\"__metadata__\":{";
    for (uint64_t i = 0; i < count; ++i) {
      header += concat(i == 0 ? "" : ",", "\"", i, "\":\"\"");
    }
    header += "}}";
    Expected<std::vector<TensorInfo>> tensors =
        parseSafetensorsHeader(header, "f", 8 + header.size(), false, nullptr);
    EXPECT_EQ(bool(tensors), count == SafetensorsLimits::metadataEntries);
    EXPECT_TRUE(tensors || tensors.error().kind() == ErrorKind::Limit);
  }
}

TEST(Safetensors, KnowsEveryDtype) {
  for (const char *name :
       {"BOOL",        "U8",          "I8",      "U16",     "I16",     "U32", "I32",     "U64",
        "I64",         "F16",         "BF16",    "F32",     "F64",     "C64", "F8_E4M3", "F8_E5M2",
        "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E8M0", "F6_E2M3", "F6_E3M2", "F4"}) {
    std::optional<DType> type = dtypeFromName(name);
    ASSERT_TRUE(type) << name;
    EXPECT_EQ(dtypeName(*type), name);
  }
  EXPECT_EQ(dtypeBits(DType::BF16), 16u);
  EXPECT_EQ(dtypeBits(DType::F6E3M2), 6u);
  EXPECT_EQ(dtypeBits(DType::F4), 4u);
}

TEST(SafetensorsWriter, WritesWhatTheReaderReads) {
  TemporaryDirectory folder;
  float logits[] = {1.5f, -2, 0, 4, 5, 6};
  int64_t tokens[] = {1, -1};
  uint16_t half[] = {0x3f80};
  std::map<std::string, std::string> metadata = {{"by", "a \"test\"\n\\"}};
  std::vector<TensorToWrite> tensors = {{"logits", DType::F32, {2, 3}, logits},
                                        {"half", DType::BF16, {}, half},
                                        {"tokens", DType::I64, {2}, tokens},
                                        {"none", DType::I32, {0, 5}, nullptr}};
  ASSERT_FALSE(writeSafetensors(folder / "a", tensors, metadata));
  Expected<SafetensorsFile> file = SafetensorsFile::open(folder / "a");
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(file->metadata(), metadata);
  ASSERT_EQ(file->tensors().size(), 4u);
  float back[6];
  ASSERT_FALSE(file->read(*file->find("logits"), 0, sizeof(back), back));
  EXPECT_TRUE(std::equal(back, back + 6, logits));
  EXPECT_EQ(file->find("tokens")->offset % 8, 0u);
  EXPECT_EQ(file->find("logits")->offset % 4, 0u);

  std::reverse(tensors.begin(), tensors.end());
  ASSERT_FALSE(writeSafetensors(folder / "b", tensors, metadata));
  EXPECT_EQ(*readFile(folder / "a", 1000), *readFile(folder / "b", 1000));
}

TEST(SafetensorsWriter, RefusesWhatTheFormatCannotHold) {
  TemporaryDirectory folder;
  std::string path = folder.write("out", "old");
  uint8_t byte = 0;
  auto refused = [&](std::vector<TensorToWrite> tensors) {
    std::optional<Error> error = writeSafetensors(path, tensors);
    return error && error->kind() == ErrorKind::Usage;
  };
  EXPECT_TRUE(refused({{"", DType::U8, {1}, &byte}}));
  EXPECT_TRUE(refused({{"__metadata__", DType::U8, {1}, &byte}}));
  EXPECT_TRUE(refused({{"\xff", DType::U8, {1}, &byte}}));
  EXPECT_TRUE(refused({{"a", DType::U8, {1}, &byte}, {"a", DType::I8, {1}, &byte}}));
  EXPECT_TRUE(refused({{"a", DType::U8, {UINT64_MAX, 2}, &byte}}));
  EXPECT_TRUE(refused({{"a", DType::U8, std::vector<uint64_t>(9, 1), &byte}}));
  EXPECT_EQ(*readFile(path, 100), "old");
  EXPECT_FALSE(writeSafetensors(path, {}));
  EXPECT_TRUE(SafetensorsFile::open(path));
}

} // namespace
