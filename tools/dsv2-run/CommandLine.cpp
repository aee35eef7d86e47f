//===- CommandLine.cpp - The flags of dsv2-run ----------------------------===//
//
// Parsing, cross-checks, help.
//
//===----------------------------------------------------------------------===//
#include "tools/dsv2-run/CommandLine.h"

#include "lib/Artifact/Trust.h"
#include "lib/Support/CheckedMath.h"

#include <charconv>
#include <limits>

using namespace dsv2;

static std::string helpText() {
  return "usage: dsv2-run model.dsv2 --weights DIR TOKENS [flags]\n"
         "\n"
         "Runs a compiled model. Text goes to standard output as it comes.\n"
         "\n"
         "example:\n"
         "  dsv2-run model.dsv2 --weights models/kjv-v2 --prompt \"In the beginning\" --generate "
         "64\n"
         "\n"
         "TOKENS:\n" +
         tokensHelp(false) +
         "\n"
         "flags:\n"
         "  --threads N            workers (default: one per CPU)\n"
         "  --temperature T        0: always the most likely token (default)\n"
         "  --top-k K, --top-p P   sample among the K likeliest, or those that reach P together\n"
         "  --seed S               of the random numbers (default 0)\n"
         "  --speculate K          drafts of a step; only 0 until the block of multi-token\n"
         "                         prediction is compiled\n"
         "  --stop ID              ends a sequence like its EOS; may be repeated\n"
         "  --json                 one JSON object instead of text\n"
         "  --quiet                no notes on standard error\n"
         "  --trust-code           run code that this machine did not compile\n"
         "  --cache-dir DIR|none   prepared weights and records of trust\n"
         "                         (default: $XDG_CACHE_HOME/dsv2)\n"
         "  --cache-memory SIZE    for the KV cache: 512M, 2G, ... (default: what is needed)\n"
         "  --prepare-only         prepare the weights and stop\n"
         "  --check on|off         of variants ARCH:simt: bounds, races, waits (default on)\n"
         "  --driver NAME          give the program to this driver: null computes nothing\n"
         "  --shuffle-pages SEED   test aid: cache pages in random order, NaN where nothing is "
         "cached\n"
         "  --bench                measure prefill and decode beside the machine's limits:\n"
         "  --bench-prefill N      tokens of the prompt (default 512; 0: none)\n"
         "  --bench-decode N       tokens to decode (default 64; 0: none)\n"
         "  --bench-depth N        tokens in the cache before (default 0)\n"
         "  --bench-runs N         runs, the median counts (default 3)\n"
         "  --help, --version\n";
}

std::optional<uint64_t> dsv2::parseSize(const std::string &text) {
  uint64_t number = 0;
  std::from_chars_result end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end.ec != std::errc() || number == 0) {
    return std::nullopt;
  }
  std::string unit(end.ptr, text.data() + text.size());
  for (const char *suffix : {"iB", "B"}) {
    size_t length = std::string(suffix).size();
    if (unit.size() >= length && unit.compare(unit.size() - length, length, suffix) == 0) {
      unit.resize(unit.size() - length);
      break;
    }
  }
  if (unit.empty()) {
    return number;
  }
  size_t power = std::string("KMGT").find(unit);
  if (unit.size() != 1 || power == std::string::npos) {
    return std::nullopt;
  }
  return checkedMul(number, uint64_t(1) << (10 * (power + 1)));
}

namespace {

/// Reads the flags that TOKENS does not have.
class Parser {
public:
  Parser(int argc, const char *const *argv) : flags(argc, argv) {}
  Expected<CommandLine> parse();

private:
  /// Whether the flag at hand is one of ours.
  bool ownFlag();
  bool benchFlag();
  bool samplingFlag();
  bool speculationFlag();
  void on(bool &into) {
    error = flags.noValue();
    into = true;
  }
  template <typename T> void natural(T &into, uint64_t min, uint64_t max) {
    Expected<uint64_t> value = flags.natural(min, max);
    if (value) {
      into = static_cast<T>(*value);
    } else {
      error = value.takeError();
    }
  }
  void number(double &into, double min, double max) {
    Expected<double> value = flags.number(min, max);
    if (value) {
      into = *value;
    } else {
      error = value.takeError();
    }
  }
  std::string text() {
    Expected<std::string> value = flags.value();
    if (value) {
      return *value;
    }
    error = value.takeError();
    return {};
  }
  std::optional<Error> check() const;

  FlagReader flags;
  CommandLine line;
  bool help = false, version = false, temperatureGiven = false, samples = false;
  std::optional<Error> error;
};

} // namespace

bool Parser::benchFlag() {
  constexpr uint64_t kMost = 1u << 24;
  const std::string &name = flags.name();
  if (name == "--bench") {
    on(line.bench);
  } else if (name == "--bench-prefill") {
    natural(line.benchPrefill, 0, kMost);
  } else if (name == "--bench-decode") {
    natural(line.benchDecode, 0, kMost);
  } else if (name == "--bench-depth") {
    natural(line.benchDepth, 0, kMost);
  } else if (name == "--bench-runs") {
    natural(line.benchRuns, 1, 1000);
  } else {
    return false;
  }
  return true;
}

