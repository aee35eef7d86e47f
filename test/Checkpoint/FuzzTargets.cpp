//===- FuzzTargets.cpp - What is fuzzed, and what must hold ---------------===//
//
// The promises are checked in other words than the readers'.
//
//===----------------------------------------------------------------------===//
#include "test/Checkpoint/FuzzTargets.h"

#include "lib/Checkpoint/Checkpoint.h"
#include "lib/Checkpoint/DeepseekMoEConfig.h"
#include "lib/Checkpoint/DeepseekV2Config.h"
#include "lib/Checkpoint/DeepseekV3Config.h"
#include "lib/Checkpoint/LlamaConfig.h"
#include "lib/Checkpoint/MixtralConfig.h"
#include "lib/Checkpoint/Qwen2Config.h"
#include "lib/Checkpoint/Tokenizer.h"
#include "test/Checkpoint/CheckpointFiles.h"
#include "test/Support/TemporaryDirectory.h"

#include <algorithm>
#include <array>
#include <filesystem>

namespace dsv2 {

namespace {

/// An error is one line that begins with the file's name and is no book.
std::string wrongMessage(const Error &error, std::string_view file) {
  const std::string &text = error.message();
  if (text.compare(0, file.size(), file) != 0) {
    return "the error does not begin with '" + std::string(file) + "': " + text;
  }
  if (text.find('\n') != std::string::npos || text.size() > 4096) {
    return "the error has " + std::to_string(text.size()) + " bytes or several lines";
  }
  return "";
}

//===----------------------------------------------------------------------===//
// Configs
//===----------------------------------------------------------------------===//

template <typename Config> std::string readConfig(const Json &json, uint64_t &accepted) {
  Expected<Config> config = Config::read(json, "f");
  if (!config) {
    return wrongMessage(config.error(), "f: ");
  }
  ++accepted;
  const Config &c = *config;
  for (uint64_t width : {c.hiddenSize, c.intermediateSize}) {
    if (width == 0 || width > ConfigLimits::width) {
      return "accepted a width of " + std::to_string(width);
    }
  }
  if (c.numLayers == 0 || c.numLayers > ConfigLimits::layers || c.numHeads == 0 ||
      c.numHeads > ConfigLimits::heads || c.vocabSize == 0 ||
      c.vocabSize > ConfigLimits::vocabulary) {
    return "accepted layers, heads or a vocabulary past the limits";
  }
  if (!(c.rope.theta > 1.0) || !(c.rmsNormEps > 0)) {
    return "accepted a theta or an eps that is no such number";
  }
  if (c.numRoutedExperts != 0) {
    uint64_t kept = c.numGroups == 0 ? 0 : c.numRoutedExperts / c.numGroups * c.topkGroups;
    if (c.numRoutedExperts > ConfigLimits::experts || c.topK == 0 || c.topK > kept ||
        c.moeLayerFrequency == 0) {
      return "accepted a gate that cannot choose";
    }
  }
  return "";
}

class Configs : public FuzzTarget {
public:
  Configs() {
    std::vector<std::string> texts = {
        std::string(smallConfig),
        std::string(smallV3Config),
        std::string(smallLlamaConfig),
        std::string(smallDeepseekMoEConfig),
        std::string(smallQwen2Config),
        std::string(smallMixtralConfig),
        changeConfig(smallV3Config, {},
                     R"("quantization_config":{"activation_scheme":"dynamic","fmt":"e4m3",)"
                     R"("quant_method":"fp8","weight_block_size":[128,128]})")};
    std::vector<std::filesystem::path> paths;
    for (const auto &entry : std::filesystem::directory_iterator(DSV2_SOURCE_DIR "/test/Golden")) {
      paths.push_back(entry.path() / "config.json");
    }
    std::sort(paths.begin(), paths.end());
    for (const std::filesystem::path &path : paths) {
      if (Expected<Json> json = Json::read(path.string())) {
        seeds.push_back(FuzzJson::from(*json));
      }
    }
    for (const std::string &text : texts) {
      seeds.push_back(FuzzJson::from(*Json::parse(text, "seed")));
    }
  }

