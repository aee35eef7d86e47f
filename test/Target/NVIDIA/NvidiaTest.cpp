//===- NvidiaTest.cpp - PTX of every kernel, and what ptxas makes of it ---===//
//
// No GPU is needed: the text is compared with what it must hold, and where ptxas is installed every
// kernel is assembled, and matrix and attention kernels may not spill.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/KernelBuilder.h"
#include "lib/Codegen/TileEmitter.h"
#include "lib/Target/NVIDIA/Compile.h"
#include "lib/Target/TargetBackend.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Program.h"

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <gtest/gtest.h>

using namespace mlir;

namespace dsv2 {
namespace {

struct Named {
  std::string builder, spec;
};

std::string matmul(const std::string &type, int64_t n, int64_t k, int64_t batch, bool add) {
  auto number = [](int64_t x) { return std::to_string(x); };
  int64_t row = (k + 7) / 8 * 8;
  return "{n = " + number(n) + ", k = " + number(k) + ", batch = " + number(batch) +
         ", dtype = " + type + ", out_dtype = f32, a_row_stride = " + number(batch * row) +
         ", a_batch_stride = " + number(row) + ", out_row_stride = " + number(batch * n) +
         ", out_batch_stride = " + number(n) + ", add = " + (add ? "true" : "false") + "}";
}

std::string grouped(const std::string &type, const std::string &epilogue) {
  return "{n = 1408, k = 2048, dtype = " + type + ", out_dtype = " + type +
         ", a_row_stride = 2048, out_row_stride = 1408, epilogue = \"" + epilogue +
         "\", gather = true}";
}

std::string attention(const std::string &type, const std::string &mode) {
  return "{heads = 16, latent = 512, rope = 64, row_elements = 576, page_tokens = 64, "
         "table_stride = 128, dtype = " +
         type + ", out_dtype = " + type +
         ", scale = 0.1147, q_row_stride = 8192, q_head_stride = 512, rope_row_stride = 1024, "
         "rope_head_stride = 64, out_row_stride = 8192, out_head_stride = 512, mode = \"" +
         mode + "\"}";
}

const std::string kGate = "{experts = 160, top_k = 6, groups = 8, keep = 3, shared = 2, scoring = "
                          "\"softmax\", normalize = false, scale = 16.0}";

/// Kernels that multiply matrices, and so may not spill.
std::vector<Named> matrixKernels(const std::string &type) {
  return {{"matmul", matmul(type, 3072, 2048, 1, true)},
          {"matmul", matmul(type, 128, 512, 16, false)},
          {"matmul", matmul(type, 37, 41, 3, true)},
          {"grouped_matmul", grouped(type, "swiglu")},
          {"grouped_matmul", grouped(type, "none")},
          {"latent_attention", attention(type, "sequential")},
          {"latent_attention", attention(type, "split")},
          {"latent_attention", attention(type, "merge")}};
}

class NvidiaTest : public ::testing::Test {
protected:
  NvidiaTest()
      : handler(&context, [this](Diagnostic &diagnostic) { message += diagnostic.str() + "\n"; }) {
    DialectRegistry dialects;
    registerKernelDialects(dialects);
    context.appendDialectRegistry(dialects);
    context.loadAllAvailableDialects();
    registerAllTargets(targets);
    registerAllKernelBuilders(builders);
  }

  /// Compiles a kernel with its text; a failure fails the test and gives an empty text.
  CompiledKernel compile(const std::string &target, const Named &kernel, bool resources = false) {
    const TargetBackend *backend = targets.lookup(target);
    auto spec = dyn_cast_or_null<DictionaryAttr>(parseAttribute(kernel.spec, &context));
    EXPECT_TRUE(backend && spec) << kernel.spec;
    std::unique_ptr<TileEmitter> emitter = backend->createEmitter(&context);
    FailureOr<BuiltKernel> built =
        builders.lookup(kernel.builder)({"kernel", spec, UnknownLoc::get(&context)}, *emitter);
    EXPECT_TRUE(succeeded(built)) << message;
    if (failed(built)) {
      return {};
    }
    CompileOptions options;
    options.assembly = true;
    options.resources = resources;
    FailureOr<CompiledKernel> compiled = backend->compileKernel(built->function, options);
    EXPECT_TRUE(succeeded(compiled)) << kernel.builder << " " << kernel.spec << ": " << message;
    return succeeded(compiled) ? *compiled : CompiledKernel();
  }

