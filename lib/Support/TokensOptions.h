//===- TokensOptions.h - The TOKENS flags of the tools ----------*- C++ -*-===//
//
// What `dsv2-interpret` and `dsv2-run` are fed and what they write: one struct,
// one parser and one help text, so that the two tools cannot drift apart. Knows
// no LLVM.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_SUPPORT_TOKENSOPTIONS_H
#define DSV2_LIB_SUPPORT_TOKENSOPTIONS_H

#include "lib/Support/FlagReader.h"

#include <cstdint>
#include <string>
#include <vector>

namespace dsv2 {

/// Positions are exact in f32 up to here.
inline constexpr int64_t maxPosition = int64_t(1) << 24;

/// One sequence of the batch, as given: ids, or text for the tokenizer.
struct TokensInput {
  bool isText = false;
  std::string text;
  std::vector<int32_t> ids;
};

/// The TOKENS flags.
struct TokensOptions {
  /// `--weights DIR`: the model directory.
  std::string weights;
  /// `--tokens` and `--prompt`, in the order given: sequences of one batch.
  std::vector<TokensInput> inputs;
  /// `--positions @FILE`: empty, or one list for each input.
  std::vector<std::vector<int64_t>> positions;
  /// `--generate N`; unset: 0 with --logits or --perplexity, else until the
  /// context is full.
  std::optional<uint64_t> generate;
  bool perplexity = false;
  bool round = false;
  /// `--mtp`: also run the block of multi-token prediction on the fed tokens.
  bool mtp = false;
  bool ignoreEos = false;
  bool printIds = false;
  /// `--chunk N`; 0: the whole prompt in one step.
  uint64_t chunk = 0;
  /// `--logits FILE` and the first row of it, `--logits-from K`.
  std::string logits;
  uint64_t logitsFrom = 0;
  std::string recordRouting;
  std::string replayRouting;
  /// `--tier NAME`: the variant; empty: the tool's choice.
  std::string tier;

  /// Tokens to generate at most, given how many the context still holds.
  uint64_t generateLimit(uint64_t room) const;
};

/// Takes the flag that `flags` stands at if it is one of the above. Returns
/// whether it was; the error names flag and value.
Expected<bool> parseTokensFlag(FlagReader &flags, TokensOptions &options);

/// Checks what only the whole command line shows: that there is an input, that
/// positions fit the inputs (ids only: the caller checks texts once they are
/// ids), that nothing contradicts.
std::optional<Error> checkTokensOptions(const TokensOptions &options);

/// The flags as lines of a help text. `interpreter` leaves out `--prompt` and
/// adds `--round` and `--mtp`.
std::string tokensHelp(bool interpreter);

/// The name of a tensor in a file of logits: "logits", "logits.1", ..., and of the
/// block of multi-token prediction "mtp_logits", "mtp_logits.1", ...
std::string sequenceTensorName(std::string_view base, uint64_t sequence);

/// The name of a tensor in a routing file, integers [T, top_k]: the checkpoint's
/// numbers of the experts that each fed token chose in decoder layer `layer` (the
/// checkpoint's number): "layers.3.experts", for later sequences
/// "layers.3.experts.1", ... Written as I32, read as I32 or I64.
std::string routingTensorName(uint64_t layer, uint64_t sequence);

/// What `--perplexity` prints: the negative log-likelihood in nats, summed over
/// `tokens` predicted tokens, its exponential mean, and the count.
///
///   negative log-likelihood 7.5
///   perplexity 12.182493960703473
///   tokens 3
std::string perplexityReport(double negativeLogLikelihood, uint64_t tokens);

} // namespace dsv2

#endif // DSV2_LIB_SUPPORT_TOKENSOPTIONS_H
