//===- MoEOps.td - gates, experts and dense MLPs ---------------*- tablegen -*-===//
//
// H hidden width, I width of an expert or MLP, E routed experts, k chosen for each token.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_MOE_OPS_TD
#define DSV2_MOE_OPS_TD

include "dialects/DSV2/IR/DSV2Types.td"
include "dialects/DSV2/IR/DSV2Attrs.td"

def DSV2_GateOp : DSV2_StepOp<"gate"> {
  let summary = "routed experts of each token and their weights: [?,k] f32, [?,k] i32";
  let description = [{
    softmax(x w^T) in f32, then the method's choice; ties go to the lowest number. With `normalize`
    and k > 1 the weights of a token are divided by their sum + 1e-20, else they are multiplied by
    `scale`.

    A method that corrects by a bias (`noaux_tc`) has sigmoid for softmax and an operand `bias` [E]
    f32. The bias moves the choice only: weights are the scores without it. With `normalize` they
    are divided by their sum + 1e-20 whatever k is, and they are always multiplied by `scale`.

    ```mlir
    %weights, %ids = dsv2.gate %h, %w by #dsv2.greedy<top_k = 6> scale 1.0
        : tensor<?x2048xf32>, tensor<64x2048xf32>
    %weights, %ids = dsv2.gate %h, %w bias %b
        by #dsv2.noaux_tc<groups = 8, keep = 4, top_k = 8> normalize scale 2.5
        : tensor<?x7168xf32>, tensor<256x7168xf32>, tensor<256xf32>
    ```
  }];
  let arguments = (ins DSV2_Rows2F32:$x, DSV2_Weight2Float:$weight,
                       Optional<DSV2_Weight1F32>:$bias,
                       DSV2_GateMethodInterface:$method, UnitAttr:$normalize, F64Attr:$scale);
  let results = (outs DSV2_Rows2F32:$weights, DSV2_Ids:$ids);
  let assemblyFormat = [{
    $x `,` $weight (`bias` $bias^)? `by` $method (`normalize` $normalize^)?
    `scale` custom<Real>($scale) attr-dict `:` type($x) `,` type($weight) (`,` type($bias)^)?
  }];
  let hasVerifier = 1;
}

class DSV2_MLPOpBase<string mnemonic> : DSV2_StepOp<mnemonic, [AttrSizedOperandSegments]> {
  let arguments = (ins DSV2_Rows2:$x, DSV2_Weight2:$gate, DSV2_Weight2:$up, DSV2_Weight2:$down,
                       Optional<DSV2_Weight1>:$bias_gate, Optional<DSV2_Weight1>:$bias_up,
                       Optional<DSV2_Weight1>:$bias_down,
                       OptionalAttr<TypeAttrOf<DSV2_Float>>:$inner,
                       OptionalAttr<DSV2_ActivationAttr>:$activation);
  let results = (outs DSV2_Rows2F32:$result);
  let assemblyFormat = [{
    $x `,` $gate `,` $up `,` $down (`bias` $bias_gate^ `,` $bias_up `,` $bias_down)?
    (`inner` $inner^)? (`activation` custom<Activation>($activation)^)? attr-dict
    `:` type($x) `,` type($gate) `,` type($up) `,` type($down)
    (`,` type($bias_gate)^ `,` type($bias_up) `,` type($bias_down))?
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$gate, "::mlir::Value":$up,
                                 "::mlir::Value":$down, "::mlir::TypeAttr":$inner), [{
    build($_builder, $_state, x, gate, up, down, ::mlir::Value(), ::mlir::Value(), ::mlir::Value(),
          inner, ActivationAttr());
  }]>];
}

