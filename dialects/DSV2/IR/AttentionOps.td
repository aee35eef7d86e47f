//===- AttentionOps.td - multi-head latent attention -----------*- tablegen -*-===//
//
// Heads, compression to the latent, rope, the cache, and two forms of attention. Absorbing a
// projection is a rewrite between these ops (see Transforms), never a flag on one.
//
// A heads, R latent width, r rope width, d nope width, v value width.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_ATTENTION_OPS_TD
#define DSV2_ATTENTION_OPS_TD

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
}

def DSV2_MergeHeadsOp : DSV2_StepOp<"merge_heads"> {
  let summary = "[?,A,w] -> [?,A*w]";
  let arguments = (ins DSV2_Rows3:$x);
  let results = (outs DSV2_Rows2:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}

def DSV2_MLACompressOp : DSV2_StepOp<"mla_compress"> {
  let summary = "the latent of each token and its shared rope key";
  let description = [{
    `kv_a` [R+r,H] of x [?,H]; the first R columns, and only they, pass an RMS norm with weight
    `norm` [R]. Results [?,R] and [?,r], f32, the second before rope.

    ```mlir
    %latent, %k_rope = dsv2.mla_compress %h, %kv_a, %norm eps 1.0e-06
        : tensor<?x5120xf32>, tensor<576x5120xf32>, tensor<512xf32>
    ```
  }];
  let arguments = (ins DSV2_Rows2:$x, DSV2_Weight2:$kv_a, DSV2_Weight1:$norm, F64Attr:$eps);
  let results = (outs DSV2_Rows2F32:$latent, DSV2_Rows2F32:$k_rope);
  let assemblyFormat = [{
    $x `,` $kv_a `,` $norm `eps` custom<Real>($eps) attr-dict
    `:` type($x) `,` type($kv_a) `,` type($norm)
  }];
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
}

def DSV2_CacheAppendOp : DSV2_StepOp<"cache_append"> {
  let summary = "the cache with a row for each token of the step, in one layer";
  let description = [{
    Consumes the cache. The values have the cache's element type: rounding is a `cast` before.

    ```mlir
    %c1 = dsv2.cache_append %c[%l], %latent, %k_rope of %batch
        : !dsv2.cache<60 x [512, 64] x f32>, tensor<?x512xf32>, tensor<?x64xf32>
    ```
  }];
  let arguments = (ins DSV2_Cache:$cache, Index:$layer, DSV2_Rows2:$latent, DSV2_Rows2:$k_rope,
                       DSV2_Batch:$batch);
  let results = (outs DSV2_Cache:$result);
  let assemblyFormat = [{
    $cache `[` $layer `]` `,` $latent `,` $k_rope `of` $batch attr-dict
    `:` qualified(type($cache)) `,` type($latent) `,` type($k_rope)
  }];
  let hasVerifier = 1;
}

def DSV2_DecompressOp : DSV2_StepOp<"decompress"> {
  let summary = "K and V of every head and cached token";
  let description = [{
    Rows of the results are the cached tokens of all sequences, in the batch's order, this step's
    included. `kv_b` [A*(d+v),R] has for each head the rows of K, then those of V. Results k_nope
    [?,A,d], k_rope [?,r], v [?,A,v], f32. Reads the cache.

    ```mlir
    %k_nope, %k_rope, %v = dsv2.decompress %c[%l], %kv_b of %batch heads 128 widths [128, 128]
        : !dsv2.cache<60 x [512, 64] x f32>, tensor<32768x512xf32>
    ```
  }];
  let arguments = (ins DSV2_Cache:$cache, Index:$layer, DSV2_Weight2:$kv_b, DSV2_Batch:$batch,
                       I64Attr:$heads, DenseI64ArrayAttr:$widths);
  let results = (outs DSV2_Rows3F32:$k_nope, DSV2_Rows2F32:$k_rope, DSV2_Rows3F32:$v);
  let assemblyFormat = [{
    $cache `[` $layer `]` `,` $kv_b `of` $batch `heads` $heads `widths` custom<Integers>($widths)
    attr-dict `:` qualified(type($cache)) `,` type($kv_b)
  }];
  let hasVerifier = 1;
}

def DSV2_AttentionOp : DSV2_StepOp<"attention"> {
  let summary = "causal attention of every head over given K and V";
  let description = [{
    softmax(scale * (q_nope k_nope + q_rope k_rope)) v in f32, over the cached tokens of the row's
    own sequence up to itself (by order in the cache, never by position). `inner` rounds the
    probabilities before they meet v.

    ```mlir
    %o = dsv2.attention (%q_nope, %q_rope), (%k_nope, %k_rope), %v of %batch scale #scale
        : tensor<?x128x128xf32>, tensor<?x128x64xf32>, tensor<?x128x128xf32>, tensor<?x64xf32>,
          tensor<?x128x128xf32>
    ```
  }];
  let arguments = (ins DSV2_Rows3:$q_nope, DSV2_Rows3:$q_rope, DSV2_Rows3:$k_nope,
                       DSV2_Rows2:$k_rope, DSV2_Rows3:$v, DSV2_Batch:$batch,
                       DSV2_AttentionScaleAttr:$scale,
                       OptionalAttr<TypeAttrOf<DSV2_Float>>:$inner);
  let results = (outs DSV2_Rows3F32:$result);
  let assemblyFormat = [{
    `(` $q_nope `,` $q_rope `)` `,` `(` $k_nope `,` $k_rope `)` `,` $v `of` $batch
    `scale` custom<Scale>($scale) (`inner` $inner^)? attr-dict
    `:` type($q_nope) `,` type($q_rope) `,` type($k_nope) `,` type($k_rope) `,` type($v)
  }];
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
                       OptionalAttr<TypeAttrOf<DSV2_Float>>:$inner);
  let results = (outs DSV2_Rows3F32:$result);
  let assemblyFormat = [{
    `(` $q_latent `,` $q_rope `)` `,` $cache `[` $layer `]` `of` $batch
    `scale` custom<Scale>($scale) (`inner` $inner^)? attr-dict
    `:` type($q_latent) `,` type($q_rope) `,` qualified(type($cache))
  }];
  let hasVerifier = 1;
}

#endif // DSV2_ATTENTION_OPS_TD
