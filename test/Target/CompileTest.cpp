//===- CompileTest.cpp - kernel functions to images, and called -----------===//
//
// Kernels written as text are compiled for every tier and run where the CPU can; what must not
// enter an image is refused with a message that names it.
//
//===----------------------------------------------------------------------===//
#include "test/Codegen/KernelLoader.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

using namespace mlir;

namespace dsv2::test {
namespace {

constexpr const char *kAddRows = R"(
func.func @add(%x: memref<1048576x16xf32> {llvm.noalias}, %y: memref<1048576x16xf32> {llvm.noalias}, %scale: index,
               %begin: index, %end: index, %scratch: memref<64xi8> {llvm.noalias}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %half = arith.constant dense<[0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5, 11.5, 12.5, 13.5, 14.5, 15.5]> : vector<16xf32>
  %i = arith.index_cast %scale : index to i32
  %f = arith.sitofp %i : i32 to f32
  %s = vector.broadcast %f : f32 to vector<16xf32>
  scf.for %r = %begin to %end step %c1 {
    %a = vector.load %x[%r, %c0] : memref<1048576x16xf32>, vector<16xf32>
    %b = vector.fma %a, %s, %half : vector<16xf32>
    vector.store %b, %y[%r, %c0] : memref<1048576x16xf32>, vector<16xf32>
  }
  return
})";

/// A context with everything that kernels need, the targets, and the last diagnostic.
class CompileTest : public ::testing::Test {
protected:
  void SetUp() override {
    DialectRegistry dialects;
    registerKernelDialects(dialects);
    context.appendDialectRegistry(dialects);
    context.loadAllAvailableDialects();
    registerAllTargets(targets);
    handler = std::make_unique<ScopedDiagnosticHandler>(&context, [this](Diagnostic &diagnostic) {
      message += diagnostic.str() + "\n";
      return success();
    });
  }

  OwningOpRef<ModuleOp> parse(llvm::StringRef text) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, ParserConfig(&context));
    EXPECT_TRUE(module) << message;
    return module;
  }

  FailureOr<KernelImage> compile(const TargetBackend &target, llvm::StringRef text) {
    OwningOpRef<ModuleOp> module = parse(text);
    FailureOr<CompiledKernel> kernel =
        target.compileKernel(*module->getOps<func::FuncOp>().begin(), {});
    if (failed(kernel)) {
      return failure();
    }
    return target.serialize({*kernel}, module->getLoc());
  }

  MLIRContext context;
  TargetRegistry targets;
  std::string message;
  std::unique_ptr<ScopedDiagnosticHandler> handler;
};

TEST_F(CompileTest, EveryTierComputesTheSame) {
  for (const std::string &name : targets.getNames()) {
    const TargetBackend *target = targets.lookup(name);
    FailureOr<KernelImage> image = compile(*target, kAddRows);
    ASSERT_TRUE(succeeded(image)) << name << ": " << message;
    ASSERT_EQ(image->symbols.size(), 1u);
    if (image->format == CodeFormat::Flat) {
      EXPECT_EQ(image->textBytes % 4096, 0u);
      EXPECT_EQ(image->bytes.size() % 4096, 0u);
    }
    if (!runsHere(*target)) {
      continue;
    }
    LoadedImage loaded(*image);
    Buffer<float> x(48), y(48);
    for (int i = 0; i < 48; ++i) {
      x[i] = float(i);
    }
    uint64_t slots[] = {x.slot(), y.slot(), 3};
    loaded.find("add")(slots, 1, 3, nullptr);
    for (int i = 16; i < 48; ++i) {
      EXPECT_EQ(y[i], 3.0f * float(i) + float(i % 16) + 0.5f) << name;
    }
    EXPECT_NE(y[15], y[15]) << "row 0 lies outside [begin, end)";
  }
}

TEST_F(CompileTest, HostIsTheBestTier) {
  if (bestHostTier().empty()) {
    GTEST_SKIP() << "this CPU has no tier that code is compiled for";
  }
  ASSERT_NE(targets.lookup("host"), nullptr);
  EXPECT_EQ(targets.lookup("host")->getName().str(), bestHostTier());
  EXPECT_EQ(targets.lookup("no-such-target"), nullptr);
}

TEST_F(CompileTest, SameInputGivesSameBytes) {
  const TargetBackend *target = targets.lookup("x86-64-v4");
  FailureOr<KernelImage> first = compile(*target, kAddRows), second = compile(*target, kAddRows);
  ASSERT_TRUE(succeeded(first) && succeeded(second));
  EXPECT_EQ(first->bytes, second->bytes);
}

TEST_F(CompileTest, EmulatedTiersNeedOnlyTheFirst) {
  const TargetBackend *target = targets.lookup("x86-64-v4-bf16:emulated");
  ASSERT_NE(target, nullptr);
  EXPECT_EQ(target->getTier().str(), "x86-64-v3");
  OwningOpRef<ModuleOp> module = parse(kAddRows);
  FailureOr<CompiledKernel> kernel =
      target->compileKernel(*module->getOps<func::FuncOp>().begin(), {/*assembly=*/true});
  ASSERT_TRUE(succeeded(kernel));
  EXPECT_EQ(kernel->assembly.find("zmm"), std::string::npos);
  EXPECT_NE(kernel->assembly.find("ymm"), std::string::npos);
}

