//===- DevKernels.cpp - benchmarks kernels compiled in process ------------===//
//
// For work on an emitter: builds, compiles and times the kernels that matter on every tier of this
// machine, without a model or an artifact. `dsv2-bench-dev [TIER]`.
//
//===----------------------------------------------------------------------===//
#include "bench/KernelBench.h"
#include "bench/Limits.h"
#include "lib/Codegen/KernelBuilder.h"
#include "lib/Codegen/TileEmitter.h"
#include "lib/Support/CpuTier.h"
#include "lib/Target/TargetBackend.h"

#include "mlir/AsmParser/AsmParser.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sys/mman.h>

using namespace dsv2;

namespace {

class Compiler {
public:
  Compiler() {
    mlir::DialectRegistry dialects;
    registerKernelDialects(dialects);
    context.appendDialectRegistry(dialects);
    context.loadAllAvailableDialects();
    registerAllTargets(targets);
    registerAllKernelBuilders(builders);
  }

  /// Compiles, maps for the life of the process, and leaves the assembly in NAME.s.
  bench::RunKernel compile(const std::string &tier, const std::string &builder,
                           const std::string &spec, const std::string &name) {
    double start = bench::threadTime();
    const TargetBackend *target = targets.lookup(tier);
    auto attribute = llvm::cast<mlir::DictionaryAttr>(mlir::parseAttribute(spec, &context));
    std::unique_ptr<TileEmitter> emitter = target->createEmitter(&context);
    auto built =
        builders.lookup(builder)({"kernel", attribute, mlir::UnknownLoc::get(&context)}, *emitter);
    if (mlir::failed(built)) {
      std::exit(1);
    }
    auto compiled = target->compileKernel(built->function, {true});
    if (mlir::failed(compiled)) {
      std::exit(1);
    }
    auto image = target->serialize({*compiled}, mlir::UnknownLoc::get(&context));
    if (mlir::failed(image)) {
      std::exit(1);
    }
    std::ofstream(name + "." + tier + ".s") << compiled->assembly;
    void *memory = mmap(nullptr, image->bytes.size(), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memcpy(memory, image->bytes.data(), image->bytes.size());
    mprotect(memory, image->textBytes, PROT_READ | PROT_EXEC);
    std::printf("%s on %s: %lu bytes of code, compiled in %.0f ms\n", name.c_str(), tier.c_str(),
                static_cast<unsigned long>(image->symbols[0].size),
                (bench::threadTime() - start) * 1e3);
    using Function = void (*)(const uint64_t *slots, int64_t begin, int64_t end, void *scratch);
    auto function =
        reinterpret_cast<Function>(static_cast<char *>(memory) + image->symbols[0].offset);
    auto scratch =
        std::shared_ptr<void>(std::aligned_alloc(64, (built->scratchBytes + 127) / 64 * 64), &free);
    return [=](const uint64_t *slots, int64_t items) { function(slots, 0, items, scratch.get()); };
  }

private:
  mlir::MLIRContext context;
  TargetRegistry targets;
  KernelBuilderRegistry builders;
};

} // namespace

int main(int argc, char **argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  Compiler compiler;
  bench::MachineLimits limits = bench::MachineLimits::measure();
  std::printf(
      "%s: FMA %.0f (256) %.0f (512) GFLOP/s, bf16 dot %.0f GFLOP/s, read %.1f GB/s, one thread\n",
      hostCpuName().c_str(), limits.fma256 * 1e-9, limits.fma512 * 1e-9, limits.dot * 1e-9,
      limits.read * 1e-9);
  for (const std::string &tier : knownCpuTiers()) {
    if (!hostSupportsTier(tier) || (argc > 1 && tier != argv[1])) {
      continue;
    }
    for (bool bf16 : {false, true}) {
      std::string type = bf16 ? "bf16" : "f32";
      bench::MatmulShape shape{3072, 2048, 2048, 3072, bf16, false, false};
      bench::RunKernel matmul = compiler.compile(
          tier, "matmul",
          "{n = 3072, k = 2048, batch = 1, dtype = " + type +
              ", out_dtype = f32, a_row_stride = 2048, a_batch_stride = 0, out_row_stride = 3072, "
              "out_batch_stride = 0, add = false}",
          "matmul-" + type);
      for (int64_t rows : {1, 4, 16, 128, 512}) {
        bench::benchMatmul(tier, matmul, shape, rows, limits);
      }
      bench::RunKernel attention = compiler.compile(
          tier, "latent_attention",
          "{heads = 16, latent = 512, rope = 64, row_elements = 576, page_tokens = 64, "
          "table_stride = 128, dtype = " +
              type + ", out_dtype = " + type +
              ", scale = 0.1147, q_row_stride = 8192, q_head_stride = 512, rope_row_stride = 1024, "
              "rope_head_stride = 64, out_row_stride = 8192, out_head_stride = 512, mode = "
              "\"sequential\"}",
          "attention-" + type);
      for (int64_t context : {64, 256, 4096}) {
        bench::benchAttention(tier, attention, {16, 512, 64, 576, 64, 8192, 1024, 8192, bf16, bf16},
                              context, limits);
      }
    }
  }
  return 0;
}
