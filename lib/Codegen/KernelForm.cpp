//===- KernelForm.cpp - the form of every kernel function -----------------===//
//
// The check that targets make before they lower a function.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/KernelForm.h"

#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;

namespace dsv2 {

LogicalResult checkKernelForm(func::FuncOp kernel) {
  FunctionType type = kernel.getFunctionType();
  if (type.getNumResults() != 0 || type.getNumInputs() < kTrailingArguments ||
      kernel.isExternal()) {
    return kernel.emitError()
           << "kernel '" << kernel.getName()
           << "' must have a body, no results, and arguments that end in begin, end, scratch";
  }
  for (auto [number, input] : llvm::enumerate(type.getInputs())) {
    auto memory = dyn_cast<MemRefType>(input);
    bool address = memory && memory.hasStaticShape() && memory.getLayout().isIdentity();
    bool last = number + 1 == type.getNumInputs();
    bool symbol = number + kTrailingArguments >= type.getNumInputs() && !last;
    if ((last && !address) || (symbol && !input.isIndex()) || (!address && !input.isIndex())) {
      return kernel.emitError() << "kernel '" << kernel.getName() << "': argument " << number
                                << " has type " << input << ", expected "
                                << (last     ? "a memref"
                                    : symbol ? "index"
                                             : "index or memref")
                                << " (static shape, identity layout)";
    }
  }
  return success();
}

} // namespace dsv2