TEST_F(CompileTest, ImportIsRefusedByName) {
  FailureOr<KernelImage> image = compile(*targets.lookup("x86-64-v3"), R"(
func.func @expo(%x: memref<16xf32>, %begin: index, %end: index, %scratch: memref<64xi8>) {
  %a = memref.load %x[%begin] : memref<16xf32>
  %b = llvm.call_intrinsic "llvm.exp.f32"(%a) : (f32) -> f32
  memref.store %b, %x[%begin] : memref<16xf32>
  return
})");
  EXPECT_TRUE(failed(image));
  EXPECT_NE(message.find("'expo' needs symbol 'expf'"), std::string::npos) << message;
}

TEST_F(CompileTest, InstructionAboveTheTierIsAnError) {
  FailureOr<KernelImage> image = compile(*targets.lookup("x86-64-v4"), R"(
func.func @dot(%x: memref<16xf32>, %w: memref<32xbf16>, %begin: index, %end: index, %scratch: memref<64xi8>) {
  %a = vector.load %x[%begin] : memref<16xf32>, vector<16xf32>
  %b = vector.load %w[%begin] : memref<32xbf16>, vector<32xbf16>
  %c = llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"(%a, %b, %b) : (vector<16xf32>, vector<32xbf16>, vector<32xbf16>) -> vector<16xf32>
  vector.store %c, %x[%begin] : memref<16xf32>, vector<16xf32>
  return
})");
  EXPECT_TRUE(failed(image));
  EXPECT_NE(message.find("kernel 'dot': target 'x86-64-v4': "), std::string::npos) << message;
}

/// Moves, selects, widening and rounding of bf16 in odd shapes, on tiers with and without bf16
/// instructions.
TEST_F(CompileTest, Bf16OfAnyShapeNeedsNoLibrary) {
  constexpr const char *text = R"(
func.func @move(%x: memref<1024xbf16> {llvm.noalias}, %y: memref<1024xbf16> {llvm.noalias}, %n: index,
                %begin: index, %end: index, %scratch: memref<64xi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c7 = arith.constant 7 : index
  %zero = arith.constant 0.0 : bf16
  %v = vector.load %x[%c0] : memref<1024xbf16>, vector<7xbf16>
  %w = arith.extf %v : vector<7xbf16> to vector<7xf32>
  %d = arith.addf %w, %w : vector<7xf32>
  %t = arith.truncf %d : vector<7xf32> to vector<7xbf16>
  vector.store %t, %y[%c0] : memref<1024xbf16>, vector<7xbf16>
  %last = scf.for %i = %c7 to %n step %c1 iter_args(%before = %zero) -> (bf16) {
    %e = memref.load %x[%i] : memref<1024xbf16>
    %odd = arith.remui %i, %c7 : index
    %is = arith.cmpi eq, %odd, %c0 : index
    %s = arith.select %is, %before, %e : bf16
    memref.store %s, %y[%i] : memref<1024xbf16>
    scf.yield %e : bf16
  }
  %f = arith.extf %last : bf16 to f32
  %third = arith.constant 0.33333334 : f32
  %g = arith.mulf %f, %third : f32
  %h = arith.truncf %g : f32 to bf16
  memref.store %h, %y[%n] : memref<1024xbf16>
  return
})";
  for (const std::string &name : targets.getNames()) {
    const TargetBackend *target = targets.lookup(name);
    FailureOr<KernelImage> image = compile(*target, text);
    ASSERT_TRUE(succeeded(image)) << name << ": " << message;
    if (!runsHere(*target)) {
      continue;
    }
    Buffer<uint16_t> x(64), y(64);
    for (int i = 0; i < 64; ++i) {
      x[i] = toBf16(float(i) * 0.37f - 3.0f);
    }
    uint64_t slots[] = {x.slot(), y.slot(), 20};
    LoadedImage(*image).find("move")(slots, 0, 1, nullptr);
    for (int i = 0; i < 7; ++i) {
      EXPECT_EQ(y[i], toBf16(2 * fromBf16(x[i]))) << name << " " << i;
    }
    for (int i = 7; i < 20; ++i) {
      EXPECT_EQ(y[i], i == 7 ? 0 : i == 14 ? x[13] : x[i]) << name << " " << i;
    }
    EXPECT_EQ(y[20], toBf16(fromBf16(x[19]) * 0.33333334f)) << name;
    EXPECT_EQ(y[21], 0xffff) << name;
  }
}

TEST_F(CompileTest, LargeFrameIsAnError) {
  FailureOr<KernelImage> image = compile(*targets.lookup("x86-64-v3"), R"(
func.func @frame(%x: memref<16xf32>, %begin: index, %end: index, %scratch: memref<64xi8>) {
  %m = memref.alloca() : memref<8192xf32>
  %c1 = arith.constant 1 : index
  scf.for %i = %begin to %end step %c1 {
    %a = memref.load %x[%i] : memref<16xf32>
    memref.store %a, %m[%i] : memref<8192xf32>
  }
  scf.for %i = %begin to %end step %c1 {
    %j = arith.addi %i, %c1 : index
    %a = memref.load %m[%j] : memref<8192xf32>
    memref.store %a, %x[%i] : memref<16xf32>
  }
  return
})");
  EXPECT_TRUE(failed(image));
  EXPECT_NE(message.find("stack frame size"), std::string::npos) << message;
}

TEST_F(CompileTest, DynamicMemrefIsAnError) {
  FailureOr<KernelImage> image = compile(*targets.lookup("x86-64-v3"), R"(
func.func @dynamic(%x: memref<?xf32>, %begin: index, %end: index, %scratch: memref<64xi8>) {
  return
})");
  EXPECT_TRUE(failed(image));
  EXPECT_NE(message.find("argument 0 has type 'memref<?xf32>'"), std::string::npos) << message;
}

} // namespace
} // namespace dsv2::test
