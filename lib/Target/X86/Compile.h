//===- Compile.h - the steps from a kernel function to an image -----------===//
//
// kernel function -> LLVM module with the kernel ABI -> object in memory -> flat image.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_X86_COMPILE_H
#define DSV2_LIB_TARGET_X86_COMPILE_H

#include "lib/Target/TargetBackend.h"
#include "lib/Target/X86/X86Tier.h"

#include "llvm/Support/Error.h"

#include <memory>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace dsv2 {

/// Lowers a copy of the function to an LLVM module that holds one function of the ABI
///   void name(const uint64_t *slots, int64_t begin, int64_t end, void *scratch)
/// which loads the slots and runs the body. Fails with a diagnostic at the function.
std::unique_ptr<llvm::Module> lowerKernel(mlir::func::FuncOp kernel, const X86Tier &tier,
                                          llvm::LLVMContext &context);

/// Rewrites moves and conversions of bf16 as integer operations where the tier has no instruction
/// for them.
void lowerBf16(llvm::Module &module, const X86Tier &tier);

/// Compiles the module (and changes it). `assembly` null: no text. Errors of the code generator,
/// its fatal ones included, come back as an error.
llvm::Expected<std::vector<char>> emitObject(llvm::Module &module, const X86Tier &tier,
                                             std::string *assembly);

/// Joins objects to an image. Errors name function and symbol.
llvm::Expected<KernelImage> flattenObjects(llvm::ArrayRef<CompiledKernel> kernels);

} // namespace dsv2

#endif // DSV2_LIB_TARGET_X86_COMPILE_H
