//===- ArtifactTest.cpp - Round trips and damaged bytes -------------------===//
//
// A small artifact comes back as it was, is the same bytes every time, and is refused with a typed
// error however its bytes are cut or flipped; re-sealed damage may pass or fail, but never crash.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/Artifact.h"

#include "SampleProgram.h"
#include "lib/Artifact/Container.h"
#include "lib/Artifact/Metadata.h"
#include "lib/Artifact/Trust.h"
#include "lib/Artifact/schema/Program_generated.h"

#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <sys/stat.h>
#include <unistd.h>

namespace dsv2 {
namespace {

std::vector<uint8_t> sampleBytes() {
  Expected<std::vector<uint8_t>> bytes = serializeArtifact(sampleProgram());
  EXPECT_TRUE(bool(bytes)) << (bytes ? "" : bytes.error().message());
  return *bytes;
}

bool accepts(const std::vector<uint8_t> &bytes) {
  // A copy of the exact size lets AddressSanitizer see reads past the end.
  std::vector<uint8_t> exact(bytes);
  Expected<Artifact> artifact = parseArtifact(exact.data(), exact.size(), "sample");
  if (!artifact) {
    EXPECT_EQ(artifact.error().message().rfind("sample: ", 0), 0u) << artifact.error().message();
    EXPECT_NE(artifact.error().kind(), ErrorKind::Internal);
  }
  return bool(artifact);
}

/// Recomputes all hashes, as an attacker would.
void reseal(std::vector<uint8_t> &bytes) {
  uint32_t count = 0;
  std::memcpy(&count, bytes.data() + 12, 4);
  for (uint64_t i = 0; i < count && kHeaderBytes + (i + 1) * 64 <= bytes.size(); ++i) {
    uint8_t *entry = bytes.data() + kHeaderBytes + i * 64;
    uint64_t offset = 0, size = 0;
    std::memcpy(&offset, entry + 8, 8);
    std::memcpy(&size, entry + 16, 8);
    if (offset <= bytes.size() && size <= bytes.size() - offset) {
      Sha256Digest hash = sha256(bytes.data() + offset, size);
      std::memcpy(entry + 32, hash.data(), 32);
    }
  }
  uint64_t table = std::min<uint64_t>(uint64_t(count) * 64, bytes.size() - kHeaderBytes);
  Sha256 seal;
  seal.update(bytes.data(), kHeaderHashOffset);
  seal.update(bytes.data() + kHeaderBytes, table);
  Sha256Digest hash = seal.finish();
  std::memcpy(bytes.data() + kHeaderHashOffset, hash.data(), 32);
}

std::string temporaryDirectory() {
  char pattern[] = "/tmp/dsv2-artifact-XXXXXX";
  return mkdtemp(pattern);
}

TEST(Artifact, RoundTripGivesTheSameBytes) {
  std::vector<uint8_t> bytes = sampleBytes();
  Expected<Artifact> artifact = parseArtifact(bytes.data(), bytes.size(), "sample");
  ASSERT_TRUE(bool(artifact)) << artifact.error().message();
  EXPECT_EQ(artifact->hash, artifactHash(bytes));
  EXPECT_EQ(artifact->fileBytes, bytes.size());
  const Variant &variant = artifact->program.variants[1];
  EXPECT_EQ(variant.name, "x86-64-v3-other");
  EXPECT_EQ(variant.weights[1].copies[1].dstOffset, 24);
  EXPECT_EQ(variant.entries[0].steps[1].body[0].args[3].layerOffset, -1);
  EXPECT_EQ(variant.image.bytes, sampleProgram().variants[0].image.bytes);
  ASSERT_EQ(variant.kernels[0].tensorMaps.size(), 2u);
  EXPECT_EQ(variant.kernels[0].tensorMaps[0].rowsSlot, 3);
  EXPECT_EQ(variant.kernels[0].tensorMaps[1].rowsSlot, -1);
  EXPECT_EQ(variant.kernels[0].tensorMaps[1].rowBytes, 32);
  EXPECT_EQ(variant.kernels[0].tensorMaps[1].boxRows, 256u);
  EXPECT_TRUE(variant.kernels[1].tensorMaps.empty());
  Expected<std::vector<uint8_t>> again = serializeArtifact(artifact->program);
  ASSERT_TRUE(bool(again));
  EXPECT_EQ(*again, bytes);
}

TEST(Artifact, EqualImagesAreStoredOnce) {
  std::vector<uint8_t> shared = sampleBytes();
  Program program = sampleProgram();
  program.variants[1].image.bytes[5] ^= 1;
  Expected<std::vector<uint8_t>> apart = serializeArtifact(program);
  ASSERT_TRUE(bool(apart));
  EXPECT_GE(apart->size(), shared.size() + 8192);
}

/// Variants for several architectures: what is equal is there once, and what is not is not shared.
TEST(Artifact, FurtherVariantsOfOneImageCostTheirMetadataOnly) {
  Program program = sampleProgram();
  program.variants[1].image.bytes[5] ^= 1;
  auto sizes = [&] {
    Expected<std::vector<uint8_t>> bytes = serializeArtifact(program);
    EXPECT_TRUE(bool(bytes)) << bytes.error().message();
    Expected<Artifact> artifact = parseArtifact(bytes->data(), bytes->size(), "sample");
    EXPECT_TRUE(bool(artifact)) << artifact.error().message();
    for (size_t i = 0; i < program.variants.size(); ++i) {
      EXPECT_EQ(artifact->program.variants[i].image.bytes, program.variants[i].image.bytes);
    }
    std::vector<uint32_t> images(program.variants.size());
    return std::pair(bytes->size(), encodeMetadata(program, images).size());
  };
  auto [before, metadataBefore] = sizes();
  for (size_t i = 0; i < 6; ++i) {
    program.variants.push_back(program.variants[i % 2]);
    program.variants.back().name += std::to_string(i);
  }
  auto [after, metadataAfter] = sizes();
  // Images begin at whole pages.
  EXPECT_LE(after - before, metadataAfter - metadataBefore + 4096);
}

TEST(Artifact, RefusesSectionsThatOverlap) {
  Program program = sampleProgram();
  program.variants[1].image.bytes[5] ^= 1;
  Expected<std::vector<uint8_t>> bytes = serializeArtifact(program);
  ASSERT_TRUE(bool(bytes));
  uint8_t *first = bytes->data() + kHeaderBytes + 64, *second = first + 64;
  uint64_t offset = 0;
  std::memcpy(&offset, first + 8, 8);
  // The same place, a page later, and both at once where the file ends after the first.
  for (uint64_t shift : {uint64_t(0), uint64_t(4096)}) {
    std::vector<uint8_t> overlapping = *bytes;
    uint64_t moved = offset + shift;
    std::memcpy(overlapping.data() + (second - bytes->data()) + 8, &moved, 8);
    reseal(overlapping);
    EXPECT_FALSE(accepts(overlapping)) << shift;
    overlapping.resize(offset + shift + 8192);
    uint64_t length = overlapping.size();
    std::memcpy(overlapping.data() + 16, &length, 8);
    reseal(overlapping);
    EXPECT_FALSE(accepts(overlapping)) << shift;
  }
}

TEST(Artifact, KeepsModulesAndWorkgroups) {
  Program program = sampleProgram();
  Variant &variant = program.variants[1];
  variant.image.format = ImageFormat::Hsaco;
  variant.image.textBytes = 0;
  variant.kernels[1].offset = 4096; // past what would be text
  variant.kernels[1].threads = 256;
  program.variants[0].image.format = ImageFormat::Ptx;
  program.variants[0].image.textBytes = 0;
  program.variants[0].kernels[1].binaryOffset = 4096;
  program.variants[0].kernels[1].binarySize = 99;
  variant.kernels[1].sharedBytes = 65536;
  Expected<std::vector<uint8_t>> bytes = serializeArtifact(program);
  ASSERT_TRUE(bool(bytes)) << bytes.error().message();
  Expected<Artifact> artifact = parseArtifact(bytes->data(), bytes->size(), "sample");
  ASSERT_TRUE(bool(artifact)) << artifact.error().message();
  const Variant &read = artifact->program.variants[1];
  EXPECT_EQ(read.image.format, ImageFormat::Hsaco);
  EXPECT_EQ(read.kernels[1].threads, 256u);
  EXPECT_EQ(read.kernels[1].sharedBytes, 65536u);
  EXPECT_EQ(artifact->program.variants[0].image.format, ImageFormat::Ptx);
  EXPECT_EQ(artifact->program.variants[0].kernels[1].binaryOffset, 4096u);
  EXPECT_EQ(artifact->program.variants[0].kernels[1].binarySize, 99u);
  EXPECT_EQ(read.kernels[1].binarySize, 0u);
  EXPECT_EQ(artifact->program.variants[0].kernels[1].threads, 1u);
}

TEST(Artifact, WritesAtomicallyAndReadsBack) {
  std::string directory = temporaryDirectory();
  std::string path = directory + "/model.dsv2";
  Expected<Sha256Digest> hash = writeArtifact(path, sampleProgram());
  ASSERT_TRUE(bool(hash)) << hash.error().message();
  Expected<Artifact> artifact = readArtifact(path);
  ASSERT_TRUE(bool(artifact)) << artifact.error().message();
  EXPECT_EQ(artifact->hash, *hash);
  // A program that is refused leaves the file as it was.
  Program broken = sampleProgram();
  broken.variants.clear();
  EXPECT_FALSE(bool(writeArtifact(path, broken)));
  EXPECT_TRUE(bool(readArtifact(path)));
  EXPECT_FALSE(bool(readArtifact(directory + "/absent.dsv2")));
  unlink(path.c_str());
  rmdir(directory.c_str());
}

TEST(Artifact, EveryTruncationIsRefused) {
  std::vector<uint8_t> bytes = sampleBytes();
  for (size_t length = 0; length < bytes.size(); ++length) {
    std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<int64_t>(length));
    ASSERT_FALSE(accepts(cut)) << length;
  }
  bytes.push_back(0);
  EXPECT_FALSE(accepts(bytes));
}

TEST(Artifact, EverySingleBitFlipIsRefused) {
  std::vector<uint8_t> bytes = sampleBytes();
  size_t imageAt = bytes.size() - 8192;
  for (size_t bit = 0; bit < imageAt * 8; ++bit) { // header, table, metadata, padding
    bytes[bit / 8] ^= uint8_t(1u << (bit % 8));
    ASSERT_FALSE(accepts(bytes)) << "bit " << bit;
    bytes[bit / 8] ^= uint8_t(1u << (bit % 8));
  }
  for (size_t bit = imageAt * 8; bit < bytes.size() * 8; bit += 61) {
    bytes[bit / 8] ^= uint8_t(1u << (bit % 8));
    ASSERT_FALSE(accepts(bytes)) << "bit " << bit;
    bytes[bit / 8] ^= uint8_t(1u << (bit % 8));
  }
  EXPECT_TRUE(accepts(bytes));
}

TEST(Artifact, ResealedFlipsNeverCrash) {
  std::vector<uint8_t> bytes = sampleBytes();
  size_t imageAt = bytes.size() - 8192;
  size_t accepted = 0;
  for (size_t bit = 0; bit < imageAt * 8; ++bit) {
    std::vector<uint8_t> mutant = bytes;
    mutant[bit / 8] ^= uint8_t(1u << (bit % 8));
    reseal(mutant);
    accepted += accepts(mutant);
  }
  // Names and numbers that stay legal are all that a resealed flip may change.
  EXPECT_LT(accepted, imageAt * 8 / 4);
  RecordProperty("accepted", static_cast<int>(accepted));
}

TEST(Artifact, ResealedRandomDamageNeverCrashes) {
  std::vector<uint8_t> bytes = sampleBytes();
  size_t imageAt = bytes.size() - 8192;
  std::mt19937_64 random(7);
  const uint64_t values[] = {0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0xffffffff};
  for (int round = 0; round < 20000; ++round) {
    std::vector<uint8_t> mutant = bytes;
    for (unsigned i = 0, n = 1 + random() % 4; i < n; ++i) {
      size_t at = random() % (imageAt - 4);
      uint32_t value = static_cast<uint32_t>(values[random() % 8]);
      std::memcpy(mutant.data() + at, &value, random() % 2 ? 4 : 1);
    }
    reseal(mutant);
    accepts(mutant);
  }
}

TEST(Artifact, RefusesSharedVectors) {
  // Legal for FlatBuffers, but copies of one vector could outgrow the file without bound.
  for (bool share : {false, true}) {
    flatbuffers::FlatBufferBuilder builder;
    auto name = builder.CreateString("m");
    auto eos = builder.CreateVector(std::vector<int64_t>(1000, 1));
    auto routed = share ? eos : builder.CreateVector(std::vector<int64_t>(1000, 1));
    auto model = fb::CreateModel(builder, name, 1, 1, 1, 1, 0, eos, 1, routed, 1);
    auto variants = builder.CreateVector(std::vector<flatbuffers::Offset<fb::Variant>>());
    builder.Finish(fb::CreateMetadata(builder, model, variants), fb::MetadataIdentifier());
    std::vector<uint8_t> bytes(builder.GetBufferPointer(),
                               builder.GetBufferPointer() + builder.GetSize());
    EXPECT_EQ(bool(decodeMetadata(bytes)), !share);
  }
}

TEST(Trust, RecordsAndRequiresPrivacy) {
  std::string directory = temporaryDirectory();
  std::string cache = directory + "/a/b";
  Sha256Digest hash = artifactHash(sampleBytes());
  EXPECT_FALSE(isTrusted(hash, cache));
  std::optional<Error> error = recordTrust(hash, cache);
  ASSERT_FALSE(error.has_value()) << error->message();
  EXPECT_TRUE(isTrusted(hash, cache));
  Sha256Digest other = hash;
  other[31] ^= 1;
  EXPECT_FALSE(isTrusted(other, cache));
  EXPECT_FALSE(isTrusted(hash, "none"));
  EXPECT_FALSE(isTrusted(hash, ""));
  std::string record = cache + "/trusted/" + toHex(hash);
  chmod(record.c_str(), 0666);
  EXPECT_FALSE(isTrusted(hash, cache));
  chmod(record.c_str(), 0600);
  EXPECT_TRUE(isTrusted(hash, cache));
  chmod((cache + "/trusted").c_str(), 0777);
  EXPECT_FALSE(isTrusted(hash, cache));
  EXPECT_NE(untrustedError("m.dsv2", hash).message().find("--trust-code"), std::string::npos);
  unlink(record.c_str());
  for (const char *part : {"/a/b/trusted", "/a/b", "/a", ""}) {
    rmdir((directory + part).c_str());
  }
}

TEST(Trust, DefaultDirectory) {
  setenv("XDG_CACHE_HOME", "/somewhere", 1);
  EXPECT_EQ(defaultCacheDirectory(), "/somewhere/dsv2");
  setenv("XDG_CACHE_HOME", "relative", 1);
  setenv("HOME", "/home/u", 1);
  EXPECT_EQ(defaultCacheDirectory(), "/home/u/.cache/dsv2");
  unsetenv("XDG_CACHE_HOME");
  unsetenv("HOME");
  EXPECT_EQ(defaultCacheDirectory(), "");
}

} // namespace
} // namespace dsv2
