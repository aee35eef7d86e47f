//===- Fences.h - which barriers a kernel needs -----------------*- C++ -*-===//
//
// While a program is emitted nobody knows yet what the next trip of a loop does, so emitters put a
// barrier wherever memory of a workgroup is given to another use. When the function is whole, those
// are taken out again that stand between no two accesses which may meet: a barrier that nothing
// needs costs time, and hides from tests that it does nothing.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CODEGEN_GPU_FENCES_H
#define DSV2_LIB_CODEGEN_GPU_FENCES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"

namespace dsv2 {

/// Erases those of `fences`, barriers of `function`, that no two accesses of workgroup memory need.
/// Two accesses of one number in `owners` touch each byte from one thread alone, so they need
/// nothing between them. An asynchronous copy counts where it is issued: what it brings must be
/// waited for before a barrier that is none of the fences. Nothing is known of what is done through
/// the address of all workgroup memory: such uses need a barrier that is none of the fences.
void dropNeedlessFences(mlir::func::FuncOp function, llvm::ArrayRef<mlir::Operation *> fences,
                        const llvm::DenseMap<mlir::Operation *, unsigned> &owners);

} // namespace dsv2

#endif // DSV2_LIB_CODEGEN_GPU_FENCES_H
