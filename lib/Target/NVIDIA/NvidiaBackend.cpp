//===- NvidiaBackend.cpp - NVIDIA architectures as targets ----------------===//
//
// One backend class; the architectures are rows of a table. Each kernel becomes a PTX module in
// this process: drivers compile it for the machine, newer ones included. Where ptxas is installed a
// cubin for exactly the architecture may stand beside it.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/NVIDIA/Compile.h"
#include "lib/Target/NVIDIA/Sm90Emitter.h"
#include "lib/Target/TargetBackend.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVM.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Target/LLVM/NVVM/Target.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"

using namespace mlir;

namespace dsv2 {
namespace {

class NvidiaBackend : public TargetBackend {
public:
  explicit NvidiaBackend(NvidiaArch arch) : arch(std::move(arch)) {}

  llvm::StringRef getName() const override { return arch.name; }
  llvm::StringRef getDriver() const override { return "cuda"; }
  llvm::StringRef getTier() const override { return arch.name; }
  bool hasDeviceForm() const override { return true; }

  TargetCapabilities getCapabilities() const override {
    TargetCapabilities out;
    out.vectorBits = 128;
    out.nativeBf16Dot = true;
    out.roundsToBf16 = true;
    out.f32FlopsPerCycle = 128;
    out.bf16FlopsPerCycle = 2048;
    out.rowsOfItem = arch.warpgroups ? Sm90Emitter::kRowsOfItem : arch.manyRows;
    out.genericTile = 4;
    out.genericLanes = 4;
    out.genericThreads = 32;
    return out;
  }

  /// 16 bytes of one column next to each other: what one lane copies, and a row of what ldmatrix
  /// reads; 128 where boxes are copied, a line of them.
  PackedLayout getPacking(Type element) const override {
    if (arch.warpgroups && element.isBF16()) {
      return {Sm90Emitter::kPanelColumns, Sm90Emitter::kPair};
    }
    return {64, element.isBF16() ? 8 : 4};
  }

  AttentionTile getAttentionTile(Type element) const override {
    if (arch.warpgroups && element.isBF16()) {
      return {Sm90Emitter::kHeads, Sm90Emitter::kTokens};
    }
    return {};
  }

  std::unique_ptr<TileEmitter> createEmitter(MLIRContext *context) const override {
    if (arch.warpgroups) {
      return std::make_unique<Sm90Emitter>(context, arch.manyRows, arch.sharedBytes);
    }
    return std::make_unique<Sm80Emitter>(context, arch.manyRows);
  }

  LogicalResult convertDevice(DeviceForm &form) const override {
    return dsv2::convertDevice(form, arch);
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
    FailureOr<std::string> text = emitPtx(*form, arch);
    if (failed(text)) {
      return failure();
    }
    if ((options.resources || options.binaries) && !findPtxas().empty()) {
      llvm::Expected<AssembledKernel> assembled =
          assembleKernel(*text, out.name, arch, out.threads, out.sharedBytes);
      if (assembled) {
        out.resources = assembled->resources;
        if (options.binaries) {
          out.binary = std::move(assembled->cubin);
        }
      } else if (options.resources) {
        return kernel.emitError() << "kernel '" << out.name
                                  << "': " << llvm::toString(assembled.takeError());
      } else {
        // An assembler older than the architecture, say: the text is whole without it.
        kernel.emitWarning() << "kernel '" << out.name << "' has no binary for '" << arch.name
                             << "': " << llvm::toString(assembled.takeError());
      }
    }
    out.object.assign(text->begin(), text->end());
    out.object.push_back(0); // loaders take the text as a C string
    if (options.assembly) {
      out.assembly = std::move(*text);
    }
    return out;
  }

  FailureOr<KernelImage> serialize(llvm::ArrayRef<CompiledKernel> kernels,
                                   Location) const override {
    return joinModules(kernels, CodeFormat::Ptx);
  }

private:
  NvidiaArch arch;
};

std::vector<NvidiaArch> allArchitectures() {
  // Bytes of workgroup memory: CUDA C++ programming guide, compute capabilities 8.0 and 9.0.
  // With 128 rows the two f32 accumulators of SwiGLU spill on sm_90a.
  return {{"sm_80", "+ptx80", 163 * 1024, 164 * 1024, 2048, 128},
          {"sm_90a", "+ptx80", 227 * 1024, 228 * 1024, 2048, 64, /*warpgroups=*/true}};
}

} // namespace

void registerNVIDIATargets(TargetRegistry &registry) {
  for (const NvidiaArch &arch : allArchitectures()) {
    registry.add(std::make_unique<NvidiaBackend>(arch));
  }
}

void registerNVIDIADialects(DialectRegistry &registry) {
  registry.insert<gpu::GPUDialect, NVVM::NVVMDialect, nvgpu::NVGPUDialect>();
  // The conversion of device code asks each dialect for its patterns.
  arith::registerConvertArithToLLVMInterface(registry);
  cf::registerConvertControlFlowToLLVMInterface(registry);
  index::registerConvertIndexToLLVMInterface(registry);
  registerConvertMemRefToLLVMInterface(registry);
  ub::registerConvertUBToLLVMInterface(registry);
  vector::registerConvertVectorToLLVMInterface(registry);
  NVVM::registerConvertGpuToNVVMInterface(registry);
  registerConvertNVVMToLLVMInterface(registry);
  NVVM::registerNVVMTargetInterfaceExternalModels(registry);
  registerGPUDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}

} // namespace dsv2
