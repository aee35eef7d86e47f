//===- Kernels.cpp - benchmarks the kernels of an artifact ----------------===//
//
//   dsv2-bench-kernels MODEL.dsv2 [--context N] [--all] [--cache-dir DIR] [--trust-code]
//
// Loads the code of every variant that this CPU runs through the runtime's driver, on one thread,
// and prints matmul and decode attention beside the limits of the same run.
//
//===----------------------------------------------------------------------===//
#include "bench/ArtifactKernels.h"
#include "lib/Artifact/Artifact.h"
#include "lib/Artifact/Trust.h"
#include "lib/Support/CpuTier.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace dsv2;

namespace {

constexpr const char *kUsage =
    "usage: dsv2-bench-kernels MODEL.dsv2 [options]\n"
    "  --context N       cached tokens of decode attention (default 4096)\n"
    "  --all             every matmul of the artifact, not only 2048 x 3072\n"
    "  --cache-dir DIR   where trusted artifacts are recorded\n"
    "  --trust-code      run the artifact's code without a record\n"
    "example: dsv2-bench-kernels lite2.dsv2 --context 4096\n";

int fail(const std::string &message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return 1;
}

} // namespace

int main(int argc, char **argv) {
  std::string path, cacheDirectory = defaultCacheDirectory();
  bench::KernelSelection selection;
  bool trust = false;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument == "--help") {
      std::fputs(kUsage, stdout);
      return 0;
    }
    if (argument == "--all") {
      selection.all = true;
    } else if (argument == "--trust-code") {
      trust = true;
    } else if (argument == "--context" && i + 1 < argc) {
      selection.context = std::atol(argv[++i]);
    } else if (argument == "--cache-dir" && i + 1 < argc) {
      cacheDirectory = argv[++i];
    } else if (path.empty() && argument[0] != '-') {
      path = argument;
    } else {
      return fail("unexpected argument '" + argument + "'\n" + kUsage);
    }
  }
  if (path.empty() || selection.context < 1) {
    return fail(std::string("expected an artifact and a context of at least 1\n") + kUsage);
  }
  Expected<Artifact> artifact = readArtifact(path);
  if (!artifact) {
    return fail(artifact.takeError().message());
  }
  if (!trust && !isTrusted(artifact->hash, cacheDirectory)) {
    return fail(untrustedError(path, artifact->hash).message());
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  bench::MachineLimits limits = bench::MachineLimits::measure();
  std::printf("%s, one thread: FMA %.0f GFLOP/s in 256 bits, %.0f in 512; bf16 dot product %.0f; "
              "read %.1f GB/s\n",
              hostCpuName().c_str(), limits.fma256 * 1e-9, limits.fma512 * 1e-9, limits.dot * 1e-9,
              limits.read * 1e-9);
  size_t figures = 0;
  for (const Variant &variant : artifact->program.variants) {
    if (!hostSupportsTier(variant.tier) || variant.name != variant.tier) {
      std::printf("%s: not for this CPU, or emulated\n", variant.name.c_str());
      continue;
    }
    Expected<size_t> done = bench::benchVariant(variant, selection, limits);
    if (!done) {
      return fail(done.takeError().message());
    }
    figures += *done;
  }
  return figures != 0 ? 0 : fail(path + ": holds no kernel that is benchmarked");
}
