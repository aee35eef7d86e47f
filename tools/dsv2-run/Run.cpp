//===- Run.cpp - Tokens in; text, ids, logits or perplexity out -----------===//
//
// Turns flags into requests, and results into output.
//
//===----------------------------------------------------------------------===//
#include "tools/dsv2-run/Run.h"

#include "lib/Checkpoint/Safetensors.h"
#include "lib/Checkpoint/Tokenizer.h"
#include "lib/Runtime/Generator.h"
#include "lib/Support/File.h"
#include "tools/dsv2-run/JsonText.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace dsv2;

Expected<std::unique_ptr<Model>> dsv2::openModel(const CommandLine &line,
                                                 const Checkpoint &checkpoint) {
  ModelOptions options;
  options.artifact = line.artifact;
  options.tier = line.tokens.tier;
  options.threads = line.threads;
  options.driver = line.driver;
  options.check = line.check;
  options.trustCode = line.trustCode;
  options.cacheDirectory = line.cacheDirectory.empty() ? "none" : line.cacheDirectory;
  options.prepareOnly = line.prepareOnly;
  if (!line.quiet) {
    options.log = [](const std::string &text) {
      std::fprintf(stderr, "dsv2-run: %s\n", text.c_str());
    };
  }
  return Model::open(options, checkpoint);
}

namespace {

/// One run of the tool.
class Runner {
public:
  explicit Runner(const CommandLine &line) : line(line), tokens(line.tokens) {}
  std::optional<Error> run();

private:
  std::optional<Error> makeRequests(const Checkpoint &checkpoint, const ModelInfo &info,
                                    int64_t maxContext);
  std::optional<Error> readRouting(const ModelInfo &info, int64_t maxContext);
  Expected<RoutingRecord> readSequenceRouting(const SafetensorsFile &file, const ModelInfo &info,
                                              size_t sequence, uint64_t maxContext);
  Expected<std::unique_ptr<Session>> openSession(const Model &model) const;
  void takeToken(size_t sequence, int32_t token);
  void takeLogits(size_t sequence, int64_t first, int64_t rows, const float *logits, int64_t vocab);
  std::optional<Error> writeLogits(int64_t vocab) const;
  void printText(const std::string &text) const;
  void printResult(const GenerateResult &result);
  void printJson(const GenerateResult &result);
  void printNotes(const GenerateResult &result) const;

  /// Text can be streamed when there is one sequence; several come in order.
  bool streams() const { return requests.size() == 1 && showsText(); }
  bool showsText() const { return tokenizer && !tokens.printIds && !line.json; }

  const CommandLine &line;
  const TokensOptions &tokens;
  std::optional<Tokenizer> tokenizer;
  std::vector<GenerateRequest> requests;
  std::vector<RoutingRecord> routing;
  std::vector<StreamDecoder> decoders;
  std::vector<std::string> texts;
  std::vector<std::vector<float>> logits; ///< of each sequence, for --logits
  double negativeLogLikelihood = 0;
  uint64_t scored = 0;
};

} // namespace

std::optional<Error> Runner::makeRequests(const Checkpoint &checkpoint, const ModelInfo &info,
                                          int64_t maxContext) {
  bool needsTokenizer = std::any_of(tokens.inputs.begin(), tokens.inputs.end(),
                                    [](const TokensInput &input) { return input.isText; });
  // Ids that were given as ids can be shown as text if there is a tokenizer.
  bool wantsTokenizer = !tokens.printIds && !tokens.perplexity &&
                        pathExists(joinPath(checkpoint.directory(), "tokenizer.json"));
  if (needsTokenizer || wantsTokenizer) {
    Expected<Tokenizer> loaded = Tokenizer::load(checkpoint.directory());
    if (!loaded) {
      return loaded.takeError();
    }
    tokenizer.emplace(std::move(*loaded));
  }
  for (size_t i = 0; i < tokens.inputs.size(); ++i) {
    const TokensInput &input = tokens.inputs[i];
    GenerateRequest request;
    request.prompt = input.ids;
    if (input.isText) {
      Expected<std::vector<int32_t>> ids = tokenizer->encode(input.text);
      if (!ids) {
        return ids.takeError().within(concat("prompt ", i));
      }
      request.prompt = std::move(*ids);
    }
    if (!tokens.positions.empty()) {
      request.positions = tokens.positions[i];
    }
    int64_t length = static_cast<int64_t>(request.prompt.size());
    if (length > maxContext) {
      return Error(ErrorKind::Limit, "context overflow: sequence ", i, " has ", length,
                   " tokens, the context holds ", maxContext);
    }
    // The last generated token need not be fed.
    request.maxTokens = tokens.generateLimit(static_cast<uint64_t>(maxContext - length + 1));
    requests.push_back(std::move(request));
  }
  if (tokens.replayRouting.empty() || info.routedLayerNumbers.empty()) {
    return std::nullopt;
  }
  return readRouting(info, maxContext);
}

