//===- Simt.h - GPU kernels compiled for checked runs on the CPU ----------===//
//
// Makes of a target whose kernels are workgroups a second one that runs anywhere: the same emitter,
// packing and device form, compiled for x86-64-v3 with a call to the driver `simt` for whatever a
// CPU has no instruction for, and before every access of memory (lib/Support/SimtAbi.h).
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_SIMT_SIMT_H
#define DSV2_LIB_TARGET_SIMT_SIMT_H

#include "lib/Codegen/Gpu/DeviceForm.h"
#include "lib/Target/Common/HostCode.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

namespace dsv2 {

/// How instrumented code is compiled.
X86Tier simtTier();

/// Numbers the operations of a device form in their locations, so that reports can name them after
/// every pass and conversion. lowerDeviceForm does it; before lowerConvertedForm it is the
/// caller's.
void nameOperations(mlir::Operation *kernel, llvm::StringRef name);

/// Lowers a device form to an LLVM module with one function of the Simt ABI, named as the kernel.
/// `lanes`: threads that run in step. An operation that the driver does not play is an error at it
/// that says so. The form is used up.
std::unique_ptr<llvm::Module> lowerDeviceForm(DeviceForm form, int64_t lanes,
                                              llvm::LLVMContext &context);

/// The same for a device form that its vendor's conversion has brought to the LLVM dialect (a
/// gpu.module with one llvm.func): what runs checked is then what that conversion made.
std::unique_ptr<llvm::Module> lowerConvertedForm(DeviceForm form, int64_t lanes,
                                                 llvm::LLVMContext &context);

} // namespace dsv2

#endif // DSV2_LIB_TARGET_SIMT_SIMT_H
