//===- DeviceForm.h - a kernel function as a workgroup's program ----------===//
//
// What every target with workgroups converts, and what a simulator of such targets runs. The
// function of the kernel form (KernelForm.h) says what one workgroup does with its items:
//
//   func.func @k(%a: memref<Nxf32>, ..., %begin: index, %end: index, %scratch: memref<Sxi8>)
//       attributes {dsv2.threads = 128, dsv2.shared_bytes = 73728}
//
// and the device form says which items a workgroup has:
//
//   gpu.module @kernels {
//     gpu.func @k(%a: memref<Nxf32>, ..., %items: index, %workgroups: index, %scratch:
//     memref<..xi8>)
//         kernel attributes {known_block_size = array<i32: 128, 1, 1>, dsv2.shared_bytes = 73728} {
//       %group = gpu.block_id x
//       begin = group * items / workgroups, end = (group + 1) * items / workgroups
//       scratch of the workgroup = %scratch + group * kernelScratchStride(S)
//
// Arguments of both are in slot order, tensor maps after the slots with their attribute. The number
// of workgroups is an argument, since not every target can ask for the grid. A function without
// `dsv2.threads` knows nothing of threads: its workgroup has one. Workgroup memory is one
// gpu.dynamic_shared_memory of `dsv2.shared_bytes`.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_GPU_DEVICEFORM_H
#define DSV2_LIB_CODEGEN_GPU_DEVICEFORM_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace dsv2 {

/// Attributes of a kernel function: threads of a workgroup (i64), bytes of workgroup memory (i64).
constexpr llvm::StringLiteral kThreadsAttr = "dsv2.threads";
constexpr llvm::StringLiteral kSharedBytesAttr = "dsv2.shared_bytes";

struct DeviceForm {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::gpu::GPUModuleOp device; ///< inside `module`
  mlir::gpu::GPUFuncOp kernel;   ///< inside `device`
  int64_t threads = 1, sharedBytes = 0;
};

/// Bytes between the scratch of neighbouring workgroups, for a kernel that declares `bytes`.
constexpr int64_t kernelScratchStride(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Wraps a copy of the function. An error at the function where it has not the kernel form or more
/// than one block.
mlir::FailureOr<DeviceForm> makeDeviceForm(mlir::func::FuncOp kernel);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_GPU_DEVICEFORM_H
