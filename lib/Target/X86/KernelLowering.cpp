//===- KernelLowering.cpp - a kernel function to an LLVM module -----------===//
//
// Runs the upstream conversions over a copy of the function, translates it, and gives it the kernel
// ABI: a wrapper that loads the 8-byte slots. The body is inlined into it, so a kernel is one
// symbol.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/KernelForm.h"
#include "lib/Target/X86/Compile.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/VectorToSCF/VectorToSCF.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/Vector/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

using namespace mlir;

namespace dsv2 {
namespace {

/// The order that X86-KERNELS measured: vectors before memory, memory before arithmetic, calls
/// last.
void populateLowering(OpPassManager &passes) {
  passes.addNestedPass<func::FuncOp>(vector::createLowerVectorMaskPass());
  passes.addNestedPass<func::FuncOp>(createConvertVectorToSCFPass(
      VectorTransferToSCFOptions().enableFullUnroll().setTargetRank(1)));
  passes.addPass(createLowerAffinePass());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createSCFToControlFlowPass());
  ConvertVectorToLLVMPassOptions vectorOptions;
  vectorOptions.x86Vector = true;
  passes.addPass(createConvertVectorToLLVMPass(vectorOptions));
  passes.addPass(memref::createExpandStridedMetadataPass());
  passes.addPass(createLowerAffinePass());
  passes.addPass(createFinalizeMemRefToLLVMConversionPass());
  passes.addPass(createConvertMathToLLVMPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createUBToLLVMConversionPass());
  ConvertFuncToLLVMPassOptions funcOptions;
  funcOptions.useBarePtrCallConv = true;
  passes.addPass(createConvertFuncToLLVMPass(funcOptions));
  passes.addPass(createConvertIndexToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
}

/// The slots hold what does not change during the call, so each load may be moved and merged.
llvm::Value *loadSlot(llvm::IRBuilder<> &b, llvm::Value *slots, unsigned number, llvm::Type *type) {
  llvm::Value *address = b.CreateConstInBoundsGEP1_64(b.getInt64Ty(), slots, number);
  llvm::LoadInst *load = b.CreateAlignedLoad(type, address, llvm::Align(8));
  load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(b.getContext(), {}));
  return load;
}

void addWrapper(llvm::Module &module, llvm::Function &body, llvm::StringRef name) {
  llvm::LLVMContext &context = module.getContext();
  auto *pointer = llvm::PointerType::get(context, 0);
  auto *integer = llvm::Type::getInt64Ty(context);
  auto *type = llvm::FunctionType::get(llvm::Type::getVoidTy(context),
                                       {pointer, integer, integer, pointer}, false);
  body.setName(name + ".body");
  body.setLinkage(llvm::GlobalValue::InternalLinkage);
  body.addFnAttr(llvm::Attribute::AlwaysInline);
  auto *wrapper = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, name, module);
  wrapper->setDSOLocal(true);
  wrapper->addParamAttr(0, llvm::Attribute::NoAlias);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "entry", wrapper));
  SmallVector<llvm::Value *> values;
  unsigned slots = body.arg_size() - kTrailingArguments;
  for (unsigned i = 0; i < slots; ++i) {
    values.push_back(loadSlot(b, wrapper->getArg(0), i, body.getArg(i)->getType()));
  }
  values.append({wrapper->getArg(1), wrapper->getArg(2), wrapper->getArg(3)});
  b.CreateCall(&body, values);
  b.CreateRetVoid();
}

} // namespace

std::unique_ptr<llvm::Module> lowerKernel(func::FuncOp kernel, const X86Tier &tier,
                                          llvm::LLVMContext &context) {
  if (failed(checkKernelForm(kernel))) {
    return nullptr;
  }
  OwningOpRef<ModuleOp> module = ModuleOp::create(kernel.getLoc());
  module->getBody()->push_back(kernel.clone());
  PassManager passes(kernel.getContext());
  populateLowering(passes);
  if (failed(passes.run(*module))) {
    kernel.emitError() << "kernel '" << kernel.getName() << "' does not lower for target '"
                       << tier.name << "'";
    return nullptr;
  }
  std::unique_ptr<llvm::Module> out = translateModuleToLLVMIR(*module, context, kernel.getName());
  llvm::Function *body = out ? out->getFunction(kernel.getName()) : nullptr;
  if (!body || body->isDeclaration()) {
    kernel.emitError() << "kernel '" << kernel.getName() << "' does not translate to LLVM IR";
    return nullptr;
  }
  addWrapper(*out, *body, kernel.getName());
  return out;
}

} // namespace dsv2
