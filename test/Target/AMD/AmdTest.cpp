//===- AmdTest.cpp - code objects of every kernel, and what they say ------===//
//
// No GPU is needed: assembly is compared with what it must hold, code objects are read as a loader
// would read them, and their notes say registers and spills, which matrix and attention kernels may
// not have.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/KernelBuilder.h"
#include "lib/Codegen/TileEmitter.h"
#include "lib/Target/TargetBackend.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELFObjectFile.h"

#include <gtest/gtest.h>
#include <set>

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
  const int64_t latent = 512, rope = 64;
  auto number = [](int64_t x) { return std::to_string(x); };
  return "{heads = 16, latent = " + number(latent) + ", rope = " + number(rope) +
         ", row_elements = " + number(latent + rope) +
         ", page_tokens = 64, table_stride = 128, dtype = " + type + ", out_dtype = " + type +
         ", scale = 0.1147, q_row_stride = " + number(16 * latent) +
         ", q_head_stride = " + number(latent) + ", rope_row_stride = " + number(16 * rope) +
         ", rope_head_stride = " + number(rope) + ", out_row_stride = " + number(16 * latent) +
         ", out_head_stride = " + number(latent) + ", mode = \"" + mode + "\"}";
}

const std::string kGate = "{experts = 160, top_k = 6, groups = 8, keep = 3, shared = 2, scoring = "
                          "\"softmax\", normalize = false, scale = 16.0}";
const std::string kSort = "{experts = 162, slots = 8}";

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

class AmdTest : public ::testing::Test {
protected:
  AmdTest()
      : handler(&context, [this](Diagnostic &diagnostic) { message += diagnostic.str() + "\n"; }) {
    DialectRegistry dialects;
    registerKernelDialects(dialects);
    context.appendDialectRegistry(dialects);
    context.loadAllAvailableDialects();
    registerAllTargets(targets);
    registerAllKernelBuilders(builders);
  }

  /// Compiles a kernel with its text and what it takes; fails the test where that fails.
  CompiledKernel compile(const std::string &target, const Named &kernel) {
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
    options.assembly = options.resources = true;
    FailureOr<CompiledKernel> compiled = backend->compileKernel(built->function, options);
    EXPECT_TRUE(succeeded(compiled))
        << target << " " << kernel.builder << " " << kernel.spec << ": " << message;
    return succeeded(compiled) ? *compiled : CompiledKernel();
  }

  void refuse(const std::string &target, const std::string &text) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module) << message;
    message.clear();
    for (func::FuncOp kernel : module->getOps<func::FuncOp>()) {
      EXPECT_TRUE(failed(targets.lookup(target)->compileKernel(kernel, {})));
    }
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

struct Machine {
  std::string name, multiply;
  int64_t threads;
};

const Machine kMachines[] = {{"gfx942", "v_mfma_f32_16x16x16_bf16", 256},
                             {"gfx1100", "v_wmma_f32_16x16x16_bf16", 128}};

/// Nothing may spill but attention to 512 latents in waves of 32, which takes all 256 registers: in
/// bf16 a little, since reading cached rows down their columns wants a few more.
int64_t spillsOf(const Machine &machine, const Named &kernel) {
  bool f32 = has(kernel.spec, "dtype = f32, out_dtype = f32");
  bool full = machine.name == "gfx1100" && has(kernel.spec, "latent = 512") &&
              (has(kernel.spec, "\"sequential\"") || f32);
  return full ? (f32 ? 512 : 32) : 0;
}

TEST_F(AmdTest, MatrixKernelsUseTheMachineWithoutSpills) {
  for (const Machine &machine : kMachines) {
    for (const Named &kernel : matrixKernels("bf16")) {
      CompiledKernel compiled = compile(machine.name, kernel);
      std::string what = machine.name + " " + kernel.builder + " " + kernel.spec;
      const std::string &text = compiled.assembly;
      EXPECT_TRUE(has(text, ".amdgcn_target \"amdgcn-amd-amdhsa--" + machine.name + "\"")) << what;
      EXPECT_TRUE(has(text, ".amdhsa_kernel kernel")) << what;
      EXPECT_EQ(compiled.threads, machine.threads);
      EXPECT_LE(compiled.sharedBytes, 64 * 1024) << what;
      EXPECT_LE(compiled.resources.spillBytes, spillsOf(machine, kernel)) << what;
      EXPECT_GT(compiled.resources.registers, 0) << what;
      EXPECT_GE(compiled.resources.workgroups, 1) << what;
      std::printf("%-7s %-17s %4ld registers %6ld shared %3ld workgroups  %s\n",
                  machine.name.c_str(), kernel.builder.c_str(), long(compiled.resources.registers),
                  long(compiled.sharedBytes), long(compiled.resources.workgroups),
                  kernel.spec.substr(kernel.spec.rfind('=') + 1).c_str());
      bool merges = has(kernel.spec, "\"merge\""); // adds up what others multiplied
      EXPECT_EQ(has(text, machine.multiply), !merges) << what;
      EXPECT_TRUE(merges || has(text, "s_barrier")) << what;
      if (kernel.builder == "latent_attention") {
        EXPECT_TRUE(has(text, "v_exp_f32")) << what;
      }
    }
  }
}

