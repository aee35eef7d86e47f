//===- DeviceLowering.cpp - the device form to the LLVM dialect -----------===//
//
// Upstream's conversions in the order that was tried (GPU kernels through MLIR 22), and two repairs
// between them: the workgroup memory that a launch sizes must be an external symbol, since an
// internal one of no size would lie on top of whatever else is there; and it must be aligned for 16
// byte copies.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/Alignment.h"
#include "lib/Codegen/KernelForm.h"
#include "lib/Target/NVIDIA/Compile.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/VectorToSCF/VectorToSCF.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace dsv2 {
namespace {

/// What copies of 16 bytes need, and what swizzled tiles do.
constexpr uint64_t kSharedAlignment = 128, kSwizzledAlignment = 1024;

void addSimplification(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void populateConversion(PassManager &pm) {
  addSimplification(pm);
  pm.addPass(createConvertNVGPUToNVVMPass());
  OpPassManager &device = pm.nest<gpu::GPUModuleOp>();
  device.addPass(createConvertVectorToSCFPass(
      VectorTransferToSCFOptions().enableFullUnroll().setTargetRank(1)));
  device.addPass(createSCFToControlFlowPass());
  device.addPass(memref::createExpandStridedMetadataPass());
  device.addPass(createLowerAffinePass());
  ConvertGpuOpsToNVVMOpsOptions options;
  options.useBarePtrCallConv = true;
  device.addPass(createConvertGpuOpsToNVVMOps(options));
  addSimplification(device);
  device.addPass(createReconcileUnrealizedCastsPass());
}

void populateFinish(PassManager &pm) {
  OpPassManager &device = pm.nest<gpu::GPUModuleOp>();
  device.addPass(createConvertNVVMToLLVMPass());
  device.addPass(createReconcileUnrealizedCastsPass());
  addSimplification(device);
}

/// Vector operations that the conversion knows only in simpler form.
LogicalResult simplifyVectors(gpu::GPUModuleOp device) {
  RewritePatternSet patterns(device.getContext());
  vector::populateVectorTransferLoweringPatterns(patterns, /*maxTransferRank=*/1);
  vector::populateVectorInsertExtractStridedSliceTransforms(patterns);
  vector::populateVectorShapeCastLoweringPatterns(patterns);
  vector::populateVectorBitCastLoweringPatterns(patterns);
  return applyPatternsGreedily(device, std::move(patterns));
}

/// One workgroup at a time is enough: the assembler may use all registers, and must not spill to
/// fit several.
void allowAllRegisters(gpu::GPUModuleOp device) {
  device.walk([](LLVM::LLVMFuncOp function) {
    if (function->hasAttr(NVVM::NVVMDialect::getKernelFuncAttrName())) {
      Builder b(function.getContext());
      function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), b.getI32IntegerAttr(1));
    }
  });
}

/// Arguments that are tensor maps: the conversion keeps the number of arguments, not their
/// attributes.
SmallVector<unsigned> mapArguments(gpu::GPUFuncOp kernel) {
  SmallVector<unsigned> out;
  for (unsigned i = 0; i < kernel.getNumArguments(); ++i) {
    if (kernel.getArgAttr(i, kTensorMapAttr)) {
      out.push_back(i);
    }
  }
  return out;
}

/// A map is 128 bytes of the launch's parameters, and stays there: without grid_constant the kernel
/// would copy it to its stack.
void passMapsByValue(gpu::GPUModuleOp device, ArrayRef<unsigned> maps) {
  constexpr int64_t kMapBytes = 128, kMapAlignment = 64;
  device.walk([&](LLVM::LLVMFuncOp function) {
    if (!function->hasAttr(NVVM::NVVMDialect::getKernelFuncAttrName())) {
      return;
    }
    Builder b(function.getContext());
    auto bytes = LLVM::LLVMArrayType::get(b.getI8Type(), kMapBytes);
    for (unsigned i : maps) {
      function.setArgAttr(i, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(bytes));
      function.setArgAttr(i, LLVM::LLVMDialect::getAlignAttrName(),
                          b.getI64IntegerAttr(kMapAlignment));
      function.setArgAttr(i, NVVM::NVVMDialect::getGridConstantAttrName(), b.getUnitAttr());
    }
  });
}

/// The one variable of workgroup memory: named and sized by the launch.
void repairSharedMemory(gpu::GPUModuleOp device, const NvidiaArch &arch) {
  device.walk([&](LLVM::GlobalOp global) {
    if (global.getAddrSpace() == 3) {
      global.setLinkage(LLVM::Linkage::External);
      global.setAlignment(arch.warpgroups ? kSwizzledAlignment : kSharedAlignment);
      global.setDsoLocal(false);
    }
  });
}

} // namespace

LogicalResult convertDevice(DeviceForm &form, const NvidiaArch &arch) {
  std::string name = form.kernel.getName().str();
  Location loc = form.kernel.getLoc();
  if (failed(lowerMath(form.device)) || failed(simplifyVectors(form.device))) {
    return failure();
  }
  alignVectorAccesses(form.device);
  SmallVector<unsigned> maps = mapArguments(form.kernel);
  PassManager passes(form.module->getContext());
  populateConversion(passes);
  if (failed(passes.run(*form.module))) {
    return emitError(loc) << "kernel '" << name << "' does not lower for target '" << arch.name
                          << "'";
  }
  form.kernel = {};
  passMapsByValue(form.device, maps);
  repairSharedMemory(form.device, arch);
  allowAllRegisters(form.device);
  return success();
}

LogicalResult lowerDevice(DeviceForm &form, const NvidiaArch &arch) {
  std::string name = form.kernel.getName().str();
  Location loc = form.kernel.getLoc();
  if (failed(convertDevice(form, arch))) {
    return failure();
  }
  PassManager passes(form.module->getContext());
  populateFinish(passes);
  if (failed(passes.run(*form.module))) {
    return emitError(loc) << "kernel '" << name << "' does not lower for target '" << arch.name
                          << "'";
  }
  return success();
}

} // namespace dsv2
