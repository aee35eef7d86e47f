//===- RunToolTest.cpp - dsv2-run from the outside ------------------------===//
//
// A real artifact on the real CPU driver: the toy model with kernels compiled
// from C. What the tool prints, writes and refuses.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/Artifact.h"
#include "lib/Artifact/Trust.h"
#include "lib/Checkpoint/Safetensors.h"
#include "lib/Runtime/Sampler.h"
#include "lib/Support/AtomicFile.h"
#include "lib/Support/CpuTier.h"
#include "lib/Support/File.h"
#include "lib/Support/Json.h"
#include "test/Runtime/ToyModel.h"
#include "tools/dsv2-run/CommandLine.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace dsv2;
using namespace dsv2::test;

namespace {

/// The toy program for the CPU.
Program compiledToy() {
  Program program = toyProgram();
  Variant &variant = program.variants[0];
  variant.name = variant.tier = "x86-64-v3";
  variant.driver = "cpu";
  program.model.eos = {30};
  variant.image.bytes.assign(4096, 0xcc);
  variant.image.textBytes = 4096;
  uint64_t at = 0;
  for (size_t i = 0; i < variant.kernels.size(); ++i) {
    Expected<std::string> code = readFile(DSV2_TOY_KERNELS + std::to_string(i) + ".bin", 4096);
    EXPECT_TRUE(code) << code.error().message();
    std::copy(code->begin(), code->end(), variant.image.bytes.begin() + static_cast<int64_t>(at));
    variant.kernels[i].offset = at;
    variant.kernels[i].size = code->size();
    variant.kernels[i].builder = i == 3 ? "matmul" : "generic";
    at += (code->size() + 63) / 64 * 64;
  }
  EXPECT_LE(at, 4096u);
  return program;
}

struct Output {
  int status = -1;
  std::string out, err;
};

class RunTool : public testing::Test {
protected:
  void SetUp() override {
    if (!hostSupportsTier("x86-64-v3")) {
      GTEST_SKIP() << "this CPU does not run x86-64-v3";
    }
    writeToyCheckpoint(directory.path);
    artifact = directory.path + "/toy.dsv2";
    cache = directory.path + "/cache";
    Expected<Sha256Digest> hash = writeArtifact(artifact, compiledToy());
    ASSERT_TRUE(hash) << hash.error().message();
    ASSERT_FALSE(recordTrust(*hash, cache));
  }
  Output call(const std::string &arguments) {
    std::string err = directory.path + "/stderr";
    std::string command = std::string("'" DSV2_RUN "' ") + arguments + " 2>'" + err + "'";
    Output result;
    std::FILE *pipe = popen(command.c_str(), "r");
    char buffer[4096];
    while (size_t count = std::fread(buffer, 1, sizeof(buffer), pipe)) {
      result.out.append(buffer, count);
    }
    int status = pclose(pipe);
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    result.err = *readFile(err, 1 << 20);
    return result;
  }
  Output run(const std::string &arguments) {
    return call("'" + artifact + "' --weights '" + directory.path + "' --cache-dir '" + cache +
                "' " + arguments);
  }
  void refused(const std::string &arguments, const std::string &reason) {
    Output result = run(arguments);
    EXPECT_NE(result.status, 0) << arguments;
    EXPECT_NE(result.err.find("error: "), std::string::npos) << arguments << ": " << result.err;
    EXPECT_NE(result.err.find(reason), std::string::npos) << arguments << ": " << result.err;
  }
  static std::string join(const std::vector<int32_t> &ids, const char *separator = " ") {
    std::string text;
    for (int32_t id : ids) {
      text += (text.empty() ? "" : separator) + std::to_string(id);
    }
    return text;
  }

  TemporaryDirectory directory;
  std::string artifact, cache;
};

TEST_F(RunTool, PrintsIdsOfEachSequence) {
  std::vector<int32_t> a = {3, 1, 4, 1, 5}, b = {9, 2, 6};
  std::string expected = join(toyGenerate(a, 6)) + "\n" + join(toyGenerate(b, 6)) + "\n";
  for (std::string flags : {"", "--chunk 2", "--threads 1", "--threads 3", "--quiet",
                            "--cache-memory 1M", "--cache-dir none --trust-code"}) {
    Output result = run("--tokens 3,1,4,1,5 --tokens '9 2 6' --generate 6 --print-ids "
                        "--ignore-eos " +
                        flags);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.out, expected) << flags;
  }
}

