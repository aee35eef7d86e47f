//===- ToyModel.cpp - A model small enough to work out by hand ------------===//
#include "test/Runtime/ToyModel.h"

#include "lib/Checkpoint/Safetensors.h"
#include "lib/Support/AtomicFile.h"

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <sstream>

namespace dsv2::test {

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = testing::TempDir() + "dsv2-runtime-XXXXXX";
  path = mkdtemp(pattern.data());
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code code;
  std::filesystem::remove_all(path, code);
}

void writeToyCheckpoint(const std::string &directory) {
  ASSERT_FALSE(writeFileAtomically(directory + "/config.json", R"({"model_type": "toy"})"));
  std::vector<float> embed(kToyVocab);
  for (int64_t i = 0; i < kToyVocab; ++i) {
    embed[i] = static_cast<float>(2 * i + 2);
  }
  std::vector<uint16_t> layers(2 * 24);
  for (size_t i = 0; i < layers.size(); ++i) {
    layers[i] = static_cast<uint16_t>(0x3f80 + i);
  }
  std::optional<Error> failure = writeSafetensors(
      directory + "/model.safetensors", {{"embed", DType::F32, {kToyVocab}, embed.data()},
                                         {"layer.0", DType::BF16, {4, 6}, layers.data()},
                                         {"layer.1", DType::BF16, {4, 6}, layers.data() + 24}});
  ASSERT_FALSE(failure) << failure->message();
}

Expr expr(const std::string &postfix) {
  Expr result;
  std::istringstream in(postfix);
  std::string word;
  const std::string symbols = "TBWCPR";
  while (in >> word) {
    if (word == "+") {
      result.code.push_back({ExprOp::Add, 0});
    } else if (word == "*") {
      result.code.push_back({ExprOp::Mul, 0});
    } else if (word == "/") {
      result.code.push_back({ExprOp::CeilDiv, 0});
    } else if (size_t at = symbols.find(word); word.size() == 1 && at != std::string::npos) {
      result.code.push_back({ExprOp::Symbol, static_cast<int64_t>(at)});
    } else {
      result.code.push_back({ExprOp::Constant, std::stoll(word)});
    }
  }
  return result;
}

static Buffer buffer(std::string name, BufferKind kind, ElementType type, const char *elements) {
  Buffer result;
  result.name = name;
  result.table = kind == BufferKind::Arena ? "" : name;
  result.kind = kind;
  result.type = type;
  result.elements = expr(elements);
  return result;
}

static Arg arg(ArgKind kind, uint32_t index, int64_t scale = 0) {
  Arg result;
  result.kind = kind;
  result.index = index;
  result.layerScale = scale;
  return result;
}

Program toyProgram() {
  Program program;
  program.model.name = "toy";
  program.model.vocab = kToyVocab;
  program.model.hidden = 1;
  program.model.layers = 2;
  program.model.maxPosition = 1 << 24;
  program.model.topK = 2;
  program.model.routedExperts = 4;
  program.model.routedLayerNumbers = {0, 1};
  Variant variant;
  variant.name = variant.tier = "toy";
  variant.driver = "test";
  variant.compute = "f32";
  variant.maxContext = 60;
  variant.maxBatch = 4;
  variant.maxStepTokens = 16;
  variant.ropeInverseFrequencies = {1.0f, 0.25f};
  variant.caches.push_back({"cache", ElementType::F32, 2, kToyPage, 2});

  Weight embed;
  embed.name = "embed";
  embed.elements = 40;
  embed.sources = {{"embed", ElementType::F32, {kToyVocab}}};
  embed.copies.resize(1);
  embed.copies[0].dims = {{kToyVocab, 1, 1}};
  Weight layer;
  layer.name = "layer";
  layer.layers = {0, 2, 1, false};
  layer.elements = 32;
  layer.sources = {{"layer.{l}", ElementType::BF16, {4, 6}}};
  layer.copies.resize(1);
  layer.copies[0].dims = {{4, 6, 1}, {6, 1, 4}}; // a transpose, widened
  variant.weights = {embed, layer};

  using K = BufferKind;
  using E = ElementType;
  variant.buffers = {buffer("tokens", K::Table, E::I32, "T"),          // 0
                     buffer("slot", K::Table, E::I64, "T"),            // 1
                     buffer("context", K::Table, E::I32, "T"),         // 2
                     buffer("sequence", K::Table, E::I32, "T"),        // 3
                     buffer("block_table", K::Table, E::I32, "B 8 *"), // 4
                     buffer("wanted", K::Table, E::I32, "W"),          // 5
                     buffer("logits", K::Output, E::F32, "W 31 *"),    // 6
                     buffer("x", K::Arena, E::F32, "T"),               // 7
                     buffer("positions", K::Table, E::I32, "T"),       // 8
                     buffer("rope_cos", K::Table, E::F32, "T 2 *"),    // 9
                     buffer("rope_sin", K::Table, E::F32, "T 2 *"),    // 10
                     buffer("replay", K::Table, E::I32, "T 4 *")};     // 11
  variant.buffers[7].liveBegin = 0;
  variant.buffers[7].liveEnd = 4;
  for (const char *name : {"clear", "append", "attend", "head"}) {
    Kernel kernel;
    kernel.name = name;
    variant.kernels.push_back(kernel);
  }
  Entry entry;
  entry.name = "step";
  entry.guard = {expr("16 T -1 * +")};
  entry.buffers = {7};
  entry.steps.resize(3);
  entry.steps[0].dispatch = {0, expr("T"), {arg(ArgKind::Buffer, 7)}};
  Step &loop = entry.steps[1];
  loop.isRepeat = true;
  loop.begin = 0;
  loop.end = 2;
  loop.body = {{1,
                expr("T"),
                {arg(ArgKind::Buffer, 0), arg(ArgKind::Buffer, 1), arg(ArgKind::Weight, 0),
                 arg(ArgKind::Cache, 0, 1)}},
               {2,
                expr("T"),
                {arg(ArgKind::Buffer, 7), arg(ArgKind::Cache, 0, 1), arg(ArgKind::Buffer, 4),
                 arg(ArgKind::Buffer, 2), arg(ArgKind::Buffer, 3)}}};
  entry.steps[2].dispatch = {3,
                             expr("W 31 *"),
                             {arg(ArgKind::Buffer, 7), arg(ArgKind::Buffer, 5),
                              arg(ArgKind::Buffer, 6), arg(ArgKind::Symbol, 2)}};
  variant.entries.push_back(entry);
  program.variants.push_back(variant);
  return program;
}

