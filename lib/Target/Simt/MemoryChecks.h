//===- MemoryChecks.h - a call before every access of memory --------------===//
//
// Works on the LLVM dialect, where accesses are few kinds of operations whatever they came from.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_SIMT_MEMORYCHECKS_H
#define DSV2_LIB_TARGET_SIMT_MEMORYCHECKS_H

#include "lib/Target/Simt/RuntimeCalls.h"

namespace dsv2 {

/// Announces each access of the function but those of the thread's own stack, of constants, and of
/// `self`, the thread. Failure, with an error at it, for an access that cannot be announced.
llvm::LogicalResult checkMemory(mlir::LLVM::LLVMFuncOp function, mlir::Value self,
                                RuntimeCalls &calls);

} // namespace dsv2

#endif // DSV2_LIB_TARGET_SIMT_MEMORYCHECKS_H
