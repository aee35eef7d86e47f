//===- Passes.td - rewrites of what the model computes ---------*- tablegen -*-===//
//
// The passes of the `model` stage: dsv2 to dsv2, no target known. Each example is the test of the pass's
// name in test/Dialect/DSV2.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_TRANSFORMS_PASSES_TD
#define DSV2_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def AbsorbMLAProjectionsPass : Pass<"dsv2-absorb-mla-projections", "::mlir::ModuleOp"> {
  let summary = "Choose the form of each latent attention";
  let description = [{
    The naive form makes K and V of every head from the cached latents (`decompress`), then attends over
    them. The reassociated form multiplies q by K's projection and attends over the latents themselves;
    V's projection follows on the result:

    q (W_UK c) = (q W_UK) c, and sum p (W_UV c) = W_UV (sum p c).

    Both projections are `dsv2.prepare` functions of kv_b; nothing is multiplied in advance. Where the
    operands of the attention are bf16, the new operands of contractions are rounded to bf16 as well.

    Pre: any dsv2 module. Post: with `reassociated`, no `attention` whose K and V come from a `decompress`.
    An attention with other K and V stays, with a remark.

    ```mlir
    %kn, %kr, %v = dsv2.decompress %c[%l], %kv_b of %batch heads 2 widths [8, 6] : ...
    %o = dsv2.attention (%qn, %qr), (%kn, %kr), %v of %batch scale #scale : ...
    // becomes
    %w_uk = dsv2.weight @moe.q_latent[%l] : tensor<2x6x8xf32>
    %ql = dsv2.head_linear %qn, %w_uk : tensor<?x2x8xf32>, tensor<2x6x8xf32>
    %ol = dsv2.latent_attention (%ql, %qr), %c[%l] of %batch scale #scale : ...
    %w_uv = dsv2.weight @moe.v_up[%l] : tensor<2x6x6xf32>
    %o = dsv2.head_linear %ol, %w_uv : tensor<?x2x6xf32>, tensor<2x6x6xf32>
    ```
  }];
  let dependentDialects = ["::mlir::dsv2::DSV2Dialect", "::mlir::tensor::TensorDialect"];
  let options = [
    Option<"mode", "mode", "std::string", /*default=*/"\"auto\"",
           "auto (now: reassociated), naive (leave as it is) or reassociated">,
  ];
  let statistics = [
    Statistic<"numReassociated", "num-reassociated", "Attentions brought to the reassociated form">,
  ];
}

def FuseExpertsPass : Pass<"dsv2-fuse-experts", "::mlir::ModuleOp"> {
  let summary = "Make shared experts slots of the routed group and merge gate and up";
  let description = [{
    One grouped matmul then does the work of all experts. The shared experts' MLP of width s*I is cut into s
    slots of width I, behind the routed experts, that every token takes with weight 1; the rows of gate and
    up stand behind each other. The joined weights are `dsv2.prepare` functions.

    Legal if the shared width is a multiple of the routed width and all weights have one type. Where it is
    not, `auto` leaves the experts as they are with a remark, and `on` is an error.

    Pre: any dsv2 module. Post: with `on`, no `routed_experts`.

    ```mlir
    %r = dsv2.routed_experts %h, %w, %ids, %gate, %up, %down : ...
    %s = dsv2.shared_experts %h, %sgate, %sup, %sdown : ...
    %y = dsv2.add %r, %s : tensor<?x8xf32>
    // becomes
    %gu = dsv2.weight @moe.fused_gate_up[%l] : tensor<6x8x8xf32>
    %d = dsv2.weight @moe.fused_down[%l] : tensor<6x8x4xf32>
    %y = dsv2.fused_experts %h, %w, %ids, %gu, %d shared 2 : ...
    ```
  }];
  let dependentDialects = ["::mlir::dsv2::DSV2Dialect", "::mlir::tensor::TensorDialect"];
  let options = [
    Option<"mode", "mode", "std::string", /*default=*/"\"auto\"",
           "auto (where legal), on (an error where not legal), off, or merge (gate and up of routed experts "
           "only, which kernels ask for)">,
  ];
  let statistics = [
    Statistic<"numFused", "num-fused", "Groups of routed experts fused">,
    Statistic<"numSharedSlots", "num-shared-slots", "Shared experts that became slots">,
  ];
}

def FoldAddsPass : Pass<"dsv2-fold-adds", "::mlir::ModuleOp"> {
  let summary = "Let a projection add what is added to its result";
  let description = [{
    A `linear` whose only reader is an `add` takes the other operand as its own `add`. The sum is the same
    number in every bit: a projection adds to its accumulator last, in f32. Of two projections that are
    added, the later one takes the other's result.

    Pre: any dsv2 module. Post: no `add` reads a `linear` that has no other reader and no `add` of its own.

    ```mlir
    %p = dsv2.linear %h, %w : tensor<?x16xf32>, tensor<8x16xf32>
    %y = dsv2.add %x, %p : tensor<?x8xf32>
    // becomes
    %y = dsv2.linear %h, %w add %x : tensor<?x16xf32>, tensor<8x16xf32>, tensor<?x8xf32>
    ```
  }];
  let dependentDialects = ["::mlir::dsv2::DSV2Dialect"];
  let statistics = [
    Statistic<"numFolded", "num-folded", "Sums that became part of a projection">,
  ];
}

def SetComputeTypePass : Pass<"dsv2-set-compute-type", "::mlir::ModuleOp"> {
  let summary = "Write the roundings of a compute type into the step";
  let description = [{
    `bf16`: both operands of every contraction but the gate's are rounded to bf16 (activations by `cast`,
    weights by `dsv2.prepare`; `inner` rounds inside attention and MLPs), and the cache is bf16. Residual
    stream, norms, rope, gate, softmax and all accumulators stay f32.
    `f32`: bf16 weights of contractions are widened by `dsv2.prepare`; nothing is rounded.

    The gate's weights are f32 in both. The module attribute `dsv2.compute` records the type.

    Pre: a module without another compute type. Post: every contraction but the gate's has operands of the
    compute type.

    ```mlir
    %q = dsv2.linear %h, %w : tensor<?x8xf32>, tensor<6x8xbf16>
    // becomes, in bf16
    %b = dsv2.cast %h : tensor<?x8xf32> to tensor<?x8xbf16>
    %q = dsv2.linear %b, %w : tensor<?x8xbf16>, tensor<6x8xbf16>
    ```
  }];
  let dependentDialects = ["::mlir::dsv2::DSV2Dialect", "::mlir::func::FuncDialect"];
  let options = [
    Option<"compute", "compute", "std::string", /*default=*/"\"auto\"",
           "f32, bf16, or auto: f32 if every checkpoint tensor is f32, else bf16">,
  ];
  let statistics = [
    Statistic<"numCasts", "num-casts", "Roundings of activations">,
    Statistic<"numWeights", "num-weights", "Weights rounded or widened at preparation">,
  ];
}

#endif // DSV2_TRANSFORMS_PASSES_TD
