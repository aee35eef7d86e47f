//===- Session.cpp - Sequences fed to the oracle, step by step ------------===//
//
// A step's rows stand in the order of the sequences. The block of multi-token
// prediction is one token behind: its row for a token needs the token after it, so
// the state after a chunk's last token waits for the next chunk.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Session.h"

#include <algorithm>

namespace dsv2 {

Session::Session(Interpreter &model, Interpreter *mtp, int64_t sequences)
    : model(model), mtp(mtp), cache(model.makeCache(sequences)), lengths(sequences),
      waiting(sequences) {
  if (mtp) {
    mtpCache = mtp->makeCache(sequences);
  }
}

mlir::FailureOr<StepResult> Session::feed(const std::vector<SequenceFeed> &feeds,
                                          const std::vector<int64_t> &firstWanted) {
  Step step;
  std::vector<int64_t> tokens;
  wanted.assign(feeds.size(), 0);
  for (size_t s = 0; s < feeds.size(); ++s) {
    for (size_t i = 0; i < feeds[s].tokens.size(); ++i) {
      int64_t index = lengths[s]++;
      if (index >= firstWanted[s]) {
        step.wanted.push_back(step.rowCount());
        ++wanted[s];
      }
      step.rows.push_back({int64_t(s), feeds[s].positions[i], index});
      tokens.push_back(feeds[s].tokens[i]);
    }
  }
  step.contexts = lengths;
  int64_t rows = int64_t(tokens.size());
  mlir::FailureOr<StepResult> result = model.run(IntTensor({rows}, std::move(tokens)), step, cache);
  if (succeeded(result) && mtp && failed(feedMtp(feeds, *result->hidden))) {
    return mlir::failure();
  }
  return result;
}

mlir::LogicalResult Session::feedMtp(const std::vector<SequenceFeed> &feeds, const Tensor &hidden) {
  Step step;
  std::vector<int64_t> tokens;
  std::vector<double> states;
  predictedRows.assign(feeds.size(), 0);
  predictedBegin.assign(feeds.size(), 0);
  int64_t modelRow = 0;
  for (size_t s = 0; s < feeds.size(); ++s) {
    Waiting &before = waiting[s];
    int64_t index = lengths[s] - int64_t(feeds[s].tokens.size()); // of the token fed
    predictedBegin[s] = std::max<int64_t>(0, index - 1);
    for (size_t i = 0; i < feeds[s].tokens.size(); ++i, ++index, ++modelRow) {
      if (index > 0) {
        step.wanted.push_back(step.rowCount());
        step.rows.push_back({int64_t(s), before.position, index - 1});
        tokens.push_back(feeds[s].tokens[i]);
        states.insert(states.end(), before.hidden.begin(), before.hidden.end());
        ++predictedRows[s];
      }
      before.hidden.assign(hidden.row(modelRow), hidden.row(modelRow) + hidden.dim(1));
      before.position = feeds[s].positions[i];
    }
    step.contexts.push_back(std::max<int64_t>(0, lengths[s] - 1));
  }
  predicted = {};
  int64_t rows = step.rowCount();
  if (rows == 0) {
    return mlir::success();
  }
  mlir::FailureOr<StepResult> result =
      mtp->runMtp(IntTensor({rows}, std::move(tokens)),
                  Tensor({rows, hidden.dim(1)}, std::move(states)), step, mtpCache);
  if (failed(result)) {
    return mlir::failure();
  }
  predicted = std::move(*result);
  return mlir::success();
}

} // namespace dsv2