def DSV2_MLPOp : DSV2_MLPOpBase<"mlp"> {
  let summary = "down(silu(gate x) * up x): gate, up [I,H], down [H,I]";
  let description = [{
    With `bias`, each of the three projections adds its own ([I], [I], [H]). `inner` rounds the
    product before it meets `down`; `activation` rounds x, and the product after `inner`.

    ```mlir
    %y = dsv2.mlp %h, %gate, %up, %down bias %bg, %bu, %bd inner bf16
        : tensor<?x8xf32>, tensor<6x8xf32>, tensor<6x8xf32>, tensor<8x6xf32>, tensor<6xf32>,
          tensor<6xf32>, tensor<8xf32>
    ```
  }];
}

def DSV2_SharedExpertsOp : DSV2_MLPOpBase<"shared_experts"> {
  let summary = "an MLP that every token passes beside its routed experts";
  let description = [{
    As `mlp`; several shared experts are one MLP of their joined width.
  }];
}

def DSV2_RoutedExpertsOp : DSV2_StepOp<"routed_experts"> {
  let summary = "the sum over a token's chosen experts of weight times MLP";
  let description = [{
    gate, up [E,I,H], down [E,H,I]; each expert is an `mlp` without bias.

    ```mlir
    %y = dsv2.routed_experts %h, %weights, %ids, %gate, %up, %down
        : tensor<?x2048xf32>, tensor<?x6xf32>, tensor<?x6xi32>, tensor<64x1408x2048xf32>,
          tensor<64x1408x2048xf32>, tensor<64x2048x1408xf32>
    ```
  }];
  let arguments = (ins DSV2_Rows2:$x, DSV2_Rows2F32:$weights, DSV2_Ids:$ids, DSV2_Weight3:$gate,
                       DSV2_Weight3:$up, DSV2_Weight3:$down,
                       OptionalAttr<TypeAttrOf<DSV2_Float>>:$inner,
                       OptionalAttr<DSV2_ActivationAttr>:$activation);
  let results = (outs DSV2_Rows2F32:$result);
  let assemblyFormat = [{
    $x `,` $weights `,` $ids `,` $gate `,` $up `,` $down (`inner` $inner^)?
    (`activation` custom<Activation>($activation)^)? attr-dict
    `:` type($x) `,` type($weights) `,` type($ids) `,` type($gate) `,` type($up) `,` type($down)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$weights, "::mlir::Value":$ids,
                                 "::mlir::Value":$gate, "::mlir::Value":$up, "::mlir::Value":$down,
                                 "::mlir::TypeAttr":$inner), [{
    build($_builder, $_state, x, weights, ids, gate, up, down, inner, ActivationAttr());
  }]>];
}

def DSV2_FusedExpertsOp : DSV2_StepOp<"fused_experts"> {
  let summary = "routed and shared experts as slots of one group";
  let description = [{
    gate_up [E+shared,2I,H] (rows of gate, then of up), down [E+shared,H,I]. The last `shared` slots
    take every token, with weight 1.

    ```mlir
    %y = dsv2.fused_experts %h, %weights, %ids, %gate_up, %down shared 2
        : tensor<?x2048xf32>, tensor<?x6xf32>, tensor<?x6xi32>, tensor<66x2816x2048xf32>,
          tensor<66x2048x1408xf32>
    ```
  }];
  let arguments = (ins DSV2_Rows2:$x, DSV2_Rows2F32:$weights, DSV2_Ids:$ids, DSV2_Weight3:$gate_up,
                       DSV2_Weight3:$down, I64Attr:$shared,
                       OptionalAttr<TypeAttrOf<DSV2_Float>>:$inner,
                       OptionalAttr<DSV2_ActivationAttr>:$activation);
  let results = (outs DSV2_Rows2F32:$result);
  let assemblyFormat = [{
    $x `,` $weights `,` $ids `,` $gate_up `,` $down `shared` $shared (`inner` $inner^)?
    (`activation` custom<Activation>($activation)^)? attr-dict
    `:` type($x) `,` type($weights) `,` type($ids) `,` type($gate_up) `,` type($down)
  }];
}

#endif // DSV2_MOE_OPS_TD
