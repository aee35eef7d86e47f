//===- AttentionOps.td - attention and the joining of its parts -*- tablegen -*-===//
//
// Two forms of attention. Absorbing a projection is a rewrite between them (see Transforms), never
// a flag on one. Either may be cut into parts of the context, which `merge_attention` joins.
//
// A heads, A_kv heads of keys and values, R latent width, r rope width, d nope width, v value width.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_ATTENTION_OPS_TD
#define DSV2_ATTENTION_OPS_TD

include "dialects/DSV2/IR/DSV2Types.td"
include "dialects/DSV2/IR/DSV2Attrs.td"

def DSV2_AttentionOp : DSV2_StepOp<"attention", [AttrSizedOperandSegments]> {
  let summary = "causal attention of every head over given K and V";
  let description = [{
    softmax(scale * (q_nope k_nope + q_rope k_rope)) v in f32, over the cached tokens of the row's
    own sequence up to itself (by order in the cache, never by position). `inner` rounds the
    probabilities before they meet v. The rope parts are both there or both absent.

    K and V may have fewer heads than q, [?,A_kv,d] and [?,A_kv,v]: query head h reads head
    h / (A / A_kv) of them. The rope key is one head, shared.

    With `context`, only the cached tokens of that part count. With `returning lse` there is a
    second result [?,A] f32: the natural logarithm of the sum of exp(scaled score). A row that sees
    no token has lse -inf and result 0.

    ```mlir
    %o = dsv2.attention (%q_nope, %q_rope), (%k_nope, %k_rope), %v of %batch scale #scale
        : tensor<?x128x128xf32>, tensor<?x128x64xf32>, tensor<?x128x128xf32>, tensor<?x64xf32>,
          tensor<?x128x128xf32>
    %o, %lse = dsv2.attention (%q), (%k), %v of %batch scale #scale
        context <begin = 0, end = 256> returning lse
        : tensor<?x64x128xf32>, tensor<?x8x128xf32>, tensor<?x8x128xf32>
    ```
  }];
  let arguments = (ins DSV2_Rows3:$q_nope, Optional<DSV2_Rows3>:$q_rope, DSV2_Rows3:$k_nope,
                       Optional<DSV2_Rows2>:$k_rope, DSV2_Rows3:$v, DSV2_Batch:$batch,
                       DSV2_AttentionScaleAttr:$scale,
                       OptionalAttr<TypeAttrOf<DSV2_Float>>:$inner,
                       OptionalAttr<DSV2_ContextAttr>:$part, UnitAttr:$returning_lse);
  let results = (outs DSV2_Rows3F32:$result, Optional<DSV2_Rows2F32>:$lse);
  let assemblyFormat = [{
    `(` $q_nope (`,` $q_rope^)? `)` `,` `(` $k_nope (`,` $k_rope^)? `)` `,` $v `of` $batch
    `scale` custom<Scale>($scale) (`inner` $inner^)? (`context` custom<Context>($part)^)?
    (`returning` `lse` $returning_lse^)? attr-dict
    `:` custom<AttentionTypes>(ref($q_rope), ref($k_rope), type($q_nope), type($q_rope),
                               type($k_nope), type($k_rope), type($v))
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$q_nope, "::mlir::Value":$q_rope,
                                 "::mlir::Value":$k_nope, "::mlir::Value":$k_rope,
                                 "::mlir::Value":$v, "::mlir::Value":$batch,
                                 "AttentionScaleAttr":$scale, "::mlir::TypeAttr":$inner), [{
    build($_builder, $_state, q_nope, q_rope, k_nope, k_rope, v, batch, scale, inner,
          ContextAttr(), ::mlir::UnitAttr());
  }]>];
  let hasVerifier = 1;
}

def DSV2_LatentAttentionOp : DSV2_StepOp<"latent_attention"> {
  let summary = "causal attention of every head over the cached latents themselves";
  let description = [{
    softmax(scale * (q_latent c + q_rope k_rope)) c in f32, [?,A,R]: the latent c is key and value.
    Otherwise as `attention`. Reads the cache.

    ```mlir
    %o = dsv2.latent_attention (%q_latent, %q_rope), %c[%l] of %batch scale #scale
        : tensor<?x128x512xf32>, tensor<?x128x64xf32>, !dsv2.cache<60 x [512, 64] x f32>
    ```
  }];
  let arguments = (ins DSV2_Rows3:$q_latent, DSV2_Rows3:$q_rope, DSV2_Cache:$cache, Index:$layer,
                       DSV2_Batch:$batch, DSV2_AttentionScaleAttr:$scale,
                       OptionalAttr<TypeAttrOf<DSV2_Float>>:$inner,
                       OptionalAttr<DSV2_ContextAttr>:$part, UnitAttr:$returning_lse);
  let results = (outs DSV2_Rows3F32:$result, Optional<DSV2_Rows2F32>:$lse);
  let assemblyFormat = [{
    `(` $q_latent `,` $q_rope `)` `,` $cache `[` $layer `]` `of` $batch
    `scale` custom<Scale>($scale) (`inner` $inner^)? (`context` custom<Context>($part)^)?
    (`returning` `lse` $returning_lse^)? attr-dict
    `:` type($q_latent) `,` type($q_rope) `,` qualified(type($cache))
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$q_latent, "::mlir::Value":$q_rope,
                                 "::mlir::Value":$cache, "::mlir::Value":$layer,
                                 "::mlir::Value":$batch, "AttentionScaleAttr":$scale,
                                 "::mlir::TypeAttr":$inner), [{
    build($_builder, $_state, q_latent, q_rope, cache, layer, batch, scale, inner, ContextAttr(),
          ::mlir::UnitAttr());
  }]>];
  let hasVerifier = 1;
}

def DSV2_MergeAttentionOp : DSV2_StepOp<"merge_attention", [AttrSizedOperandSegments]> {
  let summary = "attention over all of the context, from results over its parts";
  let description = [{
    Each part has a result [?,A,v] and its lse [?,A]. With m the largest lse and w_i =
    exp(lse_i - m), the result is sum(w_i o_i) / sum(w_i), summed in the order of the operands, in
    f32; with `returning lse` the second result is m + ln(sum(w_i)). A part without tokens (lse
    -inf) weighs nothing; where every part is so, the result is 0 and its lse -inf.

    The parts must not overlap for this to be the attention over their union. The type is that of
    one result; those of the lse follow.

    ```mlir
    %o, %lse = dsv2.merge_attention (%o1, %o2), (%lse1, %lse2) returning lse
        : tensor<?x128x512xf32>
    ```
  }];
  let arguments = (ins Variadic<DSV2_Rows3F32>:$parts, Variadic<DSV2_Rows2F32>:$lses,
                       UnitAttr:$returning_lse);
  let results = (outs DSV2_Rows3F32:$result, Optional<DSV2_Rows2F32>:$lse);
  let assemblyFormat = [{
    `(` $parts `)` `,` `(` $lses `)` (`returning` `lse` $returning_lse^)? attr-dict
    `:` custom<PartTypes>(ref($parts), ref($lses), type($parts), type($lses))
  }];
  let hasFolder = 1;
}

#endif // DSV2_ATTENTION_OPS_TD
