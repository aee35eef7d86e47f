//===- DeviceLowering.cpp - the device form to the LLVM dialect -----------===//
//
// Upstream's conversions in the order that was tried, and one repair: the workgroup memory that a
// launch sizes is an external variable of no size, which is what the code generator takes for it.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/Gpu/Alignment.h"
#include "lib/Codegen/Gpu/MathIntrinsics.h"
#include "lib/Target/AMD/Compile.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/VectorToSCF/VectorToSCF.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/IR/Module.h"

using namespace mlir;

namespace dsv2 {
namespace {

constexpr uint64_t kSharedAlignment = 128;

/// All of them are selected without a device library.
constexpr MathIntrinsic kMath[] = {
    {"math.exp", "llvm.amdgcn.exp2.f32"},     {"math.exp2", "llvm.amdgcn.exp2.f32"},
    {"math.sqrt", "llvm.sqrt.f32"},           {"math.rsqrt", "llvm.amdgcn.rsq.f32"},
    {"math.floor", "llvm.floor.f32"},         {"math.ceil", "llvm.ceil.f32"},
    {"math.roundeven", "llvm.roundeven.f32"}, {"math.absf", "llvm.fabs.f32"},
    {"math.copysign", "llvm.copysign.f32"},   {"math.fma", "llvm.fma.f32"},
};

void addSimplification(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void populateConversion(PassManager &pm, const AmdArch &arch) {
  addSimplification(pm);
  ConvertAMDGPUToROCDLPassOptions matrices;
  matrices.chipset = arch.name;
  pm.addPass(createConvertAMDGPUToROCDLPass(matrices));
  OpPassManager &device = pm.nest<gpu::GPUModuleOp>();
  device.addPass(createConvertVectorToSCFPass(
      VectorTransferToSCFOptions().enableFullUnroll().setTargetRank(1)));
  device.addPass(createSCFToControlFlowPass());
  device.addPass(memref::createExpandStridedMetadataPass());
  device.addPass(createLowerAffinePass());
  ConvertGpuOpsToROCDLOpsOptions options;
  options.chipset = arch.name;
  options.useBarePtrCallConv = true;
  // Not the device dialect: other targets of this compiler give it patterns of their own.
  options.allowedDialects = {"arith", "cf", "index", "memref", "ub", "vector"};
  device.addPass(createConvertGpuOpsToROCDLOps(options));
  addSimplification(device);
  device.addPass(createReconcileUnrealizedCastsPass());
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

void repairSharedMemory(gpu::GPUModuleOp device) {
  device.walk([](LLVM::GlobalOp global) {
    if (global.getAddrSpace() == 3) {
      global.setLinkage(LLVM::Linkage::External);
      global.setAlignment(kSharedAlignment);
    }
  });
}

} // namespace

LogicalResult lowerDevice(DeviceForm &form, const AmdArch &arch) {
  std::string name = form.kernel.getName().str();
  Location loc = form.kernel.getLoc();
  if (failed(lowerMathToIntrinsics(form.device, kMath)) || failed(simplifyVectors(form.device))) {
    return failure();
  }
  alignVectorAccesses(form.device);
  PassManager passes(form.module->getContext());
  populateConversion(passes, arch);
  if (failed(passes.run(*form.module))) {
    return emitError(loc) << "kernel '" << name << "' does not lower for target '" << arch.name
                          << "'";
  }
  form.kernel = {};
  repairSharedMemory(form.device);
  return success();
}

std::unique_ptr<llvm::Module> translateDevice(DeviceForm &form, const AmdArch &arch,
                                              llvm::LLVMContext &context) {
  Location loc = form.device.getLoc();
  std::string name;
  LLVM::LLVMFuncOp missing;
  form.device.walk([&](LLVM::LLVMFuncOp function) {
    if (!function.isExternal()) {
      name = function.getName().str();
    } else if (!function.getName().starts_with("llvm.")) {
      missing = function;
    }
  });
  if (missing) {
    emitError(loc) << "kernel '" << name << "' needs the function '" << missing.getName()
                   << "', which no object of target '" << arch.name << "' holds";
    return nullptr;
  }
  std::unique_ptr<llvm::Module> out = translateModuleToLLVMIR(form.device, context, name);
  llvm::Function *kernel = out ? out->getFunction(name) : nullptr;
  if (!kernel || kernel->isDeclaration()) {
    emitError(loc) << "kernel '" << name << "' does not translate to LLVM IR for target '"
                   << arch.name << "'";
    return nullptr;
  }
  return out;
}

} // namespace dsv2
