//===- Generation.cpp - Prompts in, logits and ids out --------------------===//
//
// Greedy: the largest logit, ties to the lowest id.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Generation.h"

#include <algorithm>
#include <cmath>

namespace dsv2 {

namespace {

class Generator {
public:
  Generator(Interpreter &model, Interpreter *mtp, const std::vector<SequenceFeed> &prompts,
            const GenerationOptions &options)
      : session(model, mtp, int64_t(prompts.size())), prompts(prompts), options(options),
        hasMtp(mtp != nullptr), results(prompts.size()), next(prompts.size()) {}

  mlir::FailureOr<std::vector<GeneratedSequence>> run() {
    if (failed(feedPrompts()) || failed(feedGenerated())) {
      return mlir::failure();
    }
    return std::move(results);
  }

private:
  mlir::LogicalResult feedPrompts() {
    size_t longest = 0;
    for (const SequenceFeed &prompt : prompts) {
      longest = std::max(longest, prompt.tokens.size());
    }
    size_t chunk = options.chunk == 0 ? longest : std::min<size_t>(options.chunk, longest);
    for (size_t begin = 0; begin < longest; begin += chunk) {
      std::vector<SequenceFeed> feeds(prompts.size());
      for (size_t s = 0; s < prompts.size(); ++s) {
        for (size_t i = begin; i < std::min(begin + chunk, prompts[s].tokens.size()); ++i) {
          feeds[s].tokens.push_back(prompts[s].tokens[i]);
          feeds[s].positions.push_back(prompts[s].positions.empty() ? int64_t(i)
                                                                    : prompts[s].positions[i]);
        }
      }
      if (failed(step(feeds))) {
        return mlir::failure();
      }
    }
    return mlir::success();
  }

  mlir::LogicalResult feedGenerated() {
    while (true) {
      std::vector<SequenceFeed> feeds(prompts.size());
      bool any = false;
      for (size_t s = 0; s < prompts.size(); ++s) {
        GeneratedSequence &result = results[s];
        if (finished(s)) {
          continue;
        }
        result.generated.push_back(next[s]);
        if (finished(s)) {
          continue;
        }
        feeds[s] = {{next[s]}, {result.positions.back() + 1}};
        any = true;
      }
      if (!any) {
        return mlir::success();
      }
      if (failed(step(feeds))) {
        return mlir::failure();
      }
    }
  }

  bool finished(size_t s) const {
    const std::vector<int32_t> &ids = results[s].generated;
    bool ended = !ids.empty() && std::count(options.eos.begin(), options.eos.end(), ids.back());
    return ended || ids.size() >= options.generate[s];
  }

  /// Feeds, and takes from the logits what is asked for.
  mlir::LogicalResult step(const std::vector<SequenceFeed> &feeds) {
    std::vector<int64_t> firstWanted;
    for (size_t s = 0; s < feeds.size(); ++s) {
      // The last row is needed to go on, rows from the first kept one on are asked for.
      int64_t last = session.length(int64_t(s)) + int64_t(feeds[s].tokens.size()) - 1;
      int64_t first = options.perplexity   ? 0
                      : options.keepLogits ? std::min(options.logitsFrom, last)
                                           : last;
      firstWanted.push_back(first);
    }
    mlir::FailureOr<StepResult> result = session.feed(feeds, firstWanted);
    if (failed(result)) {
      return mlir::failure();
    }
    int64_t row = 0;
    for (size_t s = 0; s < feeds.size(); ++s) {
      GeneratedSequence &into = results[s];
      into.fed.insert(into.fed.end(), feeds[s].tokens.begin(), feeds[s].tokens.end());
      into.positions.insert(into.positions.end(), feeds[s].positions.begin(),
                            feeds[s].positions.end());
      int64_t rows = session.wantedRows(int64_t(s));
      for (int64_t i = 0; i < rows; ++i, ++row) {
        takeRow(s, int64_t(into.fed.size()) - rows + i, *result->logits, row);
      }
    }
    if (hasMtp && options.keepLogits && session.mtpResult().logits) {
      takeMtpRows(*session.mtpResult().logits);
    }
    return mlir::success();
  }

  void takeMtpRows(const Tensor &logits) {
    int64_t row = 0;
    for (size_t s = 0; s < results.size(); ++s) {
      int64_t begin = session.mtpBegin(int64_t(s)), rows = session.mtpRows(int64_t(s));
      for (int64_t i = 0; i < rows; ++i, ++row) {
        if (begin + i >= options.logitsFrom) {
          std::vector<float> &into = results[s].mtpLogits;
          into.insert(into.end(), logits.row(row), logits.row(row) + logits.dim(1));
        }
      }
    }
  }

  /// `place`: which token of the sequence the row of logits follows.
  void takeRow(size_t s, int64_t place, const Tensor &logits, int64_t row) {
    GeneratedSequence &into = results[s];
    const double *values = logits.row(row);
    int64_t vocab = logits.dim(1);
    if (options.keepLogits && place >= options.logitsFrom) {
      into.logits.insert(into.logits.end(), values, values + vocab);
    }
    next[s] = int32_t(std::max_element(values, values + vocab) - values);
    const std::vector<int32_t> &prompt = prompts[s].tokens;
    if (options.perplexity && place + 1 < int64_t(prompt.size())) {
      double largest = values[next[s]], sum = 0;
      for (int64_t i = 0; i < vocab; ++i) {
        sum += std::exp(values[i] - largest);
      }
      into.negativeLogLikelihood += std::log(sum) + largest - values[prompt[place + 1]];
      ++into.scored;
    }
  }

  Session session;
  const std::vector<SequenceFeed> &prompts;
  const GenerationOptions &options;
  bool hasMtp;
  std::vector<GeneratedSequence> results;
  /// The greedy choice after each sequence's last row.
  std::vector<int32_t> next;
};

} // namespace

mlir::FailureOr<std::vector<GeneratedSequence>> generate(Interpreter &model, Interpreter *mtp,
                                                         const std::vector<SequenceFeed> &prompts,
                                                         const GenerationOptions &options) {
  return Generator(model, mtp, prompts, options).run();
}

} // namespace dsv2
