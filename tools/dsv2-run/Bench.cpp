//===- Bench.cpp - Prefill and decode beside the machine's limits ---------===//
//
// Machines are shared and their limits move within minutes, so the limits are
// measured before and after the runs, and every figure comes with its share of
// them. Tokens are random (a fixed seed): text that repeats itself would let
// the caches hold the few experts that it needs.
//
//===----------------------------------------------------------------------===//
#include "tools/dsv2-run/Run.h"

#include "lib/Artifact/Expr.h"
#include "lib/Runtime/Session.h"
#include "lib/Runtime/Workload.h"
#include "lib/Support/CpuTier.h"
#include "tools/dsv2-run/JsonText.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>

using namespace dsv2;

namespace {

/// The result of one kind of run.
struct Figure {
  int64_t tokens = 0;
  double seconds = 0; ///< median
  double bytesPerToken = 0;
  double flops = 0; ///< of all tokens
  double perSecond() const { return static_cast<double>(tokens) / seconds; }
};

class Bench {
public:
  Bench(const CommandLine &line, const Model &model, Session &session)
      : line(line), model(model), session(session) {}

  std::optional<Error> prefill(Figure &figure);
  std::optional<Error> decode(Figure &figure);

private:
  /// Feeds `count` random tokens, `chunk` in a step, to a sequence.
  std::optional<Error> feed(int32_t sequence, int64_t count, int64_t chunk);
  Workload workload(int64_t rows) const;

