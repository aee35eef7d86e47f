//===- Registration.cpp - what the compiler's tools know -----------------------===//
//
// Each room adds its line here.
//
//===----------------------------------------------------------------------===//

#include "lib/Pipelines/Registration.h"

#include "dialects/DSV2/IR/DSV2.h"
#include "dialects/DSV2/Transforms/Passes.h"
#include "dialects/Exec/IR/Exec.h"
#include "dialects/Exec/Transforms/Passes.h"
#include "lib/Codegen/Generic/GenericPipeline.h"
#include "lib/Conversion/DSV2ToExec/Passes.h"
#include "lib/Pipelines/Passes.h"
#include "lib/Target/TargetBackend.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Transforms/Passes.h"

namespace mlir::dsv2 {

void registerAllDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, func::FuncDialect, tensor::TensorDialect>();
  registry.insert<DSV2Dialect, dsv2_exec::ExecDialect>();
  ::dsv2::registerKernelDialects(registry);
  registerGenericKernelDialects(registry);
}

void registerAllPasses() {
  registerDSV2Passes();
  registerCanonicalizerPass();
  registerCSEPass();
  registerFormDispatchesPasses();
  dsv2_exec::registerExecPasses();
  registerGenericKernelPasses();
  registerPipelinesPasses();
}

} // namespace mlir::dsv2
