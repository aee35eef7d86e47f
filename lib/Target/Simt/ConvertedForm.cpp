//===- ConvertedForm.cpp - the second entry: after a vendor's conversion --===//
//
// The kernel is an llvm.func in a gpu.module by now, its workgroup memory a variable, its pointers
// in the vendor's spaces. It moves out, gets what is hidden in the thread as arguments, and goes
// the same way as the device form from there.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/Simt/HostModule.h"

#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace dsv2 {
namespace {

/// Address space of workgroup memory, for both vendors.
constexpr unsigned kWorkgroupSpace = 3;

/// Pointers into the variable of workgroup memory become the argument `shared`.
LogicalResult replaceSharedMemory(gpu::GPUModuleOp device, Block &entry, Value shared) {
  llvm::StringSet<> names;
  for (auto global : device.getOps<LLVM::GlobalOp>()) {
    if (global.getAddrSpace() == kWorkgroupSpace) {
      names.insert(global.getSymName());
    }
  }
  if (names.size() > 1) {
    return device.emitError("several variables of workgroup memory are not modelled by Simt");
  }
  SmallVector<LLVM::AddressOfOp> uses;
  entry.getParent()->walk([&](LLVM::AddressOfOp address) {
    if (names.contains(address.getGlobalName())) {
      uses.push_back(address);
    }
  });
  for (LLVM::AddressOfOp address : uses) {
    address.getResult().replaceAllUsesWith(shared);
    address.erase();
  }
  for (auto global : llvm::make_early_inc_range(device.getOps<LLVM::GlobalOp>())) {
    if (names.contains(global.getSymName())) {
      global.erase();
    }
  }
  return success();
}

} // namespace

std::unique_ptr<llvm::Module> lowerConvertedForm(DeviceForm form, int64_t lanes,
                                                 llvm::LLVMContext &context) {
  ModuleOp module = *form.module;
  auto functions = form.device.getOps<LLVM::LLVMFuncOp>();
  auto found = llvm::find_if(functions, [](LLVM::LLVMFuncOp each) { return !each.isExternal(); });
  if (found == functions.end()) {
    form.device.emitError("expected a kernel in the LLVM dialect");
    return nullptr;
  }
  LLVM::LLVMFuncOp kernel = *found;
  std::string name = kernel.getName().str();
  Block &entry = kernel.getBody().front();
  MLIRContext *mlirContext = module.getContext();
  auto pointer = LLVM::LLVMPointerType::get(mlirContext);
  Value shared = entry.addArgument(pointer, kernel.getLoc());
  Value self = entry.addArgument(pointer, kernel.getLoc());
  if (failed(replaceSharedMemory(form.device, entry, shared))) {
    return nullptr;
  }
  // Attributes of the vendor's kernels, and promises about arguments (noalias) that would let the
  // optimizer move accesses across barriers, stay behind.
  OpBuilder b(mlirContext);
  b.setInsertionPointToEnd(module.getBody());
  auto function = LLVM::LLVMFuncOp::create(
      b, kernel.getLoc(), name,
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(mlirContext),
                                  llvm::to_vector(entry.getArgumentTypes())));
  function.getBody().takeBody(kernel.getBody());
  kernel.erase();
  for (auto global : llvm::make_early_inc_range(form.device.getOps<LLVM::GlobalOp>())) {
    global->moveBefore(function);
  }
  form.device.erase();
  module->removeAttr(gpu::GPUDialect::getContainerModuleAttrName());
  dropMemorySpaces(module);
  dropSpaceCasts(function);
  RuntimeCalls calls(module);
  if (failed(lowerOperations(function, function.getBody().front(), self, calls, lanes)) ||
      failed(verify(module))) {
    return nullptr;
  }
  return finishModule(module, name, calls, context);
}

} // namespace dsv2
