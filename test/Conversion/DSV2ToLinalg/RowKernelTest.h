//===- RowKernelTest.h - Row kernels on every tier ------------------------===//
//
// Compiles a composition of row ops for every target of the build and runs it where the CPU can.
// Each target's output goes to the test's own check; all targets must agree bit for bit, in one
// call over all rows as in one call per row.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_TEST_CONVERSION_DSV2TOLINALG_ROWKERNELTEST_H
#define DSV2_TEST_CONVERSION_DSV2TOLINALG_ROWKERNELTEST_H

#include "lib/Codegen/Generic/GenericPipeline.h"
#include "lib/Conversion/DSV2ToLinalg/RowOps.h"
#include "test/Codegen/KernelLoader.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

namespace dsv2::test {

class RowKernelTest : public ::testing::Test {
protected:
  void SetUp() override {
    mlir::DialectRegistry dialects;
    registerKernelDialects(dialects);
    mlir::dsv2::registerGenericKernelDialects(dialects);
    context.appendDialectRegistry(dialects);
    context.loadAllAvailableDialects();
    registerAllTargets(targets);
    handler =
        std::make_unique<mlir::ScopedDiagnosticHandler>(&context, [this](mlir::Diagnostic &d) {
          message += d.str() + "\n";
          return mlir::success();
        });
    mlir::Builder b(&context);
    f32 = b.getF32Type();
    bf16 = b.getBF16Type();
  }

  using Compose = std::function<void(mlir::dsv2::RowKernel &)>;

  /// Compiles the composition for a target; the failure's text is in `message`.
  mlir::FailureOr<KernelImage> compile(const TargetBackend &target, const Compose &compose) {
    mlir::dsv2::RowKernel kernel(&context, "k");
    compose(kernel);
    scratchBytes = kernel.scratchBytes();
    mlir::OwningOpRef<mlir::ModuleOp> module = kernel.finish();
    mlir::PassManager passes(&context);
    mlir::dsv2::GenericOptions options;
    options.keepBF16 = target.getCapabilities().nativeBf16Dot;
    mlir::dsv2::buildGenericKernelPipeline(passes, options);
    if (failed(passes.run(*module))) {
      return mlir::failure();
    }
    mlir::FailureOr<CompiledKernel> object =
        target.compileKernel(*module->getOps<mlir::func::FuncOp>().begin(), {});
    if (failed(object)) {
      return mlir::failure();
    }
    return target.serialize({*object}, module->getLoc());
  }

  /// Runs `rows` rows on every target that this CPU has. `slots` makes fresh buffers and returns
  /// the slot values; `output` reads the bytes that count, after `check` looked at them.
  void runEverywhere(const Compose &compose, int64_t rows,
                     const std::function<std::vector<uint64_t>()> &slots,
                     const std::function<void(const std::string &)> &check,
                     const std::function<std::vector<char>()> &output) {
    FlushDenormals flush;
    std::vector<char> first;
    for (const std::string &name : targets.getNames()) {
      // Row kernels have nothing to emulate: one emulated tier stands for all.
      if (llvm::StringRef(name).ends_with(":emulated") && name != "x86-64-v4-bf16:emulated") {
        continue;
      }
      const TargetBackend *target = targets.lookup(name);
      mlir::FailureOr<KernelImage> image = compile(*target, compose);
      ASSERT_TRUE(succeeded(image)) << name << ": " << message;
      if (!runsHere(*target)) {
        continue;
      }
      LoadedImage loaded(*image);
      Buffer<char> scratch(scratchBytes + 64);
      for (bool byRow : {false, true}) {
        std::vector<uint64_t> values = slots();
        for (int64_t row = 0; row < rows; row += byRow ? 1 : rows) {
          loaded.find("k")(values.data(), row, byRow ? row + 1 : rows, scratch.data());
        }
        check(name + (byRow ? ", row by row" : ""));
        std::vector<char> bytes = output();
        if (first.empty()) {
          first = bytes;
        }
        EXPECT_TRUE(first == bytes) << name << " differs from the first target";
        if (HasFailure()) {
          return;
        }
      }
    }
  }

  /// Values near one, of both signs.
  std::vector<float> random(size_t count, unsigned seed) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal;
    std::vector<float> out(count);
    for (float &x : out) {
      x = normal(engine);
    }
    return out;
  }

  template <typename T> static std::vector<char> bytesOf(const Buffer<T> &buffer) {
    auto *begin = reinterpret_cast<const char *>(buffer.data());
    return std::vector<char>(begin, begin + buffer.size() * sizeof(T));
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  TargetRegistry targets;
  std::string message;
  std::unique_ptr<mlir::ScopedDiagnosticHandler> handler;
  mlir::Type f32, bf16;
  int64_t scratchBytes = 0;
};

} // namespace dsv2::test

#endif // DSV2_TEST_CONVERSION_DSV2TOLINALG_ROWKERNELTEST_H