  std::string name() const override { return "configs"; }
  std::string run(FuzzRandom &random, std::string &input) override {
    input = mutated(seeds[random.below(seeds.size())], random);
    Expected<Json> json = Json::parse(input, "f");
    if (!json) {
      return wrongMessage(json.error(), "f: ");
    }
    // Each reader gets it: one of them by its model_type, the others to refuse it.
    for (auto read :
         {readConfig<DeepseekV2Config>, readConfig<DeepseekV3Config>, readConfig<LlamaConfig>,
          readConfig<DeepseekMoEConfig>, readConfig<Qwen2Config>, readConfig<MixtralConfig>}) {
      std::string wrong = read(*json, accepted);
      if (!wrong.empty()) {
        return wrong;
      }
    }
    return "";
  }

private:
  std::vector<FuzzJson> seeds;
};

//===----------------------------------------------------------------------===//
// Headers
//===----------------------------------------------------------------------===//

/// A valid header with some tensors, and the bytes of data that it describes.
std::pair<FuzzJson, uint64_t> growHeader(FuzzRandom &random) {
  constexpr std::pair<const char *, uint64_t> dtypes[] = {{"F32", 4},     {"BF16", 2}, {"F16", 2},
                                                          {"F8_E4M3", 1}, {"I64", 8},  {"U8", 1}};
  FuzzJson header;
  header.kind = FuzzJson::Kind::Object;
  if (random.oneIn(2)) {
    FuzzJson metadata;
    metadata.add("format", FuzzJson::string("pt"));
    header.add("__metadata__", std::move(metadata));
  }
  uint64_t offset = 0;
  for (uint64_t i = random.below(6); i > 0; --i) {
    auto [dtype, bytes] = dtypes[random.below(std::size(dtypes))];
    std::vector<FuzzJson> shape;
    for (uint64_t d = random.below(4); d > 0; --d) {
      uint64_t extent = random.oneIn(10) ? 0 : 1 + random.below(40);
      bytes *= extent;
      shape.push_back(FuzzJson::number(extent));
    }
    FuzzJson tensor;
    tensor.add("dtype", FuzzJson::string(dtype));
    tensor.add("shape", FuzzJson::array(std::move(shape)));
    tensor.add("data_offsets",
               FuzzJson::array({FuzzJson::number(offset), FuzzJson::number(offset + bytes)}));
    offset += bytes;
    header.add(concat("model.layers.", i, ".weight"), std::move(tensor));
  }
  return {std::move(header), offset};
}

/// What accepted tensors promise: ranges back to back from `begin` to `end`, each as
/// long as dtype and shape say.
std::string wrongTensors(std::vector<TensorInfo> tensors, uint64_t begin, uint64_t end) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo &a, const TensorInfo &b) {
    return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
  });
  for (const TensorInfo &tensor : tensors) {
    unsigned __int128 bits = dtypeBits(tensor.dtype);
    for (uint64_t extent : tensor.shape) {
      bits *= extent;
    }
    if (tensor.offset != begin || bits != static_cast<unsigned __int128>(tensor.bytes) * 8 ||
        tensor.shape.size() > SafetensorsLimits::rank ||
        tensor.name.size() > SafetensorsLimits::nameBytes) {
      return "accepted the tensor " + quote(tensor.name) + " at " + std::to_string(tensor.offset) +
             " with " + std::to_string(tensor.bytes) + " bytes";
    }
    begin += tensor.bytes;
  }
  return begin == end ? "" : "accepted tensors that end at " + std::to_string(begin);
}

class Headers : public FuzzTarget {
public:
  std::string name() const override { return "headers"; }
  std::string run(FuzzRandom &random, std::string &input) override {
    auto [header, data] = growHeader(random);
    input = mutated(std::move(header), random);
    // The length of the file is hostile too.
    uint64_t sizes[] = {data, data, data, 0, data + 1, data / 2, random.next()};
    data = sizes[random.below(std::size(sizes))];
    uint64_t begin = 8 + input.size();
    uint64_t end = data > ~begin ? ~uint64_t(0) : begin + data;
    bool headerOnly = random.oneIn(2);
    std::map<std::string, std::string> metadata;
    Expected<std::vector<TensorInfo>> tensors =
        parseSafetensorsHeader(input, "f", end, headerOnly, &metadata);
    if (!tensors) {
      return wrongMessage(tensors.error(), "f: ");
    }
    ++accepted;
    if (headerOnly && end == begin) {
      end = begin;
      for (const TensorInfo &tensor : *tensors) {
        end = std::max(end, tensor.offset + tensor.bytes);
      }
    }
    return wrongTensors(std::move(*tensors), begin, end);
  }
};

//===----------------------------------------------------------------------===//
// Directories
//===----------------------------------------------------------------------===//

