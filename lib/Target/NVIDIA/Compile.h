//===- Compile.h - from a kernel function to PTX, and what ptxas says -----===//
//
// The steps of this folder, in order: conversion of the device form to the LLVM dialect, PTX text
// by the code generator in this process, the check that nothing is left to link, and,
// where ptxas is installed, registers and spills.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_NVIDIA_COMPILE_H
#define DSV2_LIB_TARGET_NVIDIA_COMPILE_H

#include "lib/Codegen/Gpu/DeviceForm.h"
#include "lib/Target/TargetBackend.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>

namespace dsv2 {

/// An architecture, as the code generator and ptxas call it, and the size of its processors.
struct NvidiaArch {
  std::string name;                ///< "sm_80"
  std::string features;            ///< of the code generator: the PTX version
  int64_t sharedBytes = 0;         ///< that one workgroup may have
  int64_t processorShared = 0;     ///< of a processor, the system's part of each workgroup included
  int64_t processorThreads = 2048; ///< of a processor
  int64_t manyRows = 128;          ///< of a workgroup's tile; what its registers hold
  /// Has tensor copies and multiplication by warpgroups: bf16 is Sm90Emitter's.
  bool warpgroups = false;
};

/// Rewrites math operations to this vendor's instructions, element by element. One that has none is
/// an error at the operation that names it.
mlir::LogicalResult lowerMath(mlir::gpu::GPUModuleOp device);

/// Converts the device form to the LLVM dialect and this vendor's operations: `kernel` is null
/// then, `device` holds an llvm.func.
mlir::LogicalResult convertDevice(DeviceForm &form, const NvidiaArch &arch);

/// Both that and the operations that become assembly text: what is left translates to LLVM IR.
/// Errors are reported at the operation; false then.
mlir::LogicalResult lowerDevice(DeviceForm &form, const NvidiaArch &arch);

/// PTX of a lowered device form. A function that the text would have to import is an error that
/// names it.
mlir::FailureOr<std::string> emitPtx(DeviceForm &form, const NvidiaArch &arch);

/// Path of ptxas: in PATH, $CUDA_HOME/bin or /usr/local/cuda/bin; empty where there is none.
std::string findPtxas();

struct AssembledKernel {
  KernelResources resources;
  std::vector<char> cubin;
};

/// Assembles a text by ptxas and reads what it says of `kernel`. The text's errors are returned as
/// ptxas words them. Same text, same cubin.
llvm::Expected<AssembledKernel> assembleKernel(llvm::StringRef ptx, llvm::StringRef kernel,
                                               const NvidiaArch &arch, int64_t threads,
                                               int64_t sharedBytes);

/// Assembles a text to a cubin.
llvm::Expected<std::vector<char>> assembleCubin(llvm::StringRef ptx, const NvidiaArch &arch);

} // namespace dsv2

#endif // DSV2_LIB_TARGET_NVIDIA_COMPILE_H
