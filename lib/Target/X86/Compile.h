//===- Compile.h - from a kernel function to an LLVM module ---------------===//
//
// The first step of kernel function -> LLVM module with the kernel ABI -> object in memory -> flat
// image; the others are shared (HostCode.h).
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_X86_COMPILE_H
#define DSV2_LIB_TARGET_X86_COMPILE_H

#include "lib/Target/Common/HostCode.h"

#include <memory>

namespace llvm {
class LLVMContext;
} // namespace llvm

namespace dsv2 {

/// Lowers a copy of the function to an LLVM module that holds one function of the ABI
///   void name(const uint64_t *slots, int64_t begin, int64_t end, void *scratch)
/// which loads the slots and runs the body. Fails with a diagnostic at the function.
std::unique_ptr<llvm::Module> lowerKernel(mlir::func::FuncOp kernel, const X86Tier &tier,
                                          llvm::LLVMContext &context);

} // namespace dsv2

#endif // DSV2_LIB_TARGET_X86_COMPILE_H
