//===- Generator.cpp - Prompts in, tokens out -----------------------------===//
//
// One loop: fill a step with whatever fits, run it, take its logits.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/Generator.h"

#include <algorithm>
#include <chrono>

using namespace dsv2;

namespace {

/// A request on its way.
struct Progress {
  int32_t sequence = -1;
  int64_t fed = 0; ///< tokens in the context
  bool done = false;
  std::vector<int32_t> generated;
  Sampler sampler;
};

/// Closes what it opened, whatever happens.
class Run {
public:
  Run(Session &session, const std::vector<GenerateRequest> &requests,
      const GenerateOptions &options)
      : session(session), requests(requests), options(options) {}
  ~Run() {
    for (Progress &progress : all) {
      session.close(progress.sequence);
    }
  }

  std::optional<Error> open();
  std::optional<Error> run();
  GenerateResult result;

private:
  bool addPart(size_t index);
  void takeLogits();
  void finish(size_t index);
  bool readsPrompt(size_t index) const {
    return all[index].fed < static_cast<int64_t>(requests[index].prompt.size());
  }

  Session &session;
  const std::vector<GenerateRequest> &requests;
  const GenerateOptions &options;
  int64_t chunk = 0;
  std::vector<Progress> all;
  /// The step at hand: its parts, and whose they are.
  std::vector<StepPart> parts;
  std::vector<size_t> owners;
  int64_t rows = 0, wanted = 0;
};

} // namespace

std::optional<Error> Run::open() {
  if (requests.size() > static_cast<size_t>(session.maxSequences())) {
    return Error(ErrorKind::Limit, "batch overflow: ", requests.size(), " sequences, at most ",
                 session.maxSequences(), " run together");
  }
  bool needsLogits = options.onLogits != nullptr ||
                     std::any_of(requests.begin(), requests.end(),
                                 [](const GenerateRequest &one) { return one.maxTokens != 0; });
  if (needsLogits && !session.logits()) {
    return Error(ErrorKind::Unsupported, "variant ", quote(session.model().variant().name),
                 " has no output 'logits' to take tokens from");
  }
  chunk = session.maxStepTokens();
  if (options.chunk > 0) {
    chunk = std::min(chunk, options.chunk);
  }
  if (options.onLogits) {
    chunk = std::min(chunk, session.maxWanted());
  }
  all.reserve(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    const GenerateRequest &request = requests[i];
    int64_t length = static_cast<int64_t>(request.prompt.size());
    if (length == 0) {
      return Error(ErrorKind::Usage, "sequence ", i, " has no tokens");
    }
    if (length > session.maxContext()) {
      return Error(ErrorKind::Limit, "context overflow: sequence ", i, " has ", length,
                   " tokens, the context holds ", session.maxContext());
    }
    if (!request.positions.empty() && request.positions.size() != request.prompt.size()) {
      return Error(ErrorKind::Usage, "sequence ", i, " has ", length, " tokens but ",
                   request.positions.size(), " positions");
    }
    Expected<int32_t> sequence = session.open();
    if (!sequence) {
      return sequence.takeError();
    }
    all.push_back({*sequence, 0, false, {}, Sampler(options.sampling, i)});
    all.back().generated.reserve(
        std::min<uint64_t>(request.maxTokens, static_cast<uint64_t>(session.maxContext())));
  }
  parts.reserve(requests.size());
  owners.reserve(requests.size());
  return std::nullopt;
}