TEST_F(RunTool, StopsAtEosAndAtStopIds) {
  std::vector<int32_t> prompt = {3, 1, 4}, free = toyGenerate(prompt, 40);
  auto until = [&](std::vector<int32_t> ids, int32_t stop) {
    auto found = std::find(ids.begin(), ids.end(), stop);
    ids.erase(found == ids.end() ? found : found + 1, ids.end());
    return join(ids) + "\n";
  };
  EXPECT_EQ(run("--tokens 3,1,4 --generate 40 --print-ids").out, until(free, 30));
  EXPECT_EQ(
      run("--tokens 3,1,4 --generate 40 --print-ids --ignore-eos --stop " + std::to_string(free[3]))
          .out,
      until(free, free[3]));
  // Without --generate until the context is full; the last token is not fed.
  Output all = run("--tokens 3,1,4 --print-ids --ignore-eos");
  EXPECT_EQ(all.out, join(toyGenerate(prompt, 58)) + "\n");
}

TEST_F(RunTool, WritesLogitsOfFedTokens) {
  std::string file = directory.path + "/logits.safetensors";
  Output result =
      run("--tokens 3,1,4,1,5 --tokens 9,2 --generate 3 --ignore-eos --logits '" + file + "'");
  ASSERT_EQ(result.status, 0) << result.err;
  Expected<SafetensorsFile> logits = SafetensorsFile::open(file);
  ASSERT_TRUE(logits) << logits.error().message();
  const TensorInfo *first = logits->find("logits"), *second = logits->find("logits.1");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->shape, (std::vector<uint64_t>{7, kToyVocab}));
  EXPECT_EQ(second->shape, (std::vector<uint64_t>{4, kToyVocab}));
  std::vector<float> rows(7 * kToyVocab);
  ASSERT_FALSE(logits->read(*first, 0, first->bytes, rows.data()));
  std::vector<int32_t> fed = {3, 1, 4, 1, 5};
  std::vector<int32_t> generated = toyGenerate(fed, 3);
  fed.insert(fed.end(), generated.begin(), generated.end());
  for (int64_t i = 0; i < 7; ++i) {
    EXPECT_EQ(argmax(rows.data() + i * kToyVocab, kToyVocab),
              toyNext({fed.begin(), fed.begin() + i + 1}));
  }
  // By default nothing is generated and nothing printed.
  Output plain = run("--tokens 3,1,4,1,5 --logits-from 2 --logits '" + file + "'");
  EXPECT_EQ(plain.out, "");
  logits = SafetensorsFile::open(file);
  EXPECT_EQ(logits->find("logits")->shape[0], 3u);
}

TEST_F(RunTool, ReadsAPromptAndPrintsText) {
  std::filesystem::copy(DSV2_SOURCE_DIR "/test/Checkpoint/Inputs/tokenizer-gpt2/tokenizer.json",
                        directory.path + "/tokenizer.json");
  // Ids below the toy's vocabulary are single characters from '!' on.
  auto text = [](const std::vector<int32_t> &ids) {
    std::string characters;
    for (int32_t id : ids) {
      characters += static_cast<char>('!' + id);
    }
    return characters + "\n";
  };
  std::vector<int32_t> a = {'1' - '!', '+' - '!', '2' - '!'}, b = {'7' - '!'};
  Output one = run("--prompt 1+2 --generate 9 --ignore-eos");
  EXPECT_EQ(one.out, text(toyGenerate(a, 9))) << one.err;
  Output two = run("--prompt 1+2 --tokens " + join(b) + " --generate 9 --ignore-eos");
  EXPECT_EQ(two.out, text(toyGenerate(a, 9)) + text(toyGenerate(b, 9))) << two.err;
  EXPECT_EQ(run("--prompt 1+2 --generate 3 --ignore-eos --print-ids").out,
            join(toyGenerate(a, 3)) + "\n");
  refused("--prompt 'z' --generate 1", "vocabulary");
  refused("--prompt \"$(printf '\\377')\" --generate 1", "prompt 0");
}