class Directories : public FuzzTarget {
public:
  std::string name() const override { return "directories"; }
  std::string run(FuzzRandom &random, std::string &input) override {
    std::filesystem::remove_all(folder.path());
    std::filesystem::create_directories(folder.path());
    input.clear();
    FuzzJson config = FuzzJson::from(*Json::parse(std::string(smallConfig), "seed"));
    FuzzJson generation;
    generation.add("bos_token_id", FuzzJson::number(0));
    generation.add("eos_token_id", FuzzJson::array({FuzzJson::number(1), FuzzJson::number(2)}));
    FuzzJson map;
    map.kind = FuzzJson::Kind::Object;
    // One or two of the files are damaged.
    uint64_t damaged = uint64_t(1) << random.below(5) | uint64_t(1) << random.below(5);
    auto text = [&](uint64_t bit, FuzzJson json) {
      return damaged >> bit & 1 ? mutated(std::move(json), random) : json.text();
    };
    std::array<std::string, 2> names = {"model-1.safetensors", "model-2.safetensors"};
    for (uint64_t s = 0; s < names.size(); ++s) {
      auto [header, data] = growHeader(random);
      for (auto &[key, value] : header.children) {
        if (key != "\"__metadata__\"") {
          // Of another name in each shard.
          key.insert(1, s == 0 ? "a." : "b.");
          map.children.emplace_back(key, FuzzJson::string(names[s]));
        }
      }
      std::string bytes = safetensorsBytes(text(s, std::move(header)), std::string(data, 'x'));
      if (damaged >> s & 1 && random.oneIn(3)) {
        bytes[random.below(8)] = char(random.next()); // the length
      }
      if (damaged >> s & 1 && random.oneIn(3)) {
        bytes.resize(random.below(bytes.size() + 1));
      }
      write(names[s], bytes, input);
    }
    FuzzJson index;
    index.add("weight_map", std::move(map));
    write("model.safetensors.index.json", text(2, std::move(index)), input);
    write("config.json", text(3, std::move(config)), input);
    write("generation_config.json", text(4, std::move(generation)), input);
    return read(random.oneIn(2) ? WeightData::Required : WeightData::Optional);
  }

private:
  void write(const std::string &file, const std::string &content, std::string &input) {
    folder.write(file, content);
    input += file + ": " + quote(content, 4096) + "\n";
  }

  std::string read(WeightData data) {
    Expected<Checkpoint> checkpoint = Checkpoint::open(folder.path(), data);
    if (!checkpoint) {
      return wrongMessage(checkpoint.error(), folder.path());
    }
    ++accepted;
    for (const CheckpointTensor &tensor : checkpoint->tensors()) {
      if (tensor.bytes() > 1 << 20) {
        return data == WeightData::Required ? "accepted a tensor larger than every file" : "";
      }
      std::string bytes(tensor.bytes(), 0);
      std::optional<Error> error = checkpoint->read(tensor, 0, bytes.size(), bytes.data());
      if (error && data == WeightData::Required) {
        return "cannot read what it accepted: " + error->message();
      }
      char more;
      if (!checkpoint->read(tensor, tensor.bytes(), 1, &more)) {
        return "read past the end of a tensor";
      }
    }
    return "";
  }

  TemporaryDirectory folder;
};

//===----------------------------------------------------------------------===//
// Tokenizers
//===----------------------------------------------------------------------===//

constexpr const char *tokenizerSeed =
    R"({"added_tokens":[{"id":9,"content":"<s>","special":true,"lstrip":true,"rstrip":false}],)"
    R"("normalizer":null,"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split",)"
    R"("pattern":{"Regex":"\\s?[a-c\\p{L}]+(?=x|$)|(?i:'s)|\\p{N}{1,3}"},"behavior":"Isolated",)"
    R"("invert":false},{"type":"Digits","individual_digits":true},{"type":"ByteLevel",)"
    R"("add_prefix_space":true,"use_regex":true}]},"post_processor":{"type":"TemplateProcessing",)"
    R"("single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],)"
    R"("special_tokens":{"<s>":{"id":"<s>","ids":[9],"tokens":["<s>"]}}},"decoder":{"type":)"
    R"("ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3,"abc":4,"\u0120":5},)"
    R"("merges":["a b",["ab","c"]]}})";

class Tokenizers : public FuzzTarget {
public:
  Tokenizers() : seed(FuzzJson::from(*Json::parse(tokenizerSeed, "seed"))) {}

  std::string name() const override { return "tokenizers"; }
  std::string run(FuzzRandom &random, std::string &input) override {
    input = mutated(seed, random);
    Expected<Tokenizer> tokenizer = Tokenizer::parse(input, "f", "", "");
    if (!tokenizer) {
      return wrongMessage(tokenizer.error(), "f: ");
    }
    ++accepted;
    std::string text = "ab abc <s>cab 123's";
    if (random.oneIn(2)) {
      text += std::string(random.below(200), 'a') + "!";
    }
    Expected<std::vector<int32_t>> ids =
        tokenizer->encode(text, true, std::chrono::milliseconds(500));
    if (ids && !tokenizer->decode(*ids)) {
      return "cannot decode its own ids";
    }
    return "";
  }

private:
  FuzzJson seed;
};

} // namespace

std::unique_ptr<FuzzTarget> fuzzConfigs() { return std::make_unique<Configs>(); }
std::unique_ptr<FuzzTarget> fuzzHeaders() { return std::make_unique<Headers>(); }
std::unique_ptr<FuzzTarget> fuzzDirectories() { return std::make_unique<Directories>(); }
std::unique_ptr<FuzzTarget> fuzzTokenizers() { return std::make_unique<Tokenizers>(); }

} // namespace dsv2