template <typename T> static T *at(uint64_t slot) { return reinterpret_cast<T *>(slot); }

std::vector<TestKernel> toyKernels() {
  TestKernel clear = [](const uint64_t *s, int64_t begin, int64_t end) {
    std::fill(at<float>(s[0]) + begin, at<float>(s[0]) + end, 0.0f);
  };
  TestKernel append = [](const uint64_t *s, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float *cached = at<float>(s[3]) + at<int64_t>(s[1])[row] * 2;
      cached[0] = at<float>(s[2])[at<int32_t>(s[0])[row]];
      cached[1] = 1;
    }
  };
  TestKernel attend = [](const uint64_t *s, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int32_t *blocks = at<int32_t>(s[2]) + at<int32_t>(s[4])[row] * 8;
      float sum = 0;
      for (int64_t place = 0; place < at<int32_t>(s[3])[row]; ++place) {
        const float *cached =
            at<float>(s[1]) + (blocks[place / kToyPage] * kToyPage + place % kToyPage) * 2;
        sum += cached[0] * cached[1] * static_cast<float>(place + 1) / 2;
      }
      at<float>(s[0])[row] += sum;
    }
  };
  TestKernel head = [](const uint64_t *s, int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      int64_t wanted = item / kToyVocab, id = item % kToyVocab;
      ASSERT_LT(wanted, static_cast<int64_t>(s[3]));
      float x = at<float>(s[0])[at<int32_t>(s[1])[wanted]];
      int64_t best = static_cast<int64_t>(x) % kToyVocab;
      at<float>(s[2])[item] = -static_cast<float>(std::abs(id - best));
    }
  };
  return {clear, append, attend, head};
}

int32_t toyNext(const std::vector<int32_t> &context) {
  int64_t sum = 0;
  for (size_t place = 0; place < context.size(); ++place) {
    sum += (2 * context[place] + 2) * static_cast<int64_t>(place + 1);
  }
  return static_cast<int32_t>(sum % kToyVocab);
}

std::vector<int32_t> toyGenerate(std::vector<int32_t> prompt, size_t count) {
  std::vector<int32_t> generated;
  for (size_t i = 0; i < count; ++i) {
    generated.push_back(toyNext(prompt));
    prompt.push_back(generated.back());
  }
  return generated;
}

std::unique_ptr<Model> toyModel(const std::string &directory, TestDriver **driver,
                                const ModelOptions &options) {
  Expected<Checkpoint> checkpoint = Checkpoint::open(directory);
  if (!checkpoint) {
    ADD_FAILURE() << checkpoint.error().message();
    return nullptr;
  }
  auto device = std::make_unique<TestDriver>(toyKernels());
  if (driver) {
    *driver = device.get();
  }
  Expected<std::unique_ptr<Model>> model =
      Model::create(toyProgram(), 0, std::move(device), *checkpoint, options);
  if (!model) {
    ADD_FAILURE() << model.error().message();
    return nullptr;
  }
  return std::move(*model);
}

} // namespace dsv2::test