TEST_F(RunTool, PrintsPerplexity) {
  Output result = run("--tokens 3,1,4,1,5,9,2,6 --perplexity --chunk 3");
  ASSERT_EQ(result.status, 0) << result.err;
  std::vector<int32_t> ids = {3, 1, 4, 1, 5, 9, 2, 6};
  double sum = 0;
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    int32_t best = toyNext({ids.begin(), ids.begin() + static_cast<int64_t>(i) + 1});
    double total = 0;
    for (int32_t id = 0; id < kToyVocab; ++id) {
      total += std::exp(-std::abs(id - best));
    }
    sum += std::log(total) + std::abs(ids[i + 1] - best);
  }
  double printed = std::strtod(result.out.c_str() + result.out.find("likelihood ") + 11, nullptr);
  EXPECT_NEAR(printed, sum, 1e-6) << result.out;
  EXPECT_NE(result.out.find("tokens 7\n"), std::string::npos) << result.out;
}

TEST_F(RunTool, RunsOnlyTrustedCode) {
  std::filesystem::remove_all(cache);
  refused("--tokens 1 --generate 1", "--trust-code");
  Output trusted = run("--tokens 1 --generate 1 --print-ids --ignore-eos --trust-code");
  EXPECT_EQ(trusted.out, join(toyGenerate({1}, 1)) + "\n") << trusted.err;
  // Preparing weights runs no code.
  EXPECT_EQ(run("--prepare-only").status, 0);
}

TEST_F(RunTool, PreparesOnceAndServesTheFile) {
  Output first = run("--prepare-only");
  EXPECT_EQ(first.status, 0) << first.err;
  EXPECT_NE(first.err.find("preparing"), std::string::npos);
  Output second = run("--prepare-only");
  EXPECT_EQ(second.err.find("preparing"), std::string::npos) << second.err;
  refused("--prepare-only --cache-dir none", "--prepare-only");
}

TEST_F(RunTool, RefusesWithAReason) {
  refused("", "--tokens");
  refused("--tokens 1,31", "31");
  refused("--tokens 1,-2", "-2");
  refused("--tokens ''", "--tokens");
  refused("--tokens @/nowhere/ids", "/nowhere/ids");
  refused("--tokens 1 --tier x86-64-v9", "x86-64-v3");
  refused("--tokens 1 --threads 0", "--threads");
  refused("--tokens 1 --frobnicate", "--frobnicate");
  refused("--tokens 1 --cache-memory 12Q", "12Q");
  refused("--tokens 1 --cache-memory 5", "page");
  refused("--tokens 1 --round", "dsv2-interpret");
  refused("--tokens 1 --logits x --mtp", "(@mtp) yet; dsv2-interpret runs it");
  refused("--tokens 1 --speculate 2", "(@mtp) yet; leave the flag out or give 0");
  refused("--tokens 1 --speculate -1", "--speculate");
  EXPECT_EQ(run("--tokens 1,2 --generate 1 --speculate 0").status, 0);
  refused("--prompt hello", "tokenizer.json");
  refused("--tokens 1,2 --positions 1", "positions");
  std::string ids(200, '1');
  for (size_t i = 1; i < ids.size(); i += 2) {
    ids[i] = ',';
  }
  refused("--tokens " + ids + "1", "context overflow");
  refused("--tokens 1 --tokens 1 --tokens 1 --tokens 1 --tokens 1", "5");
  refused("--tokens 1,2 --generate 20 --cache-memory 256 --ignore-eos", "cache overflow");
  refused("--tokens 1 --replay-routing '" + directory.path + "/model.safetensors'", "experts");
  refused("second.dsv2 --tokens 1", "second.dsv2");
  EXPECT_NE(call("").status, 0);
  EXPECT_NE(call("/nowhere.dsv2 --weights x --tokens 1").err.find("error: "), std::string::npos);
}

TEST_F(RunTool, OutputThatCannotBeWrittenIsAnError) {
  for (const char *flags : {"--generate 3", "--generate 3 --print-ids", "--generate 3 --json"}) {
    for (const char *to : {" >/dev/full", " >&-"}) {
      Output result = run(std::string("--tokens 1,2 --ignore-eos ") + flags + to);
      EXPECT_NE(result.status, 0) << flags << to;
      EXPECT_NE(result.err.find("error: cannot write to standard output"), std::string::npos)
          << result.err;
    }
  }
}

