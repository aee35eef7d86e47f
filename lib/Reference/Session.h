//===- Session.h - Sequences fed to the oracle, step by step ----*- C++ -*-===//
//
// Keeps the cache and what each sequence has been fed, and makes steps of it:
// whole prompts, chunks, or one token of each sequence.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_REFERENCE_SESSION_H
#define DSV2_LIB_REFERENCE_SESSION_H

#include "lib/Reference/Interpreter.h"

namespace dsv2 {

/// What one sequence gets in a step; nothing: it waits.
struct SequenceFeed {
  std::vector<int32_t> tokens;
  std::vector<int64_t> positions;
};

class Session {
public:
  Session(Interpreter &interpreter, int64_t sequences)
      : interpreter(interpreter), cache(interpreter.makeCache(sequences)), lengths(sequences) {}

  /// Tokens fed to a sequence so far.
  int64_t length(int64_t sequence) const { return lengths[sequence]; }

  /// Runs one step. `firstWanted[s]`: logits of sequence s are wanted from the
  /// token with that place in the sequence on. Results are rows in the order of
  /// the sequences; `wantedRows(s)` says how many are those of s.
  mlir::FailureOr<StepResult> feed(const std::vector<SequenceFeed> &feeds,
                                   const std::vector<int64_t> &firstWanted);
  int64_t wantedRows(int64_t sequence) const { return wanted[sequence]; }

private:
  Interpreter &interpreter;
  LatentCache cache;
  std::vector<int64_t> lengths;
  std::vector<int64_t> wanted;
};

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_SESSION_H
