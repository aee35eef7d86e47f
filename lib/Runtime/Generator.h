//===- Generator.h - Prompts in, tokens out ---------------------*- C++ -*-===//
//
// Schedules several sequences over the steps of a session. A prompt is cut at
// multiples of one chunk size counted from its beginning, whoever shares the
// step, so that a sequence computes the same alone and in a batch. Sequences
// that still read their prompt and those that generate run in the same steps.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_GENERATOR_H
#define DSV2_LIB_RUNTIME_GENERATOR_H

#include "lib/Runtime/Sampler.h"
#include "lib/Runtime/Session.h"

#include <functional>

namespace dsv2 {

/// One sequence to run.
struct GenerateRequest {
  std::vector<int32_t> prompt;    ///< at least one token
  std::vector<int64_t> positions; ///< empty, or one for each prompt token
  uint64_t maxTokens = 0;         ///< to generate
  const RoutingRecord *routing = nullptr;
};

struct GenerateOptions {
  int64_t chunk = 0; ///< tokens of a prompt in one step; 0: as many as fit
  std::vector<int64_t> stopIds;
  SamplingOptions sampling;
  /// Logits of fed tokens from this one on are passed to onLogits.
  int64_t logitsFrom = 0;

  /// A token that a sequence generated, the stop id included.
  std::function<void(size_t sequence, int32_t token)> onToken;
  /// f32 [rows, vocab] for the tokens `first`, ... that a sequence was fed.
  std::function<void(size_t sequence, int64_t first, int64_t rows, const float *logits)> onLogits;
};

/// What a run did, for reports.
struct GenerateResult {
  std::vector<std::vector<int32_t>> generated; ///< of each request
  int64_t steps = 0;
  int64_t promptTokens = 0;
  double promptSeconds = 0; ///< in steps that read a prompt
  double decodeSeconds = 0; ///< in steps that only generate
  int64_t decodedTokens = 0;
};

/// Runs all requests to their end; the sequences are closed again. Usage for a
/// request that is empty, Limit when the batch, the context or the cache is
/// full, each naming the sequence where one is at fault.
Expected<GenerateResult> generate(Session &session, const std::vector<GenerateRequest> &requests,
                                  const GenerateOptions &options);

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_GENERATOR_H
