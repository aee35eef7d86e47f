//===- LinearOps.td - norms, projections, residuals ------------*- tablegen -*-===//
//
// Ops on rows that know nothing of sequences. Accumulation is f32; every rounding is a `cast`.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LINEAR_OPS_TD
#define DSV2_LINEAR_OPS_TD

include "dialects/DSV2/IR/DSV2Types.td"
include "dialects/DSV2/IR/DSV2Attrs.td"

def DSV2_RMSNormOp : DSV2_StepOp<"rms_norm"> {
  let summary = "x / sqrt(mean(x^2) + eps) * w over each row, in f32";
  let description = [{
    ```mlir
    %h = dsv2.rms_norm %x, %w eps 1.0e-06 : tensor<?x5120xf32>, tensor<5120xbf16>
    ```
  }];
  let arguments = (ins DSV2_Rows2:$x, DSV2_Weight1:$weight, F64Attr:$eps);
  let results = (outs DSV2_Rows2F32:$result);
  let assemblyFormat = [{
    $x `,` $weight `eps` custom<Real>($eps) attr-dict `:` type($x) `,` type($weight)
  }];
  let hasVerifier = 1;
}

def DSV2_LinearOp : DSV2_StepOp<"linear", [AttrSizedOperandSegments]> {
  let summary = "x w^T (+ bias) (+ add): [?,K], [N,K] -> [?,N] f32";
  let description = [{
    `bias` [N] is added to each row, then `add` [?,N] f32 (a residual). `activation` rounds x first.

    ```mlir
    %q = dsv2.linear %h, %w : tensor<?x5120xf32>, tensor<1536x5120xf32>
    %y = dsv2.linear %h, %w bias %b add %x activation <i8, group = 0, scale = amax>
        : tensor<?x5120xf32>, tensor<5120x5120xf32>, tensor<5120xf32>, tensor<?x5120xf32>
    ```
  }];
  let arguments = (ins DSV2_Rows2:$x, DSV2_Weight2:$weight, Optional<DSV2_Weight1>:$bias,
                       Optional<DSV2_Rows2F32>:$add, OptionalAttr<DSV2_ActivationAttr>:$activation);
  let results = (outs DSV2_Rows2F32:$result);
  let assemblyFormat = [{
    $x `,` $weight (`bias` $bias^)? (`add` $add^)? (`activation` custom<Activation>($activation)^)? attr-dict
    `:` custom<LinearTypes>(ref($bias), ref($add), type($x), type($weight), type($bias), type($add))
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$weight), [{
    build($_builder, $_state, x, weight, ::mlir::Value(), ::mlir::Value(), ActivationAttr());
  }]>];
}

def DSV2_HeadLinearOp : DSV2_StepOp<"head_linear"> {
  let summary = "a projection for each head: [?,A,K], [A,N,K] -> [?,A,N] f32";
  let description = [{
    ```mlir
    %q_latent = dsv2.head_linear %q_nope, %w : tensor<?x128x128xf32>, tensor<128x512x128xf32>
    ```
  }];
  let arguments = (ins DSV2_Rows3:$x, DSV2_Weight3:$weight);
  let results = (outs DSV2_Rows3F32:$result);
  let assemblyFormat = "$x `,` $weight attr-dict `:` type($x) `,` type($weight)";
}

def DSV2_AddOp : DSV2_StepOp<"add", [Commutative, SameTypeOperands]> {
  let summary = "the sum of two values, element by element";
  let description = [{
    ```mlir
    %y = dsv2.add %x, %mlp : tensor<?x5120xf32>
    ```
  }];
  let arguments = (ins DSV2_Rows2F32:$lhs, DSV2_Rows2F32:$rhs);
  let results = (outs DSV2_Rows2F32:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs)";
}

def DSV2_CastOp : DSV2_Op<"cast", [Pure, DeclareOpInterfaceMethods<DSV2_CostOpInterface>]> {
  let summary = "an explicit rounding (or widening) to another float type";
  let description = [{
    To nearest even. On rows in a step function, on weights in a `prepare`.

    ```mlir
    %b = dsv2.cast %x : tensor<?x5120xf32> to tensor<?x5120xbf16>
    ```
  }];
  let arguments = (ins DSV2_FloatTensor:$x);
  let results = (outs DSV2_FloatTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `to` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

#endif // DSV2_LINEAR_OPS_TD
