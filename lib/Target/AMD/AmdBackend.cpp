//===- AmdBackend.cpp - AMD architectures as targets ----------------------===//
//
// One backend class; the architectures are rows of a table. Each kernel becomes a code object in
// this process.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/AMD/Compile.h"
#include "lib/Target/AMD/MfmaEmitter.h"
#include "lib/Target/AMD/WmmaEmitter.h"
#include "lib/Target/TargetBackend.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/AMDGPU/IR/AMDGPUDialect.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/ROCDLDialect.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/ROCDL/ROCDLToLLVMIRTranslation.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

using namespace mlir;

namespace dsv2 {
namespace {

class AmdBackend : public TargetBackend {
public:
  explicit AmdBackend(AmdArch arch) : arch(std::move(arch)) {}

  llvm::StringRef getName() const override { return arch.name; }
  llvm::StringRef getDriver() const override { return "hip"; }
  llvm::StringRef getTier() const override { return arch.name; }
  bool hasDeviceForm() const override { return true; }

  TargetCapabilities getCapabilities() const override {
    TargetCapabilities out;
    out.lanes = arch.lanes;
    out.vectorBits = 128;
    out.nativeBf16Dot = true;
    out.roundsToBf16 = true; // the code generator's own few instructions
    out.f32FlopsPerCycle = 256;
    out.bf16FlopsPerCycle = arch.unit == MatrixUnit::Mfma ? 2048 : 512;
    out.rowsOfItem = amdPlan(arch.lanes, "").manyRows;
    out.genericTile = 4;
    out.genericLanes = 4;
    out.genericThreads = arch.lanes;
    return out;
  }

  /// 16 bytes of one column next to each other: what one lane copies.
  PackedLayout getPacking(Type element) const override { return {64, element.isBF16() ? 8 : 4}; }

  std::unique_ptr<TileEmitter> createEmitter(MLIRContext *context) const override {
    if (arch.unit == MatrixUnit::Mfma) {
      return std::make_unique<MfmaEmitter>(context);
    }
    return std::make_unique<WmmaEmitter>(context);
  }

  FailureOr<CompiledKernel> compileKernel(func::FuncOp kernel,
                                          const CompileOptions &options) const override {
    FailureOr<DeviceForm> form = makeDeviceForm(kernel);
    if (failed(form)) {
      return failure();
    }
    CompiledKernel out;
    out.name = kernel.getName().str();
    out.threads = form->threads;
    out.sharedBytes = form->sharedBytes;
    if (out.sharedBytes > arch.sharedBytes) {
      return kernel.emitError() << "kernel '" << out.name << "' needs " << out.sharedBytes
                                << " bytes of workgroup memory, target '" << arch.name << "' has "
                                << arch.sharedBytes;
    }
    if (failed(lowerDevice(*form, arch))) {
      return failure();
    }
    llvm::LLVMContext context;
    std::unique_ptr<llvm::Module> module = translateDevice(*form, arch, context);
    if (!module) {
      return failure();
    }
    auto refuse = [&](llvm::Error error) {
      return kernel.emitError() << "kernel '" << out.name
                                << "': " << llvm::toString(std::move(error));
    };
    llvm::Expected<std::vector<char>> object =
        emitDeviceObject(*module, arch, options.assembly ? &out.assembly : nullptr);
    if (!object) {
      return refuse(object.takeError());
    }
    llvm::Expected<std::vector<char>> linked = linkCodeObject(*object);
    if (!linked) {
      return refuse(linked.takeError());
    }
    out.object = std::move(*linked);
    if (options.resources) {
      llvm::Expected<KernelResources> resources =
          readResources(out.object, arch, out.threads, out.sharedBytes);
      if (!resources) {
        return refuse(resources.takeError());
      }
      out.resources = *resources;
    }
    return out;
  }

  FailureOr<KernelImage> serialize(llvm::ArrayRef<CompiledKernel> kernels,
                                   Location) const override {
    return joinModules(kernels, CodeFormat::Hsaco);
  }

private:
  AmdArch arch;
};

std::vector<AmdArch> allArchitectures() {
  // Workgroup memory, registers and waves: the ISA documents of MI300 and RDNA3. A workgroup of
  // gfx1100 runs on two compute units with their memory together.
  AmdArch cdna3{"gfx942", MatrixUnit::Mfma, 64, 64 * 1024, 64 * 1024, 4, 8, 512, 8};
  AmdArch rdna3{"gfx1100", MatrixUnit::Wmma, 32, 64 * 1024, 128 * 1024, 4, 16, 1536, 24};
  return {cdna3, rdna3};
}

} // namespace

void registerAMDTargets(TargetRegistry &registry) {
  for (const AmdArch &arch : allArchitectures()) {
    registry.add(std::make_unique<AmdBackend>(arch));
  }
}

void registerAMDDialects(DialectRegistry &registry) {
  registry.insert<gpu::GPUDialect, ROCDL::ROCDLDialect, amdgpu::AMDGPUDialect>();
  // The conversion of device code asks each dialect for its patterns.
  arith::registerConvertArithToLLVMInterface(registry);
  cf::registerConvertControlFlowToLLVMInterface(registry);
  index::registerConvertIndexToLLVMInterface(registry);
  registerConvertMemRefToLLVMInterface(registry);
  ub::registerConvertUBToLLVMInterface(registry);
  vector::registerConvertVectorToLLVMInterface(registry);
  registerGPUDialectTranslation(registry);
  registerROCDLDialectTranslation(registry);
}

} // namespace dsv2
