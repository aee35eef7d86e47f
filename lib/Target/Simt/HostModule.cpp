//===- HostModule.cpp - a device form to an instrumented LLVM module ------===//
//
// gpu.func -> func.func with the thread as an argument, its operations replaced by calls ->
// upstream's conversions -> accesses announced -> LLVM IR with the Simt ABI.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Simt/HostModule.h"
#include "lib/Support/SimtAbi.h"
#include "lib/Target/Simt/MemoryChecks.h"
#include "lib/Target/Simt/OpLowering.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/VectorToSCF/VectorToSCF.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/Vector/Transforms/Passes.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/IR/IRBuilder.h"

#include <cstddef>

using namespace mlir;

namespace dsv2 {
namespace {

/// Arguments after the slots: items, workgroups, scratch; then workgroup memory and the thread.
constexpr unsigned kLaunchArguments = 3, kHiddenArguments = 2;

/// The body of the gpu.func as a function of the CPU; the module keeps nothing else.
func::FuncOp makeFunction(ModuleOp module, DeviceForm &form) {
  MLIRContext *context = module.getContext();
  OpBuilder b(context);
  gpu::GPUFuncOp kernel = form.kernel;
  Location loc = kernel.getLoc();
  b.setInsertionPointToEnd(module.getBody());
  Block &entry = kernel.getBody().front();
  auto memory = MemRefType::get({std::max<int64_t>(form.sharedBytes, 1)}, b.getI8Type());
  Value shared = entry.addArgument(memory, loc);
  entry.addArgument(LLVM::LLVMPointerType::get(context), loc);
  auto function = func::FuncOp::create(b, loc, kernel.getName(),
                                       b.getFunctionType(entry.getArgumentTypes(), {}));
  function.getBody().takeBody(kernel.getBody());
  function.walk([&](gpu::DynamicSharedMemoryOp op) {
    OpBuilder at(op);
    auto spaced =
        MemRefType::get(memory.getShape(), memory.getElementType(), MemRefLayoutAttrInterface(),
                        cast<MemRefType>(op.getType()).getMemorySpace());
    Value whole = UnrealizedConversionCastOp::create(at, op.getLoc(), spaced, shared).getResult(0);
    op.replaceAllUsesWith(memref::CastOp::create(at, op.getLoc(), op.getType(), whole).getResult());
    op.erase();
  });
  function.walk([](gpu::ReturnOp op) {
    OpBuilder at(op);
    func::ReturnOp::create(at, op.getLoc());
    op.erase();
  });
  form.device.erase();
  return function;
}

void populateLowering(OpPassManager &passes) {
  passes.addNestedPass<func::FuncOp>(vector::createLowerVectorMaskPass());
  passes.addNestedPass<func::FuncOp>(createConvertVectorToSCFPass(
      VectorTransferToSCFOptions().enableFullUnroll().setTargetRank(1)));
  passes.addPass(createLowerAffinePass());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(memref::createExpandStridedMetadataPass());
  passes.addPass(createLowerAffinePass());
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createFinalizeMemRefToLLVMConversionPass());
  passes.addPass(createConvertMathToLLVMPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createUBToLLVMConversionPass());
  ConvertFuncToLLVMPassOptions options;
  options.useBarePtrCallConv = true;
  passes.addPass(createConvertFuncToLLVMPass(options));
  passes.addPass(createConvertIndexToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  passes.addPass(createCanonicalizerPass());
}

/// The kernel of the Simt ABI around the body, which takes slots, items, workgroups, scratch and
/// what is hidden in the thread.
void addWrapper(llvm::Module &module, llvm::Function &body, llvm::StringRef name) {
  llvm::LLVMContext &context = module.getContext();
  auto *pointer = llvm::PointerType::get(context, 0);
  auto *integer = llvm::Type::getInt64Ty(context);
  auto *type = llvm::FunctionType::get(llvm::Type::getVoidTy(context),
                                       {pointer, pointer, integer, integer, pointer}, false);
  body.setName(name + ".body");
  body.setLinkage(llvm::GlobalValue::InternalLinkage);
  body.addFnAttr(llvm::Attribute::AlwaysInline);
  auto *wrapper = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, name, module);
  wrapper->setDSOLocal(true);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "entry", wrapper));
  llvm::SmallVector<llvm::Value *> values;
  size_t slots = body.arg_size() - kLaunchArguments - kHiddenArguments;
  for (size_t i = 0; i < slots; ++i) {
    llvm::Value *address = b.CreateConstInBoundsGEP1_64(integer, wrapper->getArg(0), i);
    values.push_back(
        b.CreateAlignedLoad(body.getArg(unsigned(i))->getType(), address, llvm::Align(8)));
  }
  values.append({wrapper->getArg(2), wrapper->getArg(3), wrapper->getArg(4)});
  llvm::Value *shared =
      b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), wrapper->getArg(1), offsetof(SimtThread, shared));
  values.push_back(b.CreateAlignedLoad(pointer, shared, llvm::Align(8)));
  values.push_back(wrapper->getArg(1));
  b.CreateCall(&body, values);
  b.CreateRetVoid();
}

} // namespace

