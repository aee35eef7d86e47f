//===- Generation.h - Prompts in, logits and ids out ------------*- C++ -*-===//
//
// What `dsv2-interpret` does with its sequences: feed the prompts, in chunks if
// asked, then one greedy token of each unfinished sequence at a time.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_GENERATION_H
#define DSV2_LIB_REFERENCE_GENERATION_H

#include "lib/Reference/Session.h"

#include <string>

namespace dsv2 {

struct GenerationOptions {
  /// Tokens of each prompt per step; 0: all of it.
  uint64_t chunk = 0;
  /// Most tokens to generate for each sequence.
  std::vector<uint64_t> generate;
  /// Ids that end a sequence.
  std::vector<int64_t> eos;
  /// Keep the logits of the fed tokens from this one on, and those of the block of
  /// multi-token prediction where it runs.
  bool keepLogits = false;
  int64_t logitsFrom = 0;
  /// Sum the negative log-likelihood of every fed token but the first.
  bool perplexity = false;
};

/// What came of one sequence.
struct GeneratedSequence {
  std::vector<int32_t> fed;       ///< prompt, then the generated tokens that were fed
  std::vector<int64_t> positions; ///< of the fed tokens
  std::vector<int32_t> generated; ///< the token that ended it included
  std::vector<float> logits;      ///< [kept rows, vocab]
  std::vector<float> mtpLogits;   ///< the same, row t after tokens t and t + 1
  double negativeLogLikelihood = 0;
  int64_t scored = 0; ///< tokens in that sum
};

/// Runs `prompts`; empty positions mean 0, 1, ... `mtp` runs the block of
/// multi-token prediction on the same tokens, or is null. Emits an error on failure.
mlir::FailureOr<std::vector<GeneratedSequence>> generate(Interpreter &model, Interpreter *mtp,
                                                         const std::vector<SequenceFeed> &prompts,
                                                         const GenerationOptions &options);

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_GENERATION_H
