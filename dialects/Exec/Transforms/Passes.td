//===- Passes.td - passes on programs -------------------------------------------*- tablegen -*-===//
//
// dsv2_exec to dsv2_exec. The example is what test/Dialect/Exec/assign-live-intervals.mlir runs.
//
//===---------------------------------------------------------------------------------------------===//

#ifndef DSV2_EXEC_TRANSFORMS_PASSES_TD
#define DSV2_EXEC_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def AssignLiveIntervalsPass : Pass<"dsv2-assign-live-intervals", "::mlir::ModuleOp"> {
  let summary = "Say between which dispatches each arena buffer is live";
  let description = [{
    Dispatches of an entry are numbered in the order of the text, those of a `repeat` once. A buffer lives from
    its first use to its last. One that a loop's body reads before it writes it carries a value from layer to
    layer (or in or out of the loop), so it lives through the whole loop. The runtime then gives buffers whose
    intervals do not meet the same memory.

    Pre: every arena buffer is used by at most one entry; every kernel says which slots it writes (`writes`).
    Post: every used arena buffer has `live`; unused ones are gone.

    ```mlir
    dsv2_exec.buffer @x : f32 size(T * 64 + 64)
    // becomes
    dsv2_exec.buffer @x : f32 size(T * 64 + 64) live 0 to 5
    ```
  }];
  let dependentDialects = ["::mlir::dsv2_exec::ExecDialect"];
  let statistics = [Statistic<"numCarried", "carried", "buffers that live through a whole loop">];
}

#endif // DSV2_EXEC_TRANSFORMS_PASSES_TD