std::optional<Error> Runner::readRouting(const ModelInfo &info, int64_t maxContext) {
  Expected<SafetensorsFile> file = SafetensorsFile::open(tokens.replayRouting);
  if (!file) {
    return file.takeError();
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    Expected<RoutingRecord> record =
        readSequenceRouting(*file, info, i, static_cast<uint64_t>(maxContext));
    if (!record) {
      return record.takeError().within(tokens.replayRouting);
    }
    routing.push_back(std::move(*record));
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].routing = &routing[i];
  }
  return std::nullopt;
}

Expected<RoutingRecord> Runner::readSequenceRouting(const SafetensorsFile &file,
                                                    const ModelInfo &info, size_t sequence,
                                                    uint64_t maxContext) {
  RoutingRecord record;
  uint64_t width = static_cast<uint64_t>(info.topK);
  for (int64_t layer : info.routedLayerNumbers) {
    std::string name = routingTensorName(static_cast<uint64_t>(layer), sequence);
    const TensorInfo *tensor = file.find(name);
    if (!tensor) {
      return Error(ErrorKind::Mismatch, "no tensor ", quote(name));
    }
    bool wide = tensor->dtype == DType::I64;
    if ((!wide && tensor->dtype != DType::I32) || tensor->shape.size() != 2 ||
        tensor->shape[1] != width || tensor->shape[0] < requests[sequence].prompt.size()) {
      return Error(ErrorKind::Mismatch, "tensor ", quote(name), " is ",
                   describeTensor(tensor->dtype, tensor->shape), ", expected integers [",
                   requests[sequence].prompt.size(), " or more, ", width, "]");
    }
    // Rows that no token of this run can reach are not read, however many there are.
    uint64_t count = std::min<uint64_t>(tensor->shape[0], maxContext) * width;
    std::vector<int64_t> values(wide ? count : 0);
    std::vector<int32_t> ids(count);
    if (std::optional<Error> failure =
            file.read(*tensor, 0, count * (wide ? 8 : 4),
                      wide ? static_cast<void *>(values.data()) : ids.data())) {
      return *failure;
    }
    for (uint64_t i = 0; i < count; ++i) {
      int64_t value = wide ? values[i] : ids[i];
      bool isExpert = value >= 0 && value < info.routedExperts;
      if (!isExpert && i < requests[sequence].prompt.size() * width) {
        return Error(ErrorKind::Mismatch, "tensor ", quote(name), ", row ", i / width,
                     ": names expert ", value, ", expected 0 to ", info.routedExperts - 1);
      }
      // What no token may ever reach; a step that does refuses it.
      ids[i] = isExpert ? static_cast<int32_t>(value) : -1;
    }
    record.layers.push_back(std::move(ids));
  }
  return record;
}

Expected<std::unique_ptr<Session>> Runner::openSession(const Model &model) const {
  const Variant &variant = model.variant();
  SessionOptions options;
  options.cacheBytes = line.cacheMemory;
  options.pageSeed = line.pageSeed;
  options.poisonCache = line.pageSeed != 0;
  options.maxSequences = static_cast<int64_t>(requests.size());
  for (const GenerateRequest &request : requests) {
    int64_t room = variant.maxContext - static_cast<int64_t>(request.prompt.size());
    int64_t more =
        static_cast<int64_t>(std::min<uint64_t>(request.maxTokens, static_cast<uint64_t>(room)));
    options.maxContext = std::max(options.maxContext, variant.maxContext - room + more);
  }
  bool allLogits = !tokens.logits.empty() || tokens.perplexity;
  if (!allLogits) {
    options.maxWanted = std::min(options.maxSequences, variant.maxStepTokens);
  }
  return Session::create(model, options);
}

