//===- CubinTest.cpp - binaries beside text, and what has no code at all --===//
//
// Where ptxas is installed a kernel may bring a cubin; what an architecture
// cannot do is an error that names kernel and target, not the end of the process.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/NVIDIA/Compile.h"
#include "lib/Target/TargetBackend.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace mlir;

namespace dsv2 {
namespace {

class CubinTest : public ::testing::Test {
protected:
  CubinTest()
      : handler(&context, [this](Diagnostic &diagnostic) { message += diagnostic.str() + "\n"; }) {
    DialectRegistry dialects;
    registerKernelDialects(dialects);
    context.appendDialectRegistry(dialects);
    context.loadAllAvailableDialects();
    registerAllTargets(targets);
  }

  /// Compiles a kernel with this body for one float.
  FailureOr<CompiledKernel> compile(const std::string &target, const std::string &body,
                                    const CompileOptions &options = {}) {
    module = parseSourceString<ModuleOp>(
        "func.func @odd(%a: memref<8xf32>, %begin: index, %end: index, %scratch: memref<1xi8>) {\n"
        "  %zero = arith.constant 0 : index\n" +
            body + "  return\n}\n",
        &context);
    EXPECT_TRUE(module) << message;
    return targets.lookup(target)->compileKernel(*module->getOps<func::FuncOp>().begin(), options);
  }

  MLIRContext context;
  std::string message;
  ScopedDiagnosticHandler handler;
  TargetRegistry targets;
  OwningOpRef<ModuleOp> module;
};

const std::string kStore = "  %one = arith.constant 1.0 : f32\n"
                           "  memref.store %one, %a[%zero] : memref<8xf32>\n";

TEST_F(CubinTest, StandsBesideTheTextAndIsTheSameEachTime) {
  for (const char *target : {"sm_80", "sm_90a"}) {
    FailureOr<CompiledKernel> plain = compile(target, kStore);
    ASSERT_TRUE(succeeded(plain)) << message;
    EXPECT_TRUE(plain->binary.empty());
    CompileOptions options;
    options.binaries = true;
    FailureOr<CompiledKernel> both = compile(target, kStore, options);
    ASSERT_TRUE(succeeded(both)) << message;
    EXPECT_EQ(both->object, plain->object);
    if (findPtxas().empty()) {
      EXPECT_TRUE(both->binary.empty());
      continue;
    }
    ASSERT_GT(both->binary.size(), 4u);
    EXPECT_EQ(std::string(both->binary.data() + 1, 3), "ELF");
    EXPECT_EQ(compile(target, kStore, options)->binary, both->binary);

    FailureOr<KernelImage> image =
        targets.lookup(target)->serialize({*both, *both}, UnknownLoc::get(&context));
    ASSERT_TRUE(succeeded(image));
    EXPECT_EQ(image->format, CodeFormat::Ptx);
    EXPECT_EQ(image->bytes.size() % 4096, 0u);
    for (const KernelSymbol &symbol : image->symbols) {
      EXPECT_EQ(symbol.binaryOffset % 64, 0u);
      std::vector<char> found(image->bytes.begin() + int64_t(symbol.binaryOffset),
                              image->bytes.begin() +
                                  int64_t(symbol.binaryOffset + symbol.binarySize));
      EXPECT_EQ(found, both->binary);
    }
    EXPECT_GE(image->symbols[0].binaryOffset, image->symbols[1].offset + image->symbols[1].size);
  }
}

/// An assembler that refuses the text, one older than the architecture say, costs the binary only;
/// who asks what it says is told.
TEST_F(CubinTest, AnAssemblerThatRefusesLeavesTheText) {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("dsv2-cubin-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "ptxas") << "#!/bin/sh\necho no such architecture >&2\nexit 1\n";
  std::filesystem::permissions(folder / "ptxas", std::filesystem::perms::owner_all);
  std::string path = std::getenv("PATH");
  setenv("PATH", (folder.string() + ":" + path).c_str(), 1);
  CompileOptions options;
  options.binaries = true;
  FailureOr<CompiledKernel> kernel = compile("sm_90a", kStore, options);
  EXPECT_TRUE(succeeded(kernel));
  EXPECT_NE(message.find("kernel 'odd' has no binary for 'sm_90a'"), std::string::npos) << message;
  EXPECT_NE(message.find("no such architecture"), std::string::npos) << message;
  if (succeeded(kernel)) {
    EXPECT_TRUE(kernel->binary.empty());
    EXPECT_FALSE(kernel->object.empty());
  }
  options.resources = true;
  EXPECT_TRUE(failed(compile("sm_90a", kStore, options)));
  setenv("PATH", path.c_str(), 1);
  std::filesystem::remove_all(folder);
}

/// Instructions of a later architecture make the code generator abort.
TEST_F(CubinTest, AnInstructionThatThereIsNotIsAnError) {
  std::string fence = "  llvm.call_intrinsic \"llvm.nvvm.wgmma.fence.sync.aligned\"() : () -> ()\n";
  EXPECT_TRUE(failed(compile("sm_80", fence)));
  EXPECT_NE(message.find("kernel 'odd': the code generator has no code for it on target 'sm_80': "
                         "Cannot select"),
            std::string::npos)
      << message;
  // The process and its compiler go on.
  message.clear();
  EXPECT_TRUE(succeeded(compile("sm_90a", fence))) << message;
  EXPECT_TRUE(succeeded(compile("sm_80", kStore))) << message;
}

} // namespace
} // namespace dsv2
