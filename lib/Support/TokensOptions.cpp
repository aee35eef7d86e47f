//===- TokensOptions.cpp - The TOKENS flags of the tools ------------------===//
//
// Parsing, cross-checks and help of the flags that both tools share.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/TokensOptions.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace dsv2 {

/// More than any context; keeps sums of counts far from overflow.
static constexpr uint64_t maxCount = uint64_t(1) << 40;

uint64_t TokensOptions::generateLimit(uint64_t room) const {
  if (perplexity) {
    return 0;
  }
  if (!generate) {
    return logits.empty() ? room : 0;
  }
  return std::min(*generate, room);
}

namespace {
/// Stores a flag's value, or keeps the first error.
class FlagStore {
public:
  explicit FlagStore(FlagReader &flags) : flags(flags) {}

  void text(std::string &into) { store(flags.value(), into); }
  void natural(uint64_t &into) { store(flags.natural(0, maxCount), into); }
  void flag(bool &into) {
    error = flags.noValue();
    into = true;
  }
  template <typename From, typename To> void store(Expected<From> value, To &into) {
    if (!value) {
      error = value.takeError();
      return;
    }
    into = std::move(*value);
  }

  std::optional<Error> error;

private:
  FlagReader &flags;
};
} // namespace

Expected<bool> parseTokensFlag(FlagReader &flags, TokensOptions &options) {
  const std::string name = flags.name();
  FlagStore store(flags);
  if (name == "--weights") {
    store.text(options.weights);
  } else if (name == "--tokens") {
    std::vector<int64_t> ids;
    store.store(flags.naturals(std::numeric_limits<int32_t>::max()), ids);
    TokensInput input;
    input.ids.assign(ids.begin(), ids.end());
    options.inputs.push_back(std::move(input));
  } else if (name == "--prompt") {
    TokensInput input;
    input.isText = true;
    store.text(input.text);
    options.inputs.push_back(std::move(input));
  } else if (name == "--positions") {
    std::vector<int64_t> positions;
    store.store(flags.naturals(maxPosition), positions);
    options.positions.push_back(std::move(positions));
  } else if (name == "--generate") {
    uint64_t count = 0;
    store.natural(count);
    options.generate = count;
  } else if (name == "--chunk") {
    store.store(flags.natural(1, maxCount), options.chunk);
  } else if (name == "--logits") {
    store.text(options.logits);
  } else if (name == "--logits-from") {
    store.natural(options.logitsFrom);
  } else if (name == "--record-routing") {
    store.text(options.recordRouting);
  } else if (name == "--replay-routing") {
    store.text(options.replayRouting);
  } else if (name == "--tier") {
    store.text(options.tier);
  } else if (name == "--perplexity") {
    store.flag(options.perplexity);
  } else if (name == "--round") {
    store.flag(options.round);
  } else if (name == "--mtp") {
    store.flag(options.mtp);
  } else if (name == "--ignore-eos") {
    store.flag(options.ignoreEos);
  } else if (name == "--print-ids") {
    store.flag(options.printIds);
  } else {
    return false;
  }
  if (store.error) {
    return std::move(*store.error);
  }
  return true;
}

std::optional<Error> checkTokensOptions(const TokensOptions &options) {
  if (options.inputs.empty()) {
    return Error(ErrorKind::Usage, "nothing to run: expected --tokens or --prompt");
  }
  if (!options.positions.empty() && options.positions.size() != options.inputs.size()) {
    return Error(ErrorKind::Usage, "expected one --positions for each sequence or none, got ",
                 options.positions.size(), " for ", options.inputs.size(), " sequences");
  }
  for (size_t i = 0; i < options.positions.size(); ++i) {
    const TokensInput &input = options.inputs[i];
    if (!input.isText && input.ids.size() != options.positions[i].size()) {
      return Error(ErrorKind::Usage, "sequence ", i, " has ", input.ids.size(), " tokens but ",
                   options.positions[i].size(), " positions");
    }
  }
  if (options.perplexity && options.generate && *options.generate > 0) {
    return Error(ErrorKind::Usage, "--perplexity generates nothing, got --generate ",
                 *options.generate);
  }
  if (options.logitsFrom > 0 && options.logits.empty()) {
    return Error(ErrorKind::Usage, "--logits-from ", options.logitsFrom, " without --logits");
  }
  if (options.mtp && options.logits.empty()) {
    return Error(ErrorKind::Usage, "--mtp without --logits: its logits would go nowhere");
  }
  return std::nullopt;
}

std::string tokensHelp(bool interpreter) {
  std::string help =
      "  --weights DIR          model directory with the weights\n"
      "  --tokens 5,17,3|@FILE  ids between commas, blanks, line ends; repeated: a batch\n";
  if (!interpreter) {
    help += "  --prompt TEXT          text for the directory's tokenizer; repeated: a batch\n";
  }
  help += "  --generate N           at most N further tokens (default: 0 with --logits,\n"
          "                         else until the context's end)\n"
          "  --ignore-eos           an end-of-sequence token ends nothing\n"
          "  --perplexity           of the fed tokens; nothing is generated\n"
          "  --chunk N              feed the prompt N tokens at a time\n"
          "  --positions @FILE      explicit positions, once for each sequence\n"
          "  --logits FILE          f32 logits [tokens, vocab] as safetensors\n"
          "  --logits-from K        rows from token K on only\n"
          "  --print-ids            generated ids only, a line for each sequence\n"
          "  --tier NAME            the variant to run\n";
  if (interpreter) {
    help += "  --round                apply the roundings that the IR states\n"
            "  --mtp                  also run the block of multi-token prediction: mtp_logits\n"
            "                         [tokens - 1, vocab] in the file of --logits\n";
  }
  help += "  --record-routing FILE  write the chosen experts of every layer\n"
          "  --replay-routing FILE  take those instead of the gate's choice\n";
  return help;
}

std::string sequenceTensorName(std::string_view base, uint64_t sequence) {
  return sequence == 0 ? std::string(base) : concat(base, ".", sequence);
}

std::string routingTensorName(uint64_t layer, uint64_t sequence) {
  return sequenceTensorName(concat("layers.", layer, ".experts"), sequence);
}

std::string perplexityReport(double negativeLogLikelihood, uint64_t tokens) {
  double perplexity = tokens == 0 ? 1.0 : std::exp(negativeLogLikelihood / double(tokens));
  return concat("negative log-likelihood ", negativeLogLikelihood, "\nperplexity ", perplexity,
                "\ntokens ", tokens, "\n");
}

} // namespace dsv2
