//===- CheckpointTest.cpp - Model directories -----------------------------===//
//
// Single files, shards and indices, and every way in which they can contradict
// each other.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/Checkpoint.h"
#include "test/Checkpoint/CheckpointFiles.h"
#include "test/Support/TemporaryDirectory.h"

#include <filesystem>
#include <gtest/gtest.h>

using namespace dsv2;

namespace {

constexpr const char *single = "model.safetensors";
constexpr const char *indexFile = "model.safetensors.index.json";

std::string errorOf(const TemporaryDirectory &folder) {
  Expected<Checkpoint> checkpoint = Checkpoint::open(folder.path());
  return checkpoint ? "" : checkpoint.error().message();
}

#define EXPECT_ERROR(folder, part)                                                                 \
  EXPECT_NE(errorOf(folder).find(part), std::string::npos) << errorOf(folder)

void writeConfig(const TemporaryDirectory &folder) {
  folder.write("config.json", R"({"model_type":"deepseek_v2","eos_token_id":1})");
}

void writeSharded(const TemporaryDirectory &folder, std::string_view weightMap) {
  writeConfig(folder);
  folder.write("m-1.safetensors", shardOf({"a", "b"}));
  folder.write("m-2.safetensors", shardOf({"c"}));
  folder.write(indexFile, concat(R"({"metadata":{"total_size":3},"weight_map":)", weightMap, "}"));
}

constexpr std::string_view goodMap =
    R"({"a":"m-1.safetensors","b":"m-1.safetensors","c":"m-2.safetensors"})";

TEST(Checkpoint, OpensASingleFile) {
  TemporaryDirectory folder;
  writeConfig(folder);
  folder.write(single, shardOf({"b", "a"}));
  folder.write("golden.safetensors", shardOf({"a"}));
  Expected<Checkpoint> checkpoint = Checkpoint::open(folder.path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  EXPECT_EQ(checkpoint->modelType(), "deepseek_v2");
  ASSERT_EQ(checkpoint->tensors().size(), 2u);
  EXPECT_EQ(checkpoint->tensors()[0].name(), "a");
  char byte = 0;
  EXPECT_FALSE(checkpoint->read(*checkpoint->find("b"), 0, 1, &byte));
  EXPECT_EQ(byte, 'x');
  EXPECT_EQ(checkpoint->fileOf(*checkpoint->find("b")), folder / single);
  EXPECT_EQ(checkpoint->find("c"), nullptr);
}

TEST(Checkpoint, OpensShardsAndMovesSafely) {
  TemporaryDirectory folder;
  writeSharded(folder, goodMap);
  Expected<Checkpoint> opened = Checkpoint::open(folder.path());
  ASSERT_TRUE(opened) << opened.error().message();
  Checkpoint checkpoint = std::move(*opened);
  EXPECT_EQ(checkpoint.tensors().size(), 3u);
  EXPECT_EQ(checkpoint.find("c")->shard, 1u);
  char byte = 0;
  EXPECT_FALSE(checkpoint.read(*checkpoint.find("c"), 0, 1, &byte));
  ASSERT_EQ(checkpoint.sources().size(), 2u);
  EXPECT_EQ(checkpoint.sources()[1].name, "m-2.safetensors");
  EXPECT_EQ(checkpoint.sources()[1].size, std::filesystem::file_size(folder / "m-2.safetensors"));
  EXPECT_NE(checkpoint.sources()[0].headerHash, checkpoint.sources()[1].headerHash);
}

TEST(Checkpoint, TakesOtherNamesWithoutAnIndex) {
  TemporaryDirectory folder;
  writeConfig(folder);
  folder.write("x-1.safetensors", shardOf({"a"}));
  folder.write("x-2.safetensors", shardOf({"b"}));
  folder.write("golden.safetensors", shardOf({"a"}));
  EXPECT_EQ(errorOf(folder), "");
  folder.write("x-3.safetensors", shardOf({"a"}));
  EXPECT_ERROR(folder, "tensor 'a' is in two files, 'x-1.safetensors' and 'x-3.safetensors'");
}

TEST(Checkpoint, FollowsTheLinksOfACache) {
  TemporaryDirectory folder;
  folder.write("blobs/c0", R"({"model_type":"deepseek_v2"})");
  folder.write("blobs/w0", shardOf({"a"}));
  std::filesystem::create_directories(folder / "snapshots/rev");
  std::filesystem::create_symlink("../../blobs/c0", folder / "snapshots/rev/config.json");
  std::filesystem::create_symlink("../../blobs/w0", folder / "snapshots/rev/model.safetensors");
  Expected<Checkpoint> checkpoint = Checkpoint::open(folder / "snapshots/rev");
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  EXPECT_TRUE(checkpoint->find("a"));
}

TEST(Checkpoint, RefusesADirectoryThatIsNone) {
  TemporaryDirectory folder;
  EXPECT_NE(Checkpoint::open(folder / "absent").error().message().find("does not exist"),
            std::string::npos);
  EXPECT_NE(Checkpoint::open(folder.write("file", "")).error().message().find("is not a directory"),
            std::string::npos);
  EXPECT_ERROR(folder, "/config.json': No such file");
  folder.write("config.json", "[]");
  EXPECT_ERROR(folder, "config.json: expected an object, found an array");
  folder.write("config.json", "{");
  EXPECT_ERROR(folder, "config.json: invalid JSON");
  writeConfig(folder);
  EXPECT_ERROR(folder, "holds no weights, expected model.safetensors");
  folder.write("golden.safetensors", shardOf({"a"}));
  EXPECT_ERROR(folder, "holds no weights");
}

TEST(Checkpoint, RefusesContradictionsOfTheIndex) {
  struct Case {
    std::string_view map;
    std::string_view message;
  };
  for (const Case &one : std::initializer_list<Case>{
           {R"({"a":"m-1.safetensors","b":"m-1.safetensors"})", ""}, // a shard is unused: fine
           {R"({"a":"m-1.safetensors","c":"m-2.safetensors"})",
            "weight_map lacks tensor 'b', which 'm-1.safetensors' holds"},
           {R"({"a":"m-1.safetensors","b":"m-2.safetensors","c":"m-2.safetensors"})",
            "places tensor 'b' in 'm-2.safetensors', which does not hold it; 'm-1.safetensors' "
            "does"},
           {R"({"a":"m-1.safetensors","b":"m-1.safetensors","d":"m-1.safetensors"})",
            "places tensor 'd' in 'm-1.safetensors', which does not hold it"},
           {R"({"a":"m-1.safetensors","b":"m-1.safetensors","c":"m-3.safetensors"})",
            "names the shard 'm-3.safetensors', which does not exist"},
           {R"({"a":"../m-1.safetensors"})", "file name '../m-1.safetensors' has an empty"},
           {R"({"a":"/m-1.safetensors"})", "file name '/m-1.safetensors' is absolute"},
           {R"({"a":"x\u0000.safetensors"})", "holds a NUL character"},
           {R"({"a":"m-1.bin"})", "must be the name of a .safetensors file, found 'm-1.bin'"},
           {R"({"a":1})", "must be the name of a .safetensors file, found 1"},
           {R"({"a":"m-1.safetensors","a":"m-1.safetensors"})", "duplicate key 'a'"},
           {R"([])", "field 'weight_map' must be an object"},
           {R"(null)", "field 'weight_map' is null"},
       }) {
    TemporaryDirectory folder;
    writeSharded(folder, one.map);
    if (one.message.empty()) {
      EXPECT_EQ(errorOf(folder), "");
    } else {
      EXPECT_ERROR(folder, one.message);
    }
  }
}

TEST(Checkpoint, RefusesTheSameTensorInTwoShards) {
  TemporaryDirectory folder;
  writeSharded(folder, goodMap);
  folder.write("m-2.safetensors", shardOf({"c", "a"}));
  EXPECT_ERROR(folder, "tensor 'a' is in two files, 'm-1.safetensors' and 'm-2.safetensors'");
}

TEST(Checkpoint, LinksToOneLargeHeaderTakeNoUnboundedMemory) {
  TemporaryDirectory folder;
  writeConfig(folder);
  std::string header = "{\"__metadata__\":{\"a\":\"" + std::string(61'000'000, 'x') + "\"}}";
  std::string big = folder.write("big", safetensorsBytes(header, ""));
  for (int i = 0; i < 1000; ++i) {
    std::filesystem::create_symlink(big, folder / ("m" + std::to_string(i) + ".safetensors"));
  }
  Expected<Checkpoint> checkpoint = Checkpoint::open(folder.path());
  ASSERT_FALSE(checkpoint);
  EXPECT_EQ(checkpoint.error().kind(), ErrorKind::Limit);
  EXPECT_NE(checkpoint.error().message().find("bytes of headers"), std::string::npos)
      << checkpoint.error().message();
}

TEST(Checkpoint, RefusesASingleFileBesideAnIndexOfOthers) {
  TemporaryDirectory folder;
  writeSharded(folder, goodMap);
  folder.write(single, shardOf({"a"}));
  EXPECT_ERROR(folder, "holds both model.safetensors and model.safetensors.index.json");
  folder.write(indexFile, R"({"weight_map":{"a":"model.safetensors"}})");
  EXPECT_EQ(errorOf(folder), "");
}

TEST(Checkpoint, RefusesABadShardByName) {
  TemporaryDirectory folder;
  writeSharded(folder, goodMap);
  std::string bytes = shardOf({"c"});
  folder.write("m-2.safetensors", bytes.substr(0, bytes.size() - 1));
  // Without any data it is a header for planning, until data are required.
  EXPECT_EQ(errorOf(folder), "");
  EXPECT_NE(Checkpoint::open(folder.path(), WeightData::Required)
                .error()
                .message()
                .find("m-2.safetensors: truncated"),
            std::string::npos);
  folder.write("m-2.safetensors", bytes + "x");
  EXPECT_ERROR(folder, "m-2.safetensors: has a rest");
  std::filesystem::remove(folder / "m-2.safetensors");
  std::filesystem::create_directory(folder / "m-2.safetensors");
  EXPECT_ERROR(folder, "expected a regular file, found a directory");
}

TEST(Checkpoint, ReadsTheIdsThatEndAText) {
  TemporaryDirectory folder;
  folder.write(single, shardOf({"a"}));
  auto ids = [&](std::string_view config, std::string_view generation) {
    folder.write("config.json", config);
    if (!generation.empty()) {
      folder.write("generation_config.json", generation);
    }
    Expected<Checkpoint> checkpoint = Checkpoint::open(folder.path());
    return checkpoint ? checkpoint->eosTokenIds() : std::vector<int64_t>{-1};
  };
  EXPECT_EQ(ids("{}", ""), std::vector<int64_t>{});
  EXPECT_EQ(ids(R"({"eos_token_id":7})", ""), std::vector<int64_t>{7});
  EXPECT_EQ(ids(R"({"eos_token_id":7})", R"({"eos_token_id":[8,9],"bos_token_id":3})"),
            (std::vector<int64_t>{8, 9}));
  EXPECT_EQ(ids(R"({"eos_token_id":7})", R"({"eos_token_id":null})"), std::vector<int64_t>{7});
  EXPECT_EQ(ids("{}", R"({"eos_token_id":"x"})"), std::vector<int64_t>{-1});
  EXPECT_ERROR(folder, "generation_config.json: field 'eos_token_id' must be a token id");
  EXPECT_EQ(ids("{}", R"({"eos_token_id":[1,-2]})"), std::vector<int64_t>{-1});
  EXPECT_EQ(ids("{}", "[]"), std::vector<int64_t>{-1});
}

} // namespace
