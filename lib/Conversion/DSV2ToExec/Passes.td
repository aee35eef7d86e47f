//===- Passes.td - From the model to programs ----------------------------------*- tablegen -*-===//
//
// One pass: dsv2 to dsv2_exec. The example is what test/Conversion/DSV2ToExec/form-dispatches.mlir runs.
//
//===---------------------------------------------------------------------------------------------===//

#ifndef DSV2_CONVERSION_DSV2TOEXEC_PASSES_TD
#define DSV2_CONVERSION_DSV2TOEXEC_PASSES_TD

include "mlir/Pass/PassBase.td"

def FormDispatchesPass : Pass<"dsv2-form-dispatches", "::mlir::ModuleOp"> {
  let summary = "Turn the step function into a program of dispatches for every variant";
  let description = [{
    Every contraction, attention, gate and sort becomes a dispatch of a builder's kernel; everything else
    becomes row kernels in linalg. Weights become tables of copies in the layout that the variant's target
    packs them in. Each variant gets an entry for steps of few rows, whose attention splits the context over
    the workers, and one for any number of rows; both compute the same bits.

    An op without a kernel (attention of grouped queries, parts of attention, rounded activations, a quantized
    weight that nothing widened) is an error at that op. The block of multi-token prediction, `@mtp`, is left
    out with a remark.

    Pre: the model stage is done and `dsv2-create-variants` added the variants.
    Post: the step function and the weight families are gone; arena buffers have no live intervals yet.

    ```mlir
    %q = dsv2.linear %hb, %w2 : tensor<?x64xbf16>, tensor<96x64xbf16>
    // becomes
    dsv2_exec.dispatch @matmul_0 items(2) (@rms_norm_0, @q[l], @linear_0, sym T)
    ```
  }];
  let dependentDialects = ["::mlir::dsv2_exec::ExecDialect", "::mlir::func::FuncDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::bufferization::BufferizationDialect"];
  let options = [
    Option<"splitRows", "split-rows", "int64_t", /*default=*/"16",
           "steps of at most so many rows split attention over the workers">,
  ];
  let statistics = [
    Statistic<"numDispatches", "dispatches", "dispatches in the text of all programs">,
    Statistic<"numKernels", "kernels", "distinct kernels of all programs">,
  ];
}

#endif // DSV2_CONVERSION_DSV2TOEXEC_PASSES_TD
