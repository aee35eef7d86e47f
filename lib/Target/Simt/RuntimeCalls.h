//===- RuntimeCalls.h - calls of the driver, in the LLVM dialect ----------===//
//
// While a kernel is lowered the driver's functions are declarations; at the end each call goes
// through the table that the thread brings along.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_SIMT_RUNTIMECALLS_H
#define DSV2_LIB_TARGET_SIMT_RUNTIMECALLS_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

#include <string>

namespace llvm {
class Module;
} // namespace llvm

namespace dsv2 {

/// A function of SimtCalls.
enum class RuntimeCall {
  Access,
  MaskedAccess,
  OutOfRange,
  Barrier,
  WarpBarrier,
  Shuffle,
  MatrixMultiply,
  MatrixLoad,
  AsyncCopy,
  AsyncCommit,
  AsyncWait,
  Math,
  MbarrierInit,
  MbarrierInitFence,
  MbarrierArrive,
  MbarrierWait,
  BoxCopy,
  ProxyFence,
  Elect,
  SetRegisters,
  GroupFence,
  GroupMultiply,
  GroupCommit,
  GroupWait,
  GroupResult
};

class RuntimeCalls {
public:
  explicit RuntimeCalls(mlir::ModuleOp module) : module(module) {}

  /// Calls the function for the thread `self`. Arguments are those between `self` and `where`;
  /// `where` null: the function takes none. Null where there is no result.
  mlir::Value call(mlir::OpBuilder &b, mlir::Location loc, RuntimeCall function, mlir::Value self,
                   mlir::ValueRange arguments, mlir::Operation *where);
  /// The address of constant bytes.
  mlir::Value constant(mlir::OpBuilder &b, mlir::Location loc, llvm::StringRef name,
                       llvm::StringRef bytes, int64_t alignment);

private:
  mlir::ModuleOp module;
  llvm::StringMap<mlir::LLVM::GlobalOp> constants; ///< by their bytes
};

/// What reports say of the operation: its name, and the place in a file where there is one.
std::string placeOf(mlir::Operation *op);

/// Replaces the calls of declarations by calls through the table.
void callThroughTable(llvm::Module &module);

} // namespace dsv2

#endif // DSV2_LIB_TARGET_SIMT_RUNTIMECALLS_H