void Runner::printText(const std::string &text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Runner::takeToken(size_t sequence, int32_t token) {
  if (!tokenizer) {
    return;
  }
  std::string text = decoders[sequence].push(token);
  if (streams()) {
    printText(text);
  } else {
    texts[sequence] += text;
  }
}

void Runner::takeLogits(size_t sequence, int64_t first, int64_t rows, const float *values,
                        int64_t vocab) {
  if (!tokens.logits.empty()) {
    int64_t skipped = std::clamp<int64_t>(static_cast<int64_t>(tokens.logitsFrom) - first, 0, rows);
    logits[sequence].insert(logits[sequence].end(), values + skipped * vocab,
                            values + rows * vocab);
  }
  if (!tokens.perplexity) {
    return;
  }
  const std::vector<int32_t> &prompt = requests[sequence].prompt;
  for (int64_t i = 0; i < rows; ++i) {
    size_t next = static_cast<size_t>(first + i + 1);
    if (next < prompt.size()) {
      negativeLogLikelihood += dsv2::negativeLogLikelihood(values + i * vocab, vocab, prompt[next]);
      ++scored;
    }
  }
}

std::optional<Error> Runner::writeLogits(int64_t vocab) const {
  std::vector<TensorToWrite> tensors;
  for (size_t i = 0; i < logits.size(); ++i) {
    uint64_t rows = logits[i].size() / static_cast<uint64_t>(vocab);
    tensors.push_back({sequenceTensorName("logits", i),
                       DType::F32,
                       {rows, static_cast<uint64_t>(vocab)},
                       logits[i].data()});
  }
  return writeSafetensors(tokens.logits, tensors);
}

void Runner::printJson(const GenerateResult &result) {
  std::string sequences;
  for (size_t i = 0; i < requests.size(); ++i) {
    JsonObject sequence;
    sequence.integer("prompt_tokens", static_cast<int64_t>(requests[i].prompt.size()))
        .integers("ids", result.generated[i]);
    if (tokenizer) {
      sequence.text("text", texts[i]);
    }
    sequences += (i == 0 ? "" : ", ") + sequence.str();
  }
  JsonObject object;
  object.raw("sequences", "[" + sequences + "]");
  if (tokens.perplexity) {
    object.number("negative_log_likelihood", negativeLogLikelihood)
        .number("perplexity", std::exp(negativeLogLikelihood /
                                       static_cast<double>(std::max<uint64_t>(1, scored))))
        .integer("tokens", static_cast<int64_t>(scored));
  }
  object.integer("steps", result.steps)
      .number("prompt_seconds", result.promptSeconds)
      .number("decode_seconds", result.decodeSeconds)
      .integer("decoded_tokens", result.decodedTokens);
  printText(object.str() + "\n");
}

void Runner::printResult(const GenerateResult &result) {
  for (size_t i = 0; i < requests.size() && tokenizer; ++i) {
    std::string rest = decoders[i].finish();
    if (streams()) {
      printText(rest);
    } else {
      texts[i] += rest;
    }
  }
  if (line.json) {
    printJson(result);
    return;
  }
  if (tokens.perplexity) {
    printText(perplexityReport(negativeLogLikelihood, scored));
    return;
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    if (result.generated[i].empty() && !tokens.printIds) {
      continue;
    }
    if (!showsText()) {
      std::string ids;
      for (int32_t id : result.generated[i]) {
        ids += (ids.empty() ? "" : " ") + std::to_string(id);
      }
      printText(ids + "\n");
    } else {
      printText((streams() ? "" : texts[i]) + "\n");
    }
  }
}

void Runner::printNotes(const GenerateResult &result) const {
  if (line.quiet) {
    return;
  }
  if (result.promptSeconds > 0) {
    std::fprintf(stderr, "dsv2-run: prompt: %lld tokens, %.1f tokens/s\n",
                 static_cast<long long>(result.promptTokens),
                 static_cast<double>(result.promptTokens) / result.promptSeconds);
  }
  if (result.decodeSeconds > 0) {
    std::fprintf(stderr, "dsv2-run: decode: %lld tokens, %.1f tokens/s\n",
                 static_cast<long long>(result.decodedTokens),
                 static_cast<double>(result.decodedTokens) / result.decodeSeconds);
  }
}

std::optional<Error> Runner::run() {
  Expected<Checkpoint> checkpoint = Checkpoint::open(tokens.weights, WeightData::Required);
  if (!checkpoint) {
    return checkpoint.takeError();
  }
  Expected<std::unique_ptr<Model>> model = openModel(line, *checkpoint);
  if (!model) {
    return model.takeError();
  }
  if (line.prepareOnly) {
    return std::nullopt;
  }
  const ModelInfo &info = (*model)->info();
  if (std::optional<Error> failure =
          makeRequests(*checkpoint, info, (*model)->variant().maxContext)) {
    return failure;
  }
  Expected<std::unique_ptr<Session>> session = openSession(**model);
  if (!session) {
    return session.takeError();
  }
  GenerateOptions options;
  options.chunk = static_cast<int64_t>(tokens.chunk);
  options.sampling = line.sampling;
  options.stopIds = line.stopIds;
  if (!tokens.ignoreEos) {
    const std::vector<int64_t> &eos =
        checkpoint->eosTokenIds().empty() ? info.eos : checkpoint->eosTokenIds();
    options.stopIds.insert(options.stopIds.end(), eos.begin(), eos.end());
  }
  texts.resize(requests.size());
  logits.resize(requests.size());
  for (size_t i = 0; i < requests.size() && tokenizer; ++i) {
    decoders.emplace_back(*tokenizer);
  }
  options.onToken = [&](size_t sequence, int32_t token) { takeToken(sequence, token); };
  if (!tokens.logits.empty() || tokens.perplexity) {
    options.logitsFrom = tokens.perplexity ? 0 : static_cast<int64_t>(tokens.logitsFrom);
    options.onLogits = [&](size_t sequence, int64_t first, int64_t rows, const float *values) {
      takeLogits(sequence, first, rows, values, info.vocab);
    };
  }
  Expected<GenerateResult> result = generate(**session, requests, options);
  if (!result) {
    return result.takeError();
  }
  if (!tokens.logits.empty()) {
    if (std::optional<Error> failure = writeLogits(info.vocab)) {
      return failure;
    }
  }
  printResult(*result);
  printNotes(*result);
  return std::nullopt;
}

std::optional<Error> dsv2::run(const CommandLine &line) { return Runner(line).run(); }
