//===- Session.cpp - Sequences fed to the oracle, step by step ------------===//
//
// A step's rows stand in the order of the sequences.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Session.h"

namespace dsv2 {

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
  return interpreter.run(IntTensor({rows}, std::move(tokens)), step, cache);
}

} // namespace dsv2
