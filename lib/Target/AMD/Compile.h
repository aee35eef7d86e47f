//===- Compile.h - from a kernel function to a code object ----------------===//
//
// The steps of this folder, in order: conversion of the device form to the LLVM dialect, an object
// by the code generator in this process, the check that nothing is left to link, the link itself,
// and what the object's notes say of registers and spills.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_AMD_COMPILE_H
#define DSV2_LIB_TARGET_AMD_COMPILE_H

#include "lib/Codegen/Gpu/DeviceForm.h"
#include "lib/Target/TargetBackend.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace dsv2 {

/// How an architecture multiplies matrices.
enum class MatrixUnit { Mfma, Wmma };

/// An architecture, as the code generator calls it, and the size of its processors (compute units;
/// where two share memory and waves of a workgroup, both).
struct AmdArch {
  std::string name; ///< "gfx942"
  MatrixUnit unit = MatrixUnit::Mfma;
  int64_t lanes = 64;          ///< of a wave
  int64_t sharedBytes = 0;     ///< that one workgroup may have
  int64_t processorShared = 0; ///< of a processor
  int64_t units = 4;           ///< that run waves, of a processor
  int64_t unitWaves = 8;       ///< of such a unit
  int64_t unitRegisters = 512; ///< for each lane, shared by the waves of a unit
  int64_t registerStep = 8;    ///< registers are given out in multiples of it
};

/// Converts the device form to the LLVM dialect. Errors are reported at the operation.
mlir::LogicalResult lowerDevice(DeviceForm &form, const AmdArch &arch);

/// LLVM IR of a lowered device form. A function that something else would have to define is an
/// error that names it.
std::unique_ptr<llvm::Module> translateDevice(DeviceForm &form, const AmdArch &arch,
                                              llvm::LLVMContext &context);

/// Compiles the module (and changes it) to a relocatable object. `assembly` null: no text. Errors
/// of the code generator, its fatal ones included, come back as an error; so does a symbol that the
/// object leaves undefined, by its name.
llvm::Expected<std::vector<char>> emitDeviceObject(llvm::Module &module, const AmdArch &arch,
                                                   std::string *assembly);

/// Links an object to what a driver loads.
llvm::Expected<std::vector<char>> linkCodeObject(llvm::ArrayRef<char> object);

/// What a code object's notes say of its one kernel, and how many workgroups of `threads` fit.
llvm::Expected<KernelResources> readResources(llvm::ArrayRef<char> codeObject, const AmdArch &arch,
                                              int64_t threads, int64_t sharedBytes);

} // namespace dsv2

#endif // DSV2_LIB_TARGET_AMD_COMPILE_H
