//===- Interpret.cpp - The tool dsv2-interpret ----------------------------===//
//
// Command line, module, weights; then Generation, and the files that were asked
// for.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Interpret.h"

#include "dialects/DSV2/IR/DSV2.h"
#include "lib/Reference/Generation.h"
#include "lib/Support/TokensOptions.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"

#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>

namespace dsv2 {

namespace ir = mlir::dsv2;

static const char usage[] =
    "dsv2-interpret: runs a dsv2 module in f64, the oracle\n"
    "usage: dsv2-interpret [IN] --weights DIR TOKENS ...   (IN: dsv2 IR, default and -: stdin)\n";
static const char example[] =
    "  --help                 this text\n"
    "  --version              the version\n"
    "example: dsv2-translate --import-hf DIR | dsv2-interpret --weights DIR --tokens 5,17,3 "
    "--generate 8 --print-ids\n";

namespace {
struct CommandLine {
  TokensOptions tokens;
  std::string input = "-";
  bool help = false;
  bool version = false;
};
} // namespace

static Expected<CommandLine> parseCommandLine(int argc, const char *const *argv) {
  CommandLine line;
  FlagReader flags(argc, argv);
  bool hasInput = false;
  while (flags.next()) {
    if (flags.name() == "--help") {
      line.help = true;
      return line;
    }
    if (flags.name() == "--version") {
      line.version = true;
      return line;
    }
    Expected<bool> taken = parseTokensFlag(flags, line.tokens);
    if (!taken) {
      return taken.takeError();
    }
    if (*taken) {
      continue;
    }
    if (flags.isFlag()) {
      return Error(ErrorKind::Usage, "unknown flag ", quote(flags.name()), "; see --help");
    }
    if (hasInput) {
      return Error(ErrorKind::Usage, "more than one input: ", quote(line.input), " and ",
                   quote(flags.name()));
    }
    line.input = flags.name();
    hasInput = true;
  }
  if (std::optional<Error> error = checkTokensOptions(line.tokens)) {
    return std::move(*error);
  }
  for (const TokensInput &input : line.tokens.inputs) {
    if (input.isText) {
      return Error(ErrorKind::Usage, "--prompt needs a tokenizer, which dsv2-interpret has not: "
                                     "use --tokens");
    }
  }
  if (line.tokens.weights.empty()) {
    return Error(ErrorKind::Usage, "no weights: expected --weights DIR");
  }
  return line;
}

/// The facts of the module that a run needs.
namespace {
struct ModelFacts {
  int64_t vocab = 0;
  uint64_t maxContext = UINT64_MAX;
  std::vector<int64_t> eos;
};
} // namespace

static ModelFacts modelFacts(mlir::func::FuncOp step) {
  ModelFacts facts;
  auto logits = mlir::cast<mlir::RankedTensorType>(step.getFunctionType().getResult(0));
  facts.vocab = logits.getDimSize(1);
  mlir::DictionaryAttr model;
  for (mlir::Operation *op = step; op && !model; op = op->getParentOp()) {
    model = op->getAttrOfType<mlir::DictionaryAttr>(ir::DSV2Dialect::kModelAttr);
  }
  if (!model) {
    return facts;
  }
  if (auto context = model.getAs<mlir::IntegerAttr>("max_context")) {
    facts.maxContext = uint64_t(context.getInt());
  }
  if (auto eos = model.getAs<mlir::ArrayAttr>("eos")) {
    for (auto id : eos.getAsRange<mlir::IntegerAttr>()) {
      facts.eos.push_back(id.getInt());
    }
  } else if (auto list = model.getAs<mlir::DenseI64ArrayAttr>("eos")) {
    facts.eos = list.asArrayRef().vec();
  }
  return facts;
}

/// Checks each sequence against the model and says how much it may generate.
static std::optional<Error> planSequences(const TokensOptions &tokens, const ModelFacts &facts,
                                          std::vector<SequenceFeed> &prompts,
                                          GenerationOptions &options) {
  for (size_t s = 0; s < tokens.inputs.size(); ++s) {
    const std::vector<int32_t> &ids = tokens.inputs[s].ids;
    for (int32_t id : ids) {
      if (id >= facts.vocab) {
        return Error(ErrorKind::Usage, "sequence ", s, ": token ", id,
                     ", expected ids below the vocabulary of ", facts.vocab);
      }
    }
    if (ids.size() > facts.maxContext) {
      return Error(ErrorKind::Limit, "sequence ", s, " has ", ids.size(),
                   " tokens, but the context holds ", facts.maxContext);
    }
    prompts.push_back(
        {ids, tokens.positions.empty() ? std::vector<int64_t>() : tokens.positions[s]});
    // The last generated token need not be fed.
    options.generate.push_back(tokens.generateLimit(facts.maxContext - ids.size() + 1));
  }
  return std::nullopt;
}

static std::optional<Error> writeLogits(const TokensOptions &tokens, int64_t vocab,
                                        const std::vector<GeneratedSequence> &results) {
  std::vector<TensorToWrite> tensors;
  auto addRows = [&](std::string_view name, size_t sequence, const std::vector<float> &rows) {
    tensors.push_back({sequenceTensorName(name, sequence),
                       DType::F32,
                       {rows.size() / uint64_t(vocab), uint64_t(vocab)},
                       rows.data()});
  };
  for (size_t s = 0; s < results.size(); ++s) {
    addRows("logits", s, results[s].logits);
    if (tokens.mtp) {
      addRows("mtp_logits", s, results[s].mtpLogits);
    }
  }
  return writeSafetensors(tokens.logits, tensors);
}

static void printResults(const TokensOptions &tokens,
                         const std::vector<GeneratedSequence> &results) {
  if (tokens.perplexity) {
    double sum = 0;
    uint64_t scored = 0;
    for (const GeneratedSequence &result : results) {
      sum += result.negativeLogLikelihood;
      scored += uint64_t(result.scored);
    }
    llvm::outs() << perplexityReport(sum, scored);
    return;
  }
  for (const GeneratedSequence &result : results) {
    bool nothing = result.generated.empty() && !tokens.printIds;
    llvm::interleave(result.generated, llvm::outs(), [](int32_t id) { llvm::outs() << id; }, " ");
    llvm::outs() << (nothing ? "" : "\n");
  }
}

static int report(const Error &error) {
  llvm::errs() << "dsv2-interpret: error: " << error.message() << "\n";
  return 1;
}

static int runModule(mlir::ModuleOp module, const TokensOptions &tokens) {
  mlir::FailureOr<mlir::func::FuncOp> step = findStepFunction(module, tokens.tier);
  if (failed(step)) {
    return 1;
  }
  mlir::func::FuncOp mtpFunction;
  if (tokens.mtp) {
    mlir::FailureOr<mlir::func::FuncOp> found = findMtpFunction(*step);
    if (failed(found)) {
      return 1;
    }
    if (!*found) {
      return report(Error(ErrorKind::Mismatch,
                          "--mtp: the module has no func.func @mtp, the block of multi-token "
                          "prediction"));
    }
    mtpFunction = *found;
  }
  Expected<Checkpoint> checkpoint = Checkpoint::open(tokens.weights, WeightData::Required);
  if (!checkpoint) {
    return report(checkpoint.error());
  }
  ModelFacts facts = modelFacts(*step);
  if (!checkpoint->eosTokenIds().empty()) {
    facts.eos = checkpoint->eosTokenIds();
  }
  std::vector<SequenceFeed> prompts;
  GenerationOptions options;
  if (std::optional<Error> error = planSequences(tokens, facts, prompts, options)) {
    return report(*error);
  }
  options.chunk = tokens.chunk;
  options.eos = tokens.ignoreEos ? std::vector<int64_t>() : facts.eos;
  options.keepLogits = !tokens.logits.empty();
  options.logitsFrom = int64_t(tokens.logitsFrom);
  options.perplexity = tokens.perplexity;

  CheckpointWeights weights(std::move(*checkpoint));
  InterpreterOptions how;
  how.round = tokens.round;
  Interpreter model(*step, weights, how), mtp(mtpFunction, weights, how);
  RoutingLog recorded, replayed;
  if (!tokens.recordRouting.empty()) {
    model.recordRouting = mtp.recordRouting = &recorded;
  }
  if (!tokens.replayRouting.empty()) {
    Expected<RoutingLog> log = RoutingLog::read(tokens.replayRouting);
    if (!log) {
      return report(log.error());
    }
    replayed = std::move(*log);
    model.replayRouting = mtp.replayRouting = &replayed;
  }
  mlir::FailureOr<std::vector<GeneratedSequence>> results =
      generate(model, tokens.mtp ? &mtp : nullptr, prompts, options);
  if (failed(results)) {
    return 1;
  }
  if (!tokens.logits.empty()) {
    if (std::optional<Error> error = writeLogits(tokens, facts.vocab, *results)) {
      return report(*error);
    }
  }
  if (!tokens.recordRouting.empty()) {
    if (std::optional<Error> error = recorded.write(tokens.recordRouting)) {
      return report(*error);
    }
  }
  printResults(tokens, *results);
  llvm::outs().flush();
  if (llvm::outs().has_error()) {
    llvm::outs().clear_error(); // or its destructor aborts
    return report(Error(ErrorKind::Io, "cannot write to standard output"));
  }
  return 0;
}

int interpretMain(int argc, const char *const *argv, const mlir::DialectRegistry &registry) {
  Expected<CommandLine> line = parseCommandLine(argc, argv);
  if (!line) {
    return report(line.error());
  }
  if (line->help) {
    llvm::outs() << usage << tokensHelp(/*interpreter=*/true) << example;
    return 0;
  }
  if (line->version) {
    llvm::outs() << "dsv2-interpret " << DSV2_VERSION << "\n";
    return 0;
  }
  std::string message;
  std::unique_ptr<llvm::MemoryBuffer> buffer = mlir::openInputFile(line->input, &message);
  if (!buffer) {
    return report(Error(ErrorKind::Io, message));
  }
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
  mlir::SourceMgrDiagnosticHandler handler(sources, &context);
  mlir::OwningOpRef<mlir::ModuleOp> module =
      mlir::parseSourceFile<mlir::ModuleOp>(sources, &context);
  if (!module) {
    return 1;
  }
  return runModule(*module, line->tokens);
}

} // namespace dsv2