bool Parser::samplingFlag() {
  const std::string &name = flags.name();
  if (name == "--temperature") {
    number(line.sampling.temperature, 0, 1000);
    temperatureGiven = true;
  } else if (name == "--top-k") {
    natural(line.sampling.topK, 0, std::numeric_limits<uint32_t>::max());
    samples = true;
  } else if (name == "--top-p") {
    number(line.sampling.topP, 0, 1);
    samples = true;
  } else if (name == "--seed") {
    natural(line.sampling.seed, 0, std::numeric_limits<uint64_t>::max());
  } else {
    return false;
  }
  return true;
}

/// Drafts come from the block of multi-token prediction, which no variant holds yet.
bool Parser::speculationFlag() {
  constexpr uint64_t kMostDrafts = 64;
  if (flags.name() != "--speculate") {
    return false;
  }
  uint64_t drafts = 0;
  natural(drafts, 0, kMostDrafts);
  if (!error && drafts != 0) {
    error = Error(ErrorKind::Unsupported, "--speculate ", drafts,
                  ": artifacts do not hold the block of multi-token prediction (@mtp) yet; leave "
                  "the flag out or give 0");
  }
  return true;
}

bool Parser::ownFlag() {
  const std::string &name = flags.name();
  if (name == "--help" || name == "-h") {
    on(help);
  } else if (name == "--version") {
    on(version);
  } else if (name == "--threads") {
    natural(line.threads, 1, 1024);
  } else if (name == "--stop") {
    int64_t id = 0;
    natural(id, 0, std::numeric_limits<int32_t>::max());
    line.stopIds.push_back(id);
  } else if (name == "--cache-dir") {
    line.cacheDirectory = text();
  } else if (name == "--cache-memory") {
    std::string size = text();
    std::optional<uint64_t> bytes = parseSize(size);
    if (!error && !bytes) {
      error = Error(ErrorKind::Usage, "flag '--cache-memory' expects a size such as 512M or 2G, ",
                    "got ", quote(size));
    }
    line.cacheMemory = bytes.value_or(0);
  } else if (name == "--shuffle-pages") {
    natural(line.pageSeed, 1, std::numeric_limits<uint64_t>::max());
  } else if (name == "--check") {
    std::string value = text();
    if (!error && value != "on" && value != "off") {
      error = Error(ErrorKind::Usage, "flag '--check' expects on or off, got ", quote(value));
    }
    line.check = value != "off";
  } else if (name == "--driver") {
    line.driver = text();
  } else if (name == "--trust-code") {
    on(line.trustCode);
  } else if (name == "--prepare-only") {
    on(line.prepareOnly);
  } else if (name == "--quiet") {
    on(line.quiet);
  } else if (name == "--json") {
    on(line.json);
  } else {
    return samplingFlag() || speculationFlag() || benchFlag();
  }
  return true;
}

std::optional<Error> Parser::check() const {
  if (line.artifact.empty()) {
    return Error(ErrorKind::Usage,
                 "no artifact: expected dsv2-run model.dsv2 --weights DIR TOKENS");
  }
  if (line.tokens.weights.empty()) {
    return Error(ErrorKind::Usage, "no weights: expected --weights DIR");
  }
  if (line.tokens.round || !line.tokens.recordRouting.empty()) {
    return Error(ErrorKind::Usage, line.tokens.round ? "--round" : "--record-routing",
                 " is a flag of dsv2-interpret");
  }
  if (line.tokens.mtp) {
    return Error(ErrorKind::Unsupported, "--mtp: artifacts do not hold the block of multi-token "
                                         "prediction (@mtp) yet; dsv2-interpret runs it");
  }
  if (line.prepareOnly && (line.cacheDirectory.empty() || line.cacheDirectory == "none")) {
    return Error(ErrorKind::Usage, "--prepare-only without a cache directory keeps nothing");
  }
  if (line.bench || line.prepareOnly) {
    return std::nullopt;
  }
  return checkTokensOptions(line.tokens);
}

Expected<CommandLine> Parser::parse() {
  line.cacheDirectory = defaultCacheDirectory();
  while (flags.next()) {
    if (!ownFlag()) {
      Expected<bool> taken = parseTokensFlag(flags, line.tokens);
      if (!taken) {
        return taken.takeError();
      }
      if (!*taken && flags.isFlag()) {
        return Error(ErrorKind::Usage, "unknown flag ", quote(flags.name()), "; see --help");
      }
      if (!*taken && !line.artifact.empty()) {
        return Error(ErrorKind::Usage, "more than one artifact: ", quote(line.artifact), " and ",
                     quote(flags.name()));
      }
      if (!*taken) {
        line.artifact = flags.name();
      }
    }
    if (error) {
      return *error;
    }
    if (help || version) {
      line.message = help ? helpText() : "dsv2-run " DSV2_VERSION "\n";
      return std::move(line);
    }
  }
  if (samples && !temperatureGiven) {
    line.sampling.temperature = 1;
  }
  if (std::optional<Error> failure = check()) {
    return *failure;
  }
  return std::move(line);
}

Expected<CommandLine> dsv2::parseCommandLine(int argc, const char *const *argv) {
  return Parser(argc, argv).parse();
}