void dropMemorySpaces(Operation *op) {
  AttrTypeReplacer replacer;
  replacer.addReplacement([](MemRefType type) -> std::optional<Type> {
    return MemRefType::get(type.getShape(), type.getElementType(), type.getLayout());
  });
  replacer.addReplacement([](LLVM::LLVMPointerType type) -> std::optional<Type> {
    return LLVM::LLVMPointerType::get(type.getContext());
  });
  replacer.recursivelyReplaceElementsIn(op, /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                        /*replaceTypes=*/true);
}

void dropSpaceCasts(Operation *op) {
  op->walk([](LLVM::AddrSpaceCastOp cast) {
    cast.getResult().replaceAllUsesWith(cast.getArg());
    cast.erase();
  });
}

LogicalResult lowerOperations(Operation *function, Block &entry, Value self, RuntimeCalls &calls,
                              int64_t lanes) {
  SmallVector<Operation *> work;
  function->walk([&](Operation *op) {
    if (op != function) {
      work.push_back(op);
    }
  });
  OpLowering lowering(calls, entry, self, lanes);
  for (Operation *op : work) {
    if (failed(lowering.lower(op))) {
      return failure();
    }
  }
  return success();
}

std::unique_ptr<llvm::Module> finishModule(ModuleOp module, StringRef name, RuntimeCalls &calls,
                                           llvm::LLVMContext &context) {
  auto function = module.lookupSymbol<LLVM::LLVMFuncOp>(name);
  Value self = function.getBody().front().getArguments().back();
  if (failed(checkMemory(function, self, calls))) {
    return nullptr;
  }
  std::unique_ptr<llvm::Module> out = translateModuleToLLVMIR(module, context, name);
  llvm::Function *body = out ? out->getFunction(name) : nullptr;
  if (!body || body->isDeclaration()) {
    emitError(function.getLoc()) << "kernel '" << name << "' does not translate to LLVM IR";
    return nullptr;
  }
  addWrapper(*out, *body, name);
  callThroughTable(*out);
  return out;
}

X86Tier simtTier() {
  X86Tier tier{"simt", "x86-64-v3", "x86-64-v3", "", 8, 16, false, false};
  // Registers of matrix operations go through slots on the thread's stack, which is 128 KiB.
  tier.frameBytes = 64 * 1024;
  return tier;
}

std::unique_ptr<llvm::Module> lowerDeviceForm(DeviceForm form, int64_t lanes,
                                              llvm::LLVMContext &context) {
  ModuleOp module = *form.module;
  std::string name = form.kernel.getName().str();
  Location loc = form.kernel.getLoc();
  nameOperations(form.kernel, name);
  module->removeAttr(gpu::GPUDialect::getContainerModuleAttrName());
  func::FuncOp function = makeFunction(module, form);
  Block &entry = function.getBody().front();
  RuntimeCalls calls(module);
  if (failed(lowerOperations(function, entry, entry.getArguments().back(), calls, lanes))) {
    return nullptr;
  }
  dropMemorySpaces(function);
  dropSpaceCasts(function);
  PassManager passes(module.getContext());
  populateLowering(passes);
  if (failed(passes.run(module))) {
    emitError(loc) << "kernel '" << name << "' does not lower for Simt";
    return nullptr;
  }
  return finishModule(module, name, calls, context);
}

} // namespace dsv2
