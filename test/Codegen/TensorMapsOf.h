//===- TensorMapsOf.h - a built kernel's tensor maps for the runtime ------===//
//
// Tests launch kernels without an artifact in between, which would carry them.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_CODEGEN_TENSORMAPSOF_H
#define DSV2_TEST_CODEGEN_TENSORMAPSOF_H

#include "lib/Artifact/Program.h"
#include "lib/Codegen/KernelForm.h"

namespace dsv2::test {

/// None where an argument's attribute is wrong, which the compiler reports.
inline std::vector<TensorMap> tensorMapsForLaunch(mlir::func::FuncOp kernel) {
  std::vector<TensorMap> out;
  mlir::FailureOr<llvm::SmallVector<KernelTensorMap>> maps = tensorMapsOf(kernel);
  if (mlir::succeeded(maps)) {
    for (const KernelTensorMap &map : *maps) {
      out.push_back({uint32_t(map.slot), map.columns, map.rowBytes, int32_t(map.rowsSlot),
                     uint32_t(map.boxRows)});
    }
  }
  return out;
}

} // namespace dsv2::test

#endif // DSV2_TEST_CODEGEN_TENSORMAPSOF_H