/// Adds the next rows of a request to the step if they fit.
bool Run::addPart(size_t index) {
  Progress &progress = all[index];
  const GenerateRequest &request = requests[index];
  StepPart part;
  part.sequence = progress.sequence;
  part.routing = request.routing;
  part.routingFrom = progress.fed;
  bool samples = request.maxTokens > 0;
  if (readsPrompt(index)) {
    int64_t length = static_cast<int64_t>(request.prompt.size());
    int64_t cut = std::min(length, (progress.fed / chunk + 1) * chunk);
    part.tokens = request.prompt.data() + progress.fed;
    part.count = cut - progress.fed;
    part.positions = request.positions.empty() ? nullptr : request.positions.data() + progress.fed;
    samples = samples && cut == length;
  } else {
    part.tokens = &progress.generated.back();
    part.count = 1;
  }
  part.wantedFrom = part.count;
  if (options.onLogits) {
    part.wantedFrom = std::clamp<int64_t>(options.logitsFrom - progress.fed, 0, part.count);
  }
  if (samples) {
    part.wantedFrom = std::min(part.wantedFrom, part.count - 1);
  }
  int64_t more = part.count - part.wantedFrom;
  if (rows + part.count > session.maxStepTokens() || wanted + more > session.maxWanted()) {
    return false;
  }
  rows += part.count;
  wanted += more;
  parts.push_back(part);
  owners.push_back(index);
  return true;
}

void Run::finish(size_t index) {
  all[index].done = true;
  session.close(all[index].sequence);
  all[index].sequence = -1;
}

void Run::takeLogits() {
  const float *logits = session.logits();
  int64_t vocab = session.model().info().vocab;
  for (size_t p = 0; p < parts.size(); ++p) {
    const StepPart &part = parts[p];
    size_t index = owners[p];
    Progress &progress = all[index];
    int64_t count = part.count - part.wantedFrom;
    int64_t first = progress.fed + part.wantedFrom;
    int64_t skipped = std::clamp<int64_t>(options.logitsFrom - first, 0, count);
    if (options.onLogits && skipped < count) {
      options.onLogits(index, first + skipped, count - skipped, logits + skipped * vocab);
    }
    logits += count * vocab;
    progress.fed += part.count;
    if (readsPrompt(index)) {
      continue;
    }
    if (requests[index].maxTokens == 0) {
      finish(index);
      continue;
    }
    int32_t token = progress.sampler.next(logits - vocab, vocab);
    progress.generated.push_back(token);
    if (options.onToken) {
      options.onToken(index, token);
    }
    bool stops =
        std::find(options.stopIds.begin(), options.stopIds.end(), token) != options.stopIds.end();
    if (stops || progress.generated.size() >= requests[index].maxTokens) {
      finish(index);
    }
  }
}

std::optional<Error> Run::run() {
  size_t count = requests.size();
  // Who did not fit the last step is first in the next.
  size_t start = 0;
  while (true) {
    parts.clear();
    owners.clear();
    rows = wanted = 0;
    bool prompts = false;
    size_t next = count;
    for (size_t i = 0; i < count; ++i) {
      size_t index = (start + i) % count;
      if (all[index].done) {
        continue;
      }
      if (addPart(index)) {
        prompts = prompts || readsPrompt(index);
      } else if (next == count) {
        next = index;
      }
    }
    if (parts.empty()) {
      break;
    }
    start = next == count ? 0 : next;
    auto begin = std::chrono::steady_clock::now();
    if (std::optional<Error> failure = session.step(parts.data(), parts.size())) {
      return failure;
    }
    double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    ++result.steps;
    (prompts ? result.promptSeconds : result.decodeSeconds) += seconds;
    if (prompts) {
      for (size_t p = 0; p < parts.size(); ++p) {
        result.promptTokens += readsPrompt(owners[p]) ? parts[p].count : 0;
      }
    } else {
      result.decodedTokens += static_cast<int64_t>(parts.size());
    }
    takeLogits();
  }
  for (Progress &progress : all) {
    if (!progress.done) {
      return Error(ErrorKind::Limit, "a chunk of ", chunk, " tokens fits no step");
    }
    result.generated.push_back(std::move(progress.generated));
  }
  return std::nullopt;
}

Expected<GenerateResult> dsv2::generate(Session &session,
                                        const std::vector<GenerateRequest> &requests,
                                        const GenerateOptions &options) {
  Run run(session, requests, options);
  std::optional<Error> failure = run.open();
  if (!failure) {
    failure = run.run();
  }
  if (failure) {
    return *failure;
  }
  return std::move(run.result);
}