  MLIRContext context;
  TargetRegistry targets;
  KernelBuilderRegistry builders;
  std::string message;
  ScopedDiagnosticHandler handler;
};

bool has(const std::string &text, const std::string &what) {
  return text.find(what) != std::string::npos;
}

TEST_F(NvidiaTest, MatrixKernelsUseTheMachine) {
  for (const std::string target : {"sm_80", "sm_90a"}) {
    for (const Named &kernel : matrixKernels("bf16")) {
      std::string text = compile(target, kernel).assembly;
      EXPECT_TRUE(has(text, ".target " + target)) << text.substr(0, 300);
      EXPECT_TRUE(has(text, ".visible .entry kernel"));
      EXPECT_FALSE(has(text, ".extern .func")) << kernel.builder;
      if (has(kernel.spec, "\"merge\"")) {
        continue; // adds up what others multiplied
      }
      bool attends = kernel.builder == "latent_attention";
      EXPECT_EQ(has(text, "ex2.approx.ftz.f32"), attends || has(kernel.spec, "swiglu"));
      if (target == "sm_90a") {
        EXPECT_TRUE(has(text, attends ? "wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16"
                                      : "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16"))
            << kernel.builder;
        EXPECT_TRUE(has(text, "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier"))
            << kernel.builder;
        EXPECT_TRUE(has(text, "mbarrier.try_wait.parity.shared.b64")) << kernel.builder;
        EXPECT_TRUE(has(text, "setmaxnreg.inc.sync.aligned.u32")) << kernel.builder;
        EXPECT_TRUE(has(text, ".extern .shared .align 1024")) << kernel.builder;
        EXPECT_TRUE(has(text, ".param .align 64 .b8")) << kernel.builder << " has no tensor map";
        EXPECT_FALSE(has(text, ".local")) << kernel.builder << " copies something to its stack";
        EXPECT_FALSE(has(text, "mma.sync.aligned.m16n8k16")) << kernel.builder;
        continue;
      }
      EXPECT_TRUE(has(text, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"))
          << kernel.builder;
      EXPECT_TRUE(has(text, "ldmatrix.sync.aligned.m8n8.x4.shared.b16")) << kernel.builder;
      EXPECT_TRUE(has(text, "cp.async.cg.shared.global")) << kernel.builder;
      EXPECT_TRUE(has(text, ".extern .shared .align 128")) << kernel.builder;
      EXPECT_EQ(has(text, "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16"), attends);
    }
  }
}

TEST_F(NvidiaTest, F32KernelsMultiplyAndAdd) {
  std::string text = compile("sm_80", {"matmul", matmul("f32", 3072, 2048, 1, true)}).assembly;
  EXPECT_TRUE(has(text, "fma.rn"));
  EXPECT_FALSE(has(text, "mma.sync"));
}

TEST_F(NvidiaTest, KernelsAssembleWithoutSpills) {
  if (findPtxas().empty()) {
    GTEST_SKIP() << "ptxas is not installed: nothing to assemble by";
  }
  for (const std::string target : {"sm_80", "sm_90a"}) {
    for (const std::string type : {"f32", "bf16"}) {
      std::vector<Named> kernels = matrixKernels(type);
      for (const Named &kernel : kernels) {
        CompiledKernel compiled = compile(target, kernel, /*resources=*/true);
        std::string what = target + " " + type + " " + kernel.builder + " " + kernel.spec;
        EXPECT_EQ(compiled.resources.spillBytes, 0) << what;
        EXPECT_GT(compiled.resources.registers, 0) << what;
        EXPECT_GE(compiled.resources.workgroups, 1) << what;
        std::printf("%-7s %-5s %-17s %4ld registers %7ld shared %ld workgroups  %s\n",
                    target.c_str(), type.c_str(), kernel.builder.c_str(),
                    long(compiled.resources.registers), long(compiled.sharedBytes),
                    long(compiled.resources.workgroups),
                    kernel.spec.substr(kernel.spec.rfind('=') + 1).c_str());
      }
    }
    for (const Named &kernel :
         {Named{"gate_topk", kGate}, Named{"sort_experts", "{experts = 162, slots = 8}"}}) {
      EXPECT_GT(compile(target, kernel, /*resources=*/true).resources.registers, 0);
    }
  }
}

/// nvdisasm: named by NVDISASM, in PATH, with CUDA, or where scripts/setup puts it. Empty without.
std::string findNvdisasm() {
  if (const char *named = std::getenv("NVDISASM")) {
    return named;
  }
  if (auto found = llvm::sys::findProgramByName("nvdisasm")) {
    return *found;
  }
  const char *home = std::getenv("CUDA_HOME");
  for (const std::string &folder : {std::string(home ? home : "/usr/local/cuda") + "/bin",
                                    std::string(DSV2_SOURCE_DIR "/.venv/bin")}) {
    if (llvm::sys::fs::can_execute(folder + "/nvdisasm")) {
      return folder + "/nvdisasm";
    }
  }
  return "";
}

/// What the machine really executes, where ptxas and nvdisasm are installed.
TEST_F(NvidiaTest, MachineCodeMultipliesMatrices) {
  std::string tool = findNvdisasm();
  if (tool.empty() || findPtxas().empty()) {
    GTEST_SKIP() << (tool.empty() ? "nvdisasm" : "ptxas")
                 << " is not installed: no machine code to read";
  }
  const std::vector<Named> kernels = {Named{"matmul", matmul("bf16", 3072, 2048, 1, true)},
                                      Named{"latent_attention", attention("bf16", "sequential")},
                                      Named{"grouped_matmul", grouped("bf16", "swiglu")}};
  auto check = [&](const Named &kernel, const std::string &target,
                   const std::vector<std::string> &expected) {
    NvidiaArch arch;
    arch.name = target;
    llvm::Expected<std::vector<char>> cubin = assembleCubin(compile(target, kernel).assembly, arch);
    ASSERT_TRUE(bool(cubin)) << llvm::toString(cubin.takeError());
    std::string path = ::testing::TempDir() + "dsv2-nvidia-test.cubin", text = path + ".sass";
    std::ofstream(path, std::ios::binary).write(cubin->data(), std::streamsize(cubin->size()));
    std::optional<llvm::StringRef> redirects[] = {std::nullopt, llvm::StringRef(text),
                                                  std::nullopt};
    ASSERT_EQ(llvm::sys::ExecuteAndWait(tool, {tool, "-c", path}, std::nullopt, redirects), 0);
    std::ifstream file(text);
    std::string sass((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    for (const std::string &instruction : expected) {
      EXPECT_TRUE(has(sass, instruction)) << target << " " << kernel.builder;
    }
    EXPECT_FALSE(has(sass, "STL")) << target << " " << kernel.builder << " stores to its stack";
    std::remove(path.c_str());
    std::remove(text.c_str());
  };
  for (const Named &kernel : kernels) {
    check(kernel, "sm_80", {"HMMA.16816.F32.BF16", "LDSM.16.M88.4", "LDGSTS.E.BYPASS.128"});
    bool attends = kernel.builder == "latent_attention";
    check(kernel, "sm_90a",
          {attends ? "HGMMA.64x32x16.F32.BF16" : "HGMMA.64x128x16.F32.BF16", "UTMALDG.2D",
           "SYNCS.ARRIVE", "USETMAXREG"});
  }
}

TEST_F(NvidiaTest, CompilesFast) {
  for (const std::string target : {"sm_80", "sm_90a"}) {
    compile(target, {"matmul", matmul("bf16", 64, 64, 1, false)}); // loads dialects and targets
    for (const Named &kernel : matrixKernels("bf16")) {
      auto seconds = [] {
        timespec time;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
      };
      double before = seconds();
      compile(target, kernel);
      double milliseconds = (seconds() - before) * 1e3;
      std::printf("%s %s: %.0f ms\n", target.c_str(), kernel.builder.c_str(), milliseconds);
      EXPECT_LT(milliseconds, 300.0) << target << " " << kernel.builder << " " << kernel.spec;
    }
  }
}

TEST_F(NvidiaTest, PackingIsWhatTheEmitterReads) {
  const TargetBackend *backend = targets.lookup("sm_80");
  PackedLayout bf16 = backend->getPacking(BFloat16Type::get(&context)),
               f32 = backend->getPacking(Float32Type::get(&context));
  EXPECT_EQ(bf16.pair * 2, 16); // bytes of a chunk
  EXPECT_EQ(f32.pair * 4, 16);
  EXPECT_EQ(bf16.panel, backend->createEmitter(&context)->panelColumns());
  EXPECT_EQ(f32.panel, bf16.panel);
  // Boxes of sm_90a are a panel high, and 128 bytes of a column wide.
  PackedLayout boxes = targets.lookup("sm_90a")->getPacking(BFloat16Type::get(&context));
  EXPECT_EQ(boxes.panel, 128);
  EXPECT_EQ(boxes.pair * 2, 128);
}

TEST_F(NvidiaTest, ImagesHoldAModuleForEachKernel) {
  CompiledKernel first = compile("sm_80", {"sort_experts", "{experts = 8, slots = 2}"}),
                 second = compile("sm_80", {"gate_topk", kGate});
  FailureOr<KernelImage> image =
      targets.lookup("sm_80")->serialize({first, second}, UnknownLoc::get(&context));
  ASSERT_TRUE(succeeded(image));
  EXPECT_EQ(codeFormatName(image->format), "ptx");
  ASSERT_EQ(image->symbols.size(), 2u);
  EXPECT_EQ(image->symbols[1].offset % 64, 0u);
  EXPECT_GE(image->symbols[1].offset, image->symbols[0].size);
  EXPECT_LE(image->symbols[1].offset + image->symbols[1].size, image->bytes.size());
  EXPECT_EQ(image->bytes[image->symbols[0].size - 1], 0); // a C string
}

TEST_F(NvidiaTest, WhatIsDefinedNowhereIsNamed) {
  auto refuse = [&](const std::string &text) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module) << message;
    message.clear();
    for (func::FuncOp kernel : module->getOps<func::FuncOp>()) {
      if (!kernel.isExternal()) {
        EXPECT_TRUE(failed(targets.lookup("sm_80")->compileKernel(kernel, {})));
      }
    }
  };
  refuse(R"(
func.func @k(%a: memref<64xf32>, %begin: index, %end: index, %scratch: memref<1xi8>) {
  %x = memref.load %a[%begin] : memref<64xf32>
  %y = math.tanh %x : f32
  memref.store %y, %a[%begin] : memref<64xf32>
  return
})");
  EXPECT_TRUE(has(message, "'math.tanh' on 'f32' has no instruction on this target")) << message;
  refuse(R"(
func.func private @missing(f32) -> f32
func.func @k(%a: memref<64xf32>, %begin: index, %end: index, %scratch: memref<1xi8>) {
  %x = memref.load %a[%begin] : memref<64xf32>
  %y = func.call @missing(%x) : (f32) -> f32
  memref.store %y, %a[%begin] : memref<64xf32>
  return
})");
  EXPECT_TRUE(has(message, "missing") && has(message, "kernel 'k'")) << message;
}

} // namespace
} // namespace dsv2
