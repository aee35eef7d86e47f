//===- HeadOps.td - heads, compression to the latent, rope -----*- tablegen -*-===//
//
// What stands between a projection and the attention: rows of heads, MLA's latent, and rotation.
//
// A heads, R latent width, r rope width.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_HEAD_OPS_TD
#define DSV2_HEAD_OPS_TD

include "dialects/DSV2/IR/DSV2Types.td"
include "dialects/DSV2/IR/DSV2Attrs.td"

def DSV2_SplitHeadsOp : DSV2_StepOp<"split_heads"> {
  let summary = "[?,A*sum(w)] -> [?,A,w_0], [?,A,w_1], ...";
  let description = [{
    The columns of a row are heads, and within a head its parts.

    ```mlir
    %q_nope, %q_rope = dsv2.split_heads %q heads 128 widths [128, 64] : tensor<?x24576xf32>
    ```
  }];
  let arguments = (ins DSV2_Rows2:$x, I64Attr:$heads, DenseI64ArrayAttr:$widths);
  let results = (outs Variadic<DSV2_Rows3>:$parts);
  let assemblyFormat = [{
    $x `heads` $heads `widths` custom<Integers>($widths) attr-dict `:` type($x)
  }];
  let hasFolder = 1;
}

def DSV2_MergeHeadsOp : DSV2_StepOp<"merge_heads"> {
  let summary = "[?,A,w] -> [?,A*w]";
  let description = [{
    Heads side by side in each row.

    ```mlir
    %o = dsv2.merge_heads %heads : tensor<?x128x128xf32>
    ```
  }];
  let arguments = (ins DSV2_Rows3:$x);
  let results = (outs DSV2_Rows2:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
  let hasFolder = 1;
}

def DSV2_MLACompressOp : DSV2_StepOp<"mla_compress"> {
  let summary = "the latent of each token and its shared rope key";
  let description = [{
    `kv_a` [R+r,H] of x [?,H], plus `bias` [R+r] where there is one; the first R columns, and only
    they, pass an RMS norm with weight `norm` [R]. Results [?,R] and [?,r], f32, the second before
    rope.

    ```mlir
    %latent, %k_rope = dsv2.mla_compress %h, %kv_a, %norm eps 1.0e-06
        : tensor<?x5120xf32>, tensor<576x5120xf32>, tensor<512xf32>
    ```
  }];
  let arguments = (ins DSV2_Rows2:$x, DSV2_Weight2:$kv_a, DSV2_Weight1:$norm,
                       Optional<DSV2_Weight1>:$bias, F64Attr:$eps,
                       OptionalAttr<DSV2_ActivationAttr>:$activation);
  let results = (outs DSV2_Rows2F32:$latent, DSV2_Rows2F32:$k_rope);
  let assemblyFormat = [{
    $x `,` $kv_a `,` $norm (`bias` $bias^)? `eps` custom<Real>($eps)
    (`activation` custom<Activation>($activation)^)? attr-dict
    `:` type($x) `,` type($kv_a) `,` type($norm) (`,` type($bias)^)?
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$kv_a, "::mlir::Value":$norm,
                                 "::mlir::FloatAttr":$eps), [{
    build($_builder, $_state, x, kv_a, norm, ::mlir::Value(), eps, ActivationAttr());
  }]>];
  let hasVerifier = 1;
}

def DSV2_RopeOp : DSV2_StepOp<"rope"> {
  let summary = "rotates each pair by its position's angle, in f32";
  let description = [{
    ```mlir
    %q = dsv2.rope %q_rope of %batch by #rope : tensor<?x128x64xf32>
    ```
  }];
  let arguments = (ins DSV2_RowsAny:$x, DSV2_Batch:$batch, DSV2_RopeAttr:$rope);
  let results = (outs DSV2_RowsAny:$result);
  let assemblyFormat = "$x `of` $batch `by` custom<Rope>($rope) attr-dict `:` type($x)";
  let hasFolder = 1;
}

#endif // DSV2_HEAD_OPS_TD
