//===- ArtifactKernels.cpp - finds an artifact's kernels and times them ---===//
//
// Dispatches of builders "matmul" (with a weight that one checkpoint matrix fills) and
// "latent_attention" (in the sequential schedule) are benchmarked, each kernel once.
//
//===----------------------------------------------------------------------===//
#include "bench/ArtifactKernels.h"

#include "lib/Artifact/Expr.h"
#include "lib/Runtime/DriverRegistry.h"

#include <cstdio>
#include <set>

namespace dsv2::bench {
namespace {

class VariantBench {
public:
  VariantBench(const Variant &variant, const KernelSelection &selection,
               const MachineLimits &limits)
      : variant(variant), selection(selection), limits(limits) {}

  Expected<size_t> run();

private:
  void visit(const Dispatch &dispatch);
  void visitMatmul(const Dispatch &dispatch);
  void visitAttention(const Dispatch &dispatch);
  /// Elements between rows of a buffer argument; 0 where it is none.
  int64_t rowStride(const Arg &arg) const;
  bool isBf16(const Arg &arg) const { return variant.buffers[arg.index].type == ElementType::BF16; }
  RunKernel runner(uint32_t kernel) const {
    return [this, kernel](const uint64_t *slots, int64_t items) {
      KernelCall call{kernel, slots, items};
      if (driver->launch(*code, &call, 1) || driver->synchronize()) {
        std::fprintf(stderr, "error: a launch failed\n");
      }
    };
  }

  const Variant &variant;
  const KernelSelection &selection;
  const MachineLimits &limits;
  std::unique_ptr<Driver> driver;
  std::unique_ptr<DeviceCode> code;
  std::set<uint32_t> seen;
  size_t figures = 0;
};

Expected<size_t> VariantBench::run() {
  DriverRegistry drivers = builtinDrivers();
  const DriverKind *kind = drivers.find(variant.driver);
  if (!kind) {
    return Error(ErrorKind::Unsupported, "variant ", quote(variant.name), " asks for driver ",
                 quote(variant.driver), ", which this build lacks");
  }
  DriverOptions options;
  options.threads = 1;
  Expected<std::unique_ptr<Driver>> made = kind->create(options);
  if (!made) {
    return made.takeError();
  }
  driver = std::move(*made);
  Expected<std::unique_ptr<DeviceCode>> loaded = driver->load(variant.image, variant.kernels);
  if (!loaded) {
    return loaded.takeError();
  }
  code = std::move(*loaded);
  for (const Entry &entry : variant.entries) {
    for (const Step &step : entry.steps) {
      if (!step.isRepeat) {
        visit(step.dispatch);
      }
      for (const Dispatch &dispatch : step.body) {
        visit(dispatch);
      }
    }
  }
  return figures;
}

void VariantBench::visit(const Dispatch &dispatch) {
  const std::string &builder = variant.kernels[dispatch.kernel].builder;
  if (seen.count(dispatch.kernel) != 0) {
    return;
  }
  if (builder == "matmul") {
    visitMatmul(dispatch);
  } else if (builder == "latent_attention") {
    visitAttention(dispatch);
  }
}

int64_t VariantBench::rowStride(const Arg &arg) const {
  if (arg.kind != ArgKind::Buffer) {
    return 0;
  }
  SymbolValues one, two;
  one.fill(1);
  two.fill(1);
  two[size_t(Symbol::Rows)] = two[size_t(Symbol::Wanted)] = 2;
  const Expr &elements = variant.buffers[arg.index].elements;
  return evaluate(elements, two).value_or(0) - evaluate(elements, one).value_or(0);
}

void VariantBench::visitMatmul(const Dispatch &dispatch) {
  const std::vector<Arg> &args = dispatch.args;
  if (args.size() < 4 || args[1].kind != ArgKind::Weight) {
    return;
  }
  const Weight &weight = variant.weights[args[1].index];
  if (weight.sources.size() != 1 || weight.sources[0].shape.size() != 2) {
    return;
  }
  const Arg &out = args[args.size() - 2];
  MatmulShape shape;
  shape.n = weight.sources[0].shape[0];
  shape.k = weight.sources[0].shape[1];
  shape.aRowStride = rowStride(args[0]);
  shape.outRowStride = rowStride(out);
  shape.bf16 = weight.type == ElementType::BF16;
  shape.outBf16 = isBf16(out);
  shape.add = args.size() == 5;
  bool wanted = selection.all || (shape.n == 3072 && shape.k == 2048);
  if (!wanted || shape.aRowStride < shape.k || shape.outRowStride < shape.n) {
    return;
  }
  seen.insert(dispatch.kernel);
  for (int64_t rows : {1, 4, 16, 128, 512}) {
    benchMatmul(variant.name, runner(dispatch.kernel), shape, rows, limits);
    ++figures;
  }
}

void VariantBench::visitAttention(const Dispatch &dispatch) {
  const std::vector<Arg> &args = dispatch.args;
  bool sequential =
      args.size() == 7 && args[2].kind == ArgKind::Cache && args[6].kind == ArgKind::Buffer;
  int64_t rope = 2 * int64_t(variant.ropeInverseFrequencies.size());
  if (!sequential || rope == 0) {
    return;
  }
  const Cache &cache = variant.caches[args[2].index];
  AttentionShape shape;
  // Exact where a cached row has no padding, as in every shipped model.
  shape.rope = rope;
  shape.latent = cache.rowElements - rope;
  shape.heads = shape.latent > 0 ? rowStride(args[6]) / shape.latent : 0;
  shape.qStride = rowStride(args[0]);
  shape.ropeStride = rowStride(args[1]);
  shape.outStride = rowStride(args[6]);
  shape.rowElements = cache.rowElements;
  shape.pageTokens = cache.pageTokens;
  shape.bf16 = cache.type == ElementType::BF16;
  shape.outBf16 = isBf16(args[6]);
  if (shape.heads == 0 || shape.qStride < shape.heads * shape.latent ||
      selection.context > variant.maxContext) {
    return;
  }
  seen.insert(dispatch.kernel);
  benchAttention(variant.name, runner(dispatch.kernel), shape, selection.context, limits);
  ++figures;
}

} // namespace

Expected<size_t> benchVariant(const Variant &variant, const KernelSelection &selection,
                              const MachineLimits &limits) {
  return VariantBench(variant, selection, limits).run();
}

} // namespace dsv2::bench
