//===- SimtFixture.h - from MLIR text to a run under Simt -------*- C++ -*-===//
//
// A kernel in the form that emitters write is parsed, may be changed, compiled for Simt and run on
// the driver: what a launch reports is a text, empty for a silent run.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_TARGET_SIMTFIXTURE_H
#define DSV2_TEST_TARGET_SIMTFIXTURE_H

#include "lib/Runtime/drivers/simt/SimtDriver.h"
#include "lib/Target/Simt/Simt.h"
#include "test/Codegen/TensorMapsOf.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>

namespace dsv2::test {

/// Compiled kernel, ready to launch.
struct SimtKernelImage {
  Image image;
  Kernel kernel;
};

class SimtCompileTest : public ::testing::Test {
protected:
  SimtCompileTest() {
    mlir::DialectRegistry registry;
    registry.insert<mlir::arith::ArithDialect, mlir::func::FuncDialect, mlir::gpu::GPUDialect,
                    mlir::LLVM::LLVMDialect, mlir::math::MathDialect, mlir::memref::MemRefDialect,
                    mlir::NVVM::NVVMDialect, mlir::nvgpu::NVGPUDialect, mlir::scf::SCFDialect,
                    mlir::ub::UBDialect, mlir::vector::VectorDialect>();
    mlir::registerBuiltinDialectTranslation(registry);
    mlir::registerLLVMDialectTranslation(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.disableMultithreading();
  }

  void SetUp() override {
    Expected<std::unique_ptr<Driver>> made = createSimtDriver({});
    ASSERT_TRUE(made) << made.error().message();
    driver = std::move(*made);
  }

  mlir::OwningOpRef<mlir::ModuleOp> parse(llvm::StringRef text) {
    mlir::OwningOpRef<mlir::ModuleOp> module =
        mlir::parseSourceString<mlir::ModuleOp>(text, &context, "kernel.mlir");
    EXPECT_TRUE(module);
    return module;
  }

  /// The error texts of the compiler are collected in `diagnostics`.
  /// With `vendor`, of the second entry: what that target's conversion made of the device form.
  std::optional<SimtKernelImage> compile(mlir::func::FuncOp function,
                                         const TargetBackend *vendor = nullptr) {
    mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
      diagnostics += diagnostic.str() + "\n";
      return mlir::success();
    });
    mlir::FailureOr<DeviceForm> form = makeDeviceForm(function);
    if (mlir::failed(form)) {
      return std::nullopt;
    }
    SimtKernelImage out;
    out.kernel.name = function.getName().str();
    out.kernel.threads = static_cast<uint32_t>(form->threads);
    out.kernel.sharedBytes = static_cast<uint32_t>(form->sharedBytes);
    out.kernel.tensorMaps = test::tensorMapsForLaunch(function);
    auto scratch = llvm::cast<mlir::MemRefType>(function.getArgumentTypes().back());
    out.kernel.scratchBytes = static_cast<uint64_t>(scratch.getNumElements());
    llvm::LLVMContext llvmContext;
    std::unique_ptr<llvm::Module> module;
    if (!vendor) {
      module = lowerDeviceForm(std::move(*form), lanes, llvmContext);
    } else {
      nameOperations(form->kernel, out.kernel.name);
      if (mlir::failed(vendor->convertDevice(*form))) {
        return std::nullopt;
      }
      module = lowerConvertedForm(std::move(*form), lanes, llvmContext);
    }
    if (!module) {
      return std::nullopt;
    }
    llvm::Expected<std::vector<char>> object = emitObject(*module, simtTier(), nullptr);
    if (!object) {
      diagnostics += llvm::toString(object.takeError());
      return std::nullopt;
    }
    CompiledKernel compiled;
    compiled.name = out.kernel.name;
    compiled.object = std::move(*object);
    llvm::Expected<KernelImage> image = flattenObjects(compiled);
    if (!image) {
      diagnostics += llvm::toString(image.takeError());
      return std::nullopt;
    }
    out.image.textBytes = image->textBytes;
    out.image.bytes = image->bytes;
    out.kernel.offset = image->symbols.front().offset;
    out.kernel.size = image->symbols.front().size;
    return out;
  }

  /// A slot that points to new memory with these values.
  template <typename T> size_t buffer(const std::vector<T> &values) {
    size_t slot = empty<T>(values.size());
    EXPECT_FALSE(driver->copyIn(slots[slot], values.data(), values.size() * sizeof(T)));
    return slot;
  }
  /// The same, never written.
  template <typename T> size_t empty(size_t count) {
    Expected<std::unique_ptr<DeviceMemory>> made =
        driver->allocate(count * sizeof(T), MemoryUse::Working);
    EXPECT_TRUE(made);
    slots.push_back((*made)->address());
    memory.push_back(std::move(*made));
    return slots.size() - 1;
  }
  void number(int64_t value) {
    slots.push_back(static_cast<uint64_t>(value));
    memory.push_back(nullptr);
  }
  template <typename T> std::vector<T> read(size_t slot) {
    std::vector<T> values(memory[slot]->bytes() / sizeof(T));
    EXPECT_FALSE(driver->copyOut(values.data(), slots[slot], values.size() * sizeof(T)));
    return values;
  }

  /// What the launch reports.
  std::string launch(const SimtKernelImage &kernel, int64_t items) {
    Expected<std::unique_ptr<DeviceCode>> code = driver->load(kernel.image, {kernel.kernel});
    if (!code) {
      return code.error().message();
    }
    KernelCall call{0, slots.data(), items, static_cast<uint32_t>(slots.size())};
    std::optional<Error> failure = driver->launch(**code, &call, 1);
    return failure ? failure->message() : std::string();
  }
  std::string run(llvm::StringRef text, int64_t items) {
    mlir::OwningOpRef<mlir::ModuleOp> module = parse(text);
    std::optional<SimtKernelImage> kernel = compile(*module->getOps<mlir::func::FuncOp>().begin());
    return kernel ? launch(*kernel, items) : "does not compile: " + diagnostics;
  }

  int64_t lanes = 32; ///< of a warp of the device form
  mlir::MLIRContext context;
  std::unique_ptr<Driver> driver;
  std::vector<std::unique_ptr<DeviceMemory>> memory;
  std::vector<uint64_t> slots;
  std::string diagnostics;
};

} // namespace dsv2::test

#endif // DSV2_TEST_TARGET_SIMTFIXTURE_H