TEST_F(RunTool, NamesTheExpertThatIsNone) {
  std::string path = directory.path + "/routing.safetensors";
  for (int64_t wrong : {int64_t(-1), int64_t(4), int64_t(1) << 40, INT64_MIN}) {
    std::vector<int64_t> good = {0, 1, 2, 3}, bad = {0, 1, 2, wrong};
    ASSERT_FALSE(writeSafetensors(path, {{"layers.0.experts", DType::I64, {2, 2}, good.data()},
                                         {"layers.1.experts", DType::I64, {2, 2}, bad.data()}}));
    refused("--tokens 1,2 --generate 0 --replay-routing '" + path + "'",
            concat(path, ": tensor 'layers.1.experts', row 1: names expert ", wrong,
                   ", expected 0 to 3"));
    EXPECT_EQ(run("--tokens 1 --generate 0 --replay-routing '" + path + "'").status, 0);
  }
}

TEST_F(RunTool, ReadsNoMoreOfARoutingThanItNeeds) {
  // Two terabytes of zeros that take no place on the disk.
  constexpr uint64_t kRows = uint64_t(1) << 37, kBytes = kRows * 2 * 4;
  std::string header = concat("{\"layers.0.experts\":{\"dtype\":\"I32\",\"shape\":[", kRows,
                              ",2],\"data_offsets\":[0,", kBytes,
                              "]},\"layers.1.experts\":{\"dtype\":\"I32\",\"shape\":[", kRows,
                              ",2],\"data_offsets\":[", kBytes, ",", 2 * kBytes, "]}}");
  std::string path = directory.path + "/routing.safetensors", file(8, '\0');
  uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  ASSERT_FALSE(writeFileAtomically(path, file + header));
  if (truncate(path.c_str(), static_cast<off_t>(8 + length + 2 * kBytes)) != 0) {
    GTEST_SKIP() << "no sparse files of this size here";
  }
  Output result =
      run("--tokens 1,2 --generate 3 --ignore-eos --print-ids --replay-routing '" + path + "'");
  EXPECT_EQ(result.status, 0) << result.err;
}

TEST_F(RunTool, RefusesADamagedArtifact) {
  Expected<std::string> bytes = readFile(artifact, 1 << 20);
  ASSERT_TRUE(bytes);
  std::string damaged = *bytes;
  damaged[damaged.size() - 1] ^= 1;
  ASSERT_FALSE(writeFileAtomically(artifact, damaged));
  refused("--tokens 1 --trust-code", artifact);
}

TEST_F(RunTool, PrintsJson) {
  Output result = run("--tokens 3,1,4 --generate 4 --ignore-eos --json");
  Expected<Json> json = Json::parse(result.out, "stdout");
  ASSERT_TRUE(json) << json.error().message() << result.out;
  const Json &sequence = (*json->find("sequences")->array())[0];
  EXPECT_EQ(sequence.find("ids")->array()->size(), 4u);
}

TEST_F(RunTool, BenchReportsSharesOfLimits) {
  Output result = run("--bench --json --bench-prefill 32 --bench-decode 8 --bench-depth 16 "
                      "--bench-runs 2");
  ASSERT_EQ(result.status, 0) << result.err;
  Expected<Json> json = Json::parse(result.out, "stdout");
  ASSERT_TRUE(json) << json.error().message();
  for (const char *kind : {"prefill", "decode"}) {
    for (const char *field : {"tokens", "seconds", "tokens_per_second", "bytes_per_token",
                              "share_of_read_bandwidth", "share_of_peak"}) {
      ASSERT_TRUE(json->find(kind) && json->find(kind)->find(field)) << kind << field;
    }
  }
  const Json *machine = json->find("machine");
  ASSERT_TRUE(machine);
  EXPECT_GT(*machine->find("read_gb_s")->number(), 0.5);
  EXPECT_GT(*machine->find("peak_gflop_s")->find("f32")->number(), 1);
  EXPECT_EQ(*machine->find("tier")->string(), "x86-64-v3");
  refused("--bench --bench-depth 100", "context overflow");
}

TEST_F(RunTool, HelpHasAnExample) {
  Output help = call("--help");
  EXPECT_EQ(help.status, 0);
  EXPECT_NE(help.out.find("example:"), std::string::npos);
  for (const char *flag : {"--weights", "--prompt", "--threads", "--cache-dir", "--bench"}) {
    EXPECT_NE(help.out.find(flag), std::string::npos) << flag;
  }
  EXPECT_NE(call("--version").out.find("dsv2-run "), std::string::npos);
}

} // namespace
