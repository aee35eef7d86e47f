//===- Session.h - Sequences fed to the oracle, step by step ----*- C++ -*-===//
//
// Keeps the caches and what each sequence has been fed, and makes steps of it:
// whole prompts, chunks, or one token of each sequence. With the block of
// multi-token prediction beside the model, each token is also fed to it as soon as
// the token that follows is known.
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
  /// `mtp` runs the block of multi-token prediction; null: it is left out.
  Session(Interpreter &model, Interpreter *mtp, int64_t sequences);

  /// Tokens fed to a sequence so far.
  int64_t length(int64_t sequence) const { return lengths[sequence]; }

  /// Runs one step. `firstWanted[s]`: logits of sequence s are wanted from the
  /// token with that place in the sequence on. Results are rows in the order of
  /// the sequences; `wantedRows(s)` says how many are those of s.
  mlir::FailureOr<StepResult> feed(const std::vector<SequenceFeed> &feeds,
                                   const std::vector<int64_t> &firstWanted);
  int64_t wantedRows(int64_t sequence) const { return wanted[sequence]; }

  /// What the block made of the last feed, all rows wanted, in the order of the
  /// sequences: `mtpRows(s)` of s, the first after the token `mtpBegin(s)` of it.
  /// Without rows the tensors are null.
  const StepResult &mtpResult() const { return predicted; }
  int64_t mtpRows(int64_t sequence) const { return predictedRows[sequence]; }
  int64_t mtpBegin(int64_t sequence) const { return predictedBegin[sequence]; }

private:
  mlir::LogicalResult feedMtp(const std::vector<SequenceFeed> &feeds, const Tensor &hidden);

  Interpreter &model;
  Interpreter *mtp;
  Cache cache;
  Cache mtpCache;
  std::vector<int64_t> lengths;
  std::vector<int64_t> wanted;

  /// The state after the last token of a sequence, which waits for the next one.
  struct Waiting {
    std::vector<double> hidden;
    int64_t position = 0;
  };
  std::vector<Waiting> waiting;
  StepResult predicted;
  std::vector<int64_t> predictedRows;
  std::vector<int64_t> predictedBegin;
};

} // namespace dsv2

#endif // DSV2_LIB_REFERENCE_SESSION_H
