//===- HostCode.h - x86 code in flat images -------------------------------===//
//
// What targets share that compile for the CPU this runs on, whatever their kernels look like:
// LLVM module -> object in memory -> flat image.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_COMMON_HOSTCODE_H
#define DSV2_LIB_TARGET_COMMON_HOSTCODE_H

#include "lib/Target/Common/X86Tier.h"
#include "lib/Target/TargetBackend.h"

#include "llvm/Support/Error.h"

namespace llvm {
class Module;
} // namespace llvm

namespace dsv2 {

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

#endif // DSV2_LIB_TARGET_COMMON_HOSTCODE_H