  const CommandLine &line;
  const Model &model;
  Session &session;
  std::mt19937 random{1};
  std::vector<int32_t> ids;
  /// Keeps the choice of a token from being left out.
  int64_t chosen = 0;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

} // namespace

std::optional<Error> Bench::feed(int32_t sequence, int64_t count, int64_t chunk) {
  int64_t vocab = model.info().vocab;
  for (int64_t done = 0; done < count;) {
    int64_t rows = std::min(chunk, count - done);
    ids.resize(static_cast<size_t>(rows));
    for (int32_t &id : ids) {
      id = static_cast<int32_t>(random() % static_cast<uint64_t>(vocab));
    }
    done += rows;
    StepPart part;
    part.sequence = sequence;
    part.tokens = ids.data();
    part.count = rows;
    part.wantedFrom = done == count || chunk == 1 ? rows - 1 : rows;
    if (std::optional<Error> failure = session.step(&part, 1)) {
      return failure;
    }
    if (part.wantedFrom != rows && session.logits()) {
      chosen += argmax(session.logits(), vocab);
    }
  }
  return std::nullopt;
}

Workload Bench::workload(int64_t rows) const {
  SymbolValues symbols = {rows, 1, 1, rows, model.driver().workers(), 0};
  for (const Entry &entry : model.variant().entries) {
    bool holds = std::all_of(entry.guard.begin(), entry.guard.end(), [&](const Expr &expr) {
      std::optional<int64_t> value = evaluate(expr, symbols);
      return value && *value >= 0;
    });
    if (holds) {
      return countWorkload(model.info(), model.variant(), entry);
    }
  }
  return {};
}

std::optional<Error> Bench::prefill(Figure &figure) {
  int64_t chunk = session.maxStepTokens();
  std::vector<double> times;
  for (int64_t run = 0; run <= line.benchRuns; ++run) {
    Expected<int32_t> sequence = session.open();
    if (!sequence) {
      return sequence.takeError();
    }
    auto begin = std::chrono::steady_clock::now();
    std::optional<Error> failure = feed(*sequence, line.benchPrefill, chunk);
    std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    session.close(*sequence);
    if (failure) {
      return failure;
    }
    // The first run warms up.
    if (run > 0) {
      times.push_back(time.count());
    }
  }
  figure.tokens = line.benchPrefill;
  figure.seconds = median(times);
  Workload work = workload(std::min(chunk, line.benchPrefill));
  int64_t steps = (line.benchPrefill + chunk - 1) / chunk;
  figure.bytesPerToken = static_cast<double>(model.layout().bytes) * static_cast<double>(steps) /
                         static_cast<double>(line.benchPrefill);
  figure.flops = work.rowFlops * static_cast<double>(line.benchPrefill) + work.wantedFlops;
  return std::nullopt;
}

std::optional<Error> Bench::decode(Figure &figure) {
  Expected<int32_t> sequence = session.open();
  if (!sequence) {
    return sequence.takeError();
  }
  std::optional<Error> failure;
  if (line.benchDepth > 0) {
    failure = feed(*sequence, line.benchDepth, session.maxStepTokens());
  }
  std::vector<double> times;
  for (int64_t run = 0; run <= line.benchRuns && !failure; ++run) {
    auto begin = std::chrono::steady_clock::now();
    failure = feed(*sequence, line.benchDecode, 1);
    std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    if (run > 0) {
      times.push_back(time.count());
    }
    if (!failure) {
      failure = session.shorten(*sequence, line.benchDepth);
    }
  }
  session.close(*sequence);
  if (failure) {
    return failure;
  }
  figure.tokens = line.benchDecode;
  figure.seconds = median(times);
  Workload work = workload(1);
  double depth = static_cast<double>(line.benchDepth) + static_cast<double>(figure.tokens) / 2;
  figure.bytesPerToken = work.weightBytes + depth * work.cacheBytesPerToken;
  figure.flops = (work.rowFlops + work.wantedFlops) * static_cast<double>(figure.tokens);
  return std::nullopt;
}

/// The larger of two measurements: a limit is what the machine could do.
static DeviceLimits larger(const DeviceLimits &a, const DeviceLimits &b) {
  DeviceLimits result = a;
  result.readBytesPerSecond = std::max(a.readBytesPerSecond, b.readBytesPerSecond);
  for (size_t i = 0; i < result.peakFlops.size(); ++i) {
    result.peakFlops[i].second = std::max(a.peakFlops[i].second, b.peakFlops[i].second);
  }
  return result;
}

static double peakOf(const DeviceLimits &limits, const std::string &type) {
  for (const auto &[name, flops] : limits.peakFlops) {
    if (name == type) {
      return flops;
    }
  }
  return 0;
}

static std::string describe(const Figure &figure, const DeviceLimits &limits,
                            const std::string &compute) {
  JsonObject object;
  object.integer("tokens", figure.tokens)
      .number("seconds", figure.seconds)
      .number("tokens_per_second", figure.perSecond())
      .number("bytes_per_token", figure.bytesPerToken)
      .number("share_of_read_bandwidth",
              figure.bytesPerToken * figure.perSecond() / limits.readBytesPerSecond)
      .number("share_of_peak", figure.flops / figure.seconds / peakOf(limits, compute));
  return object.str();
}

static void printFigure(const char *name, const Figure &figure, const DeviceLimits &limits,
                        const std::string &compute) {
  std::printf("%-8s %6lld tokens  %10.2f tokens/s  %5.1f%% of the read bandwidth  "
              "%5.1f%% of the %s peak\n",
              name, static_cast<long long>(figure.tokens), figure.perSecond(),
              100 * figure.bytesPerToken * figure.perSecond() / limits.readBytesPerSecond,
              100 * figure.flops / figure.seconds / peakOf(limits, compute), compute.c_str());
}

std::optional<Error> dsv2::runBench(const CommandLine &line) {
  Expected<Checkpoint> checkpoint = Checkpoint::open(line.tokens.weights, WeightData::Required);
  if (!checkpoint) {
    return checkpoint.takeError();
  }
  Expected<std::unique_ptr<Model>> model = openModel(line, *checkpoint);
  if (!model) {
    return model.takeError();
  }
  const Variant &variant = (*model)->variant();
  int64_t context = std::max<int64_t>(
      {1, line.benchPrefill, line.benchDecode == 0 ? 0 : line.benchDepth + line.benchDecode});
  if (context > variant.maxContext) {
    return Error(ErrorKind::Limit, "context overflow: the measurement needs ", context,
                 " tokens, the context holds ", variant.maxContext);
  }
  SessionOptions options;
  options.maxSequences = 1;
  options.maxContext = context;
  options.maxWanted = 1;
  options.cacheBytes = line.cacheMemory;
  Expected<std::unique_ptr<Session>> session = Session::create(**model, options);
  if (!session) {
    return session.takeError();
  }

  const DriverRegistry drivers = builtinDrivers();
  const DriverKind *kind = drivers.find(variant.driver);
  Expected<DeviceLimits> before = kind->measureLimits({line.threads}, variant.tier);
  if (!before) {
    return before.takeError();
  }
  Bench bench(line, **model, **session);
  Figure prefill, decode;
  std::optional<Error> failure;
  if (line.benchPrefill > 0) {
    failure = bench.prefill(prefill);
  }
  if (!failure && line.benchDecode > 0) {
    failure = bench.decode(decode);
  }
  if (failure) {
    return failure;
  }
  Expected<DeviceLimits> after = kind->measureLimits({line.threads}, variant.tier);
  if (!after) {
    return after.takeError();
  }
  DeviceLimits limits = larger(*before, *after);

  JsonObject peaks;
  for (const auto &[type, flops] : limits.peakFlops) {
    peaks.number(type, flops / 1e9);
  }
  JsonObject machine;
  machine.number("read_gb_s", limits.readBytesPerSecond / 1e9)
      .raw("peak_gflop_s", peaks.str())
      .text("cpu", hostCpuName())
      .text("tier", variant.name)
      .integer("threads", (*model)->driver().workers());
  if (line.json) {
    JsonObject object;
    if (prefill.tokens > 0) {
      object.raw("prefill", describe(prefill, limits, variant.compute));
    }
    if (decode.tokens > 0) {
      object.raw("decode", describe(decode, limits, variant.compute));
    }
    object.raw("machine", machine.str());
    std::printf("%s\n", object.str().c_str());
    return std::nullopt;
  }
  if (prefill.tokens > 0) {
    printFigure("prefill", prefill, limits, variant.compute);
  }
  if (decode.tokens > 0) {
    printFigure("decode", decode, limits, variant.compute);
  }
  std::printf("machine  %s, %s, %lld threads: reads %.1f GB/s", hostCpuName().c_str(),
              variant.name.c_str(), static_cast<long long>((*model)->driver().workers()),
              limits.readBytesPerSecond / 1e9);
  for (const auto &[type, flops] : limits.peakFlops) {
    std::printf(", %s %.0f GFLOP/s", type.c_str(), flops / 1e9);
  }
  std::printf("\n");
  return std::nullopt;
}
