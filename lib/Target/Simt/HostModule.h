//===- HostModule.h - the steps that both entries share -------------------===//
//
// The device form and what a vendor made of it differ in their types; what is done to their
// operations, and everything from the LLVM dialect on, is the same.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_SIMT_HOSTMODULE_H
#define DSV2_LIB_TARGET_SIMT_HOSTMODULE_H

#include "lib/Target/Simt/RuntimeCalls.h"
#include "lib/Target/Simt/Simt.h"

namespace dsv2 {

/// All memory is the CPU's: the driver tells the spaces apart by their addresses.
void dropMemorySpaces(mlir::Operation *op);

/// After that no cast between them is left to do.
void dropSpaceCasts(mlir::Operation *op);

/// Replaces every operation of a GPU dialect in the function; `self`: its argument for the thread.
llvm::LogicalResult lowerOperations(mlir::Operation *function, mlir::Block &entry, mlir::Value self,
                                    RuntimeCalls &calls, int64_t lanes);

/// Announces the accesses of the llvm.func `name`, whose last arguments are items, workgroups,
/// scratch, workgroup memory and the thread; translates the module, gives the kernel the Simt ABI.
std::unique_ptr<llvm::Module> finishModule(mlir::ModuleOp module, llvm::StringRef name,
                                           RuntimeCalls &calls, llvm::LLVMContext &context);

} // namespace dsv2

#endif // DSV2_LIB_TARGET_SIMT_HOSTMODULE_H