TEST_F(AmdTest, F32KernelsMultiplyAndAdd) {
  for (const Machine &machine : kMachines) {
    for (const Named &kernel : matrixKernels("f32")) {
      CompiledKernel compiled = compile(machine.name, kernel);
      EXPECT_TRUE(has(compiled.assembly, "v_fma") || has(compiled.assembly, "v_dual_fma"))
          << machine.name << " " << kernel.spec;
      EXPECT_FALSE(has(compiled.assembly, machine.multiply));
      EXPECT_LE(compiled.sharedBytes, 64 * 1024) << machine.name << " " << kernel.spec;
      EXPECT_LE(compiled.resources.spillBytes, spillsOf(machine, kernel))
          << machine.name << " " << kernel.spec;
    }
    for (const Named &kernel : {Named{"gate_topk", kGate}, Named{"sort_experts", kSort}}) {
      EXPECT_GT(compile(machine.name, kernel).resources.registers, 0) << kernel.builder;
    }
  }
}

TEST_F(AmdTest, CodeObjectsHoldTheKernelAndNothingElse) {
  using Elf = llvm::object::ELFFile<llvm::object::ELF64LE>;
  for (const Machine &machine : kMachines) {
    CompiledKernel compiled = compile(machine.name, {"matmul", matmul("bf16", 64, 64, 1, false)});
    llvm::StringRef bytes(compiled.object.data(), compiled.object.size());
    llvm::Expected<Elf> file = Elf::create(bytes);
    ASSERT_TRUE(bool(file)) << llvm::toString(file.takeError());
    EXPECT_EQ(file->getHeader().e_machine, llvm::ELF::EM_AMDGPU);
    EXPECT_EQ(file->getHeader().e_type, llvm::ELF::ET_DYN);
    std::set<std::string> defined;
    for (const auto &section : llvm::cantFail(file->sections())) {
      if (section.sh_type != llvm::ELF::SHT_DYNSYM) {
        continue;
      }
      llvm::StringRef names = llvm::cantFail(file->getStringTableForSymtab(section));
      for (const auto &symbol : llvm::cantFail(file->symbols(&section)).drop_front()) {
        EXPECT_NE(symbol.st_shndx, llvm::ELF::SHN_UNDEF);
        defined.insert(llvm::cantFail(symbol.getName(names)).str());
      }
    }
    EXPECT_EQ(defined, (std::set<std::string>{"kernel", "kernel.kd"}));
  }
}

TEST_F(AmdTest, PackingIsWhatTheEmitterReads) {
  for (const Machine &machine : kMachines) {
    const TargetBackend *backend = targets.lookup(machine.name);
    PackedLayout bf16 = backend->getPacking(BFloat16Type::get(&context)),
                 f32 = backend->getPacking(Float32Type::get(&context));
    EXPECT_EQ(bf16.pair * 2, 16); // bytes of a chunk
    EXPECT_EQ(f32.pair * 4, 16);
    EXPECT_EQ(bf16.panel, backend->createEmitter(&context)->panelColumns());
    EXPECT_EQ(f32.panel, bf16.panel);
  }
}

TEST_F(AmdTest, ImagesHoldAModuleForEachKernel) {
  CompiledKernel first = compile("gfx1100", {"sort_experts", "{experts = 8, slots = 2}"}),
                 second = compile("gfx1100", {"gate_topk", kGate});
  FailureOr<KernelImage> image =
      targets.lookup("gfx1100")->serialize({first, second}, UnknownLoc::get(&context));
  ASSERT_TRUE(succeeded(image));
  EXPECT_EQ(codeFormatName(image->format), "hsaco");
  ASSERT_EQ(image->symbols.size(), 2u);
  EXPECT_EQ(image->symbols[1].offset % 64, 0u);
  EXPECT_GE(image->symbols[1].offset, image->symbols[0].size);
  EXPECT_LE(image->symbols[1].offset + image->symbols[1].size, image->bytes.size());
}

TEST_F(AmdTest, SameKernelSameBytes) {
  Named kernel{"matmul", matmul("bf16", 64, 64, 1, false)};
  EXPECT_EQ(compile("gfx942", kernel).object, compile("gfx942", kernel).object);
}

TEST_F(AmdTest, WhatIsDefinedNowhereIsNamed) {
  refuse("gfx942", R"(
func.func @k(%a: memref<64xf32>, %begin: index, %end: index, %scratch: memref<1xi8>) {
  %x = memref.load %a[%begin] : memref<64xf32>
  %y = math.tanh %x : f32
  memref.store %y, %a[%begin] : memref<64xf32>
  return
})");
  EXPECT_TRUE(has(message, "'math.tanh' on 'f32' has no instruction on this target")) << message;
}

/// An instruction of the other architecture: the code generator has none for it.
TEST_F(AmdTest, WhatTheMachineDoesNotHaveIsAnError) {
  refuse("gfx1100", R"(
func.func @k(%a: memref<64xf32>, %begin: index, %end: index, %scratch: memref<1xi8>) {
  %f = arith.constant dense<0.0> : vector<4xbf16>
  %c = arith.constant dense<0.0> : vector<4xf32>
  %d = amdgpu.mfma 16x16x16 %f * %f + %c blgp = none : vector<4xbf16>, vector<4xbf16>, vector<4xf32>
  vector.store %d, %a[%begin] : memref<64xf32>, vector<4xf32>
  return
})");
  EXPECT_TRUE(has(message, "kernel 'k'")) << message;
}

TEST_F(AmdTest, TooMuchWorkgroupMemoryIsAnError) {
  refuse("gfx942", R"(
func.func @k(%a: memref<64xf32>, %begin: index, %end: index, %scratch: memref<1xi8>)
    attributes {dsv2.threads = 64, dsv2.shared_bytes = 65537} {
  return
})");
  EXPECT_TRUE(has(message, "kernel 'k' needs 65537 bytes of workgroup memory, target 'gfx942' has "
                           "65536"))
      << message;
}

} // namespace
} // namespace dsv2
