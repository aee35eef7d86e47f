//===- CacheOps.td - rows into the cache and out of it ---------*- tablegen -*-===//
//
// A cache keeps what its model attends over: MLA's latent and rope key, or the keys and values of
// grouped queries. These ops write a step's rows and read all rows back.
//
// A heads, R latent width, r rope width, d nope width, v value width.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_CACHE_OPS_TD
#define DSV2_CACHE_OPS_TD

include "dialects/DSV2/IR/DSV2Types.td"
include "dialects/DSV2/IR/DSV2Attrs.td"

def DSV2_CacheAppendOp : DSV2_StepOp<"cache_append"> {
  let summary = "the cache with a row for each token of the step, in one layer";
  let description = [{
    Consumes the cache. There is one value for each part of the cache, of its width and of the
    cache's element type: rounding is a `cast` before. Keys and values of grouped queries are
    merged heads.

    ```mlir
    %c1 = dsv2.cache_append %c[%l], %latent, %k_rope of %batch
        : !dsv2.cache<60 x [512, 64] x f32>, tensor<?x512xf32>, tensor<?x64xf32>
    ```
  }];
  let arguments = (ins DSV2_Cache:$cache, Index:$layer, Variadic<DSV2_Rows2>:$parts,
                       DSV2_Batch:$batch);
  let results = (outs DSV2_Cache:$result);
  let assemblyFormat = [{
    $cache `[` $layer `]` `,` $parts `of` $batch attr-dict
    `:` qualified(type($cache)) `,` type($parts)
  }];
  let hasVerifier = 1;
}

def DSV2_CacheReadOp : DSV2_StepOp<"cache_read"> {
  let summary = "the cached rows of every part, as heads";
  let description = [{
    One result for each part of the cache, [?,heads,width/heads] f32. Rows of the results are the
    cached tokens of all sequences, in the batch's order, this step's included. Reads the cache.

    ```mlir
    %k, %v = dsv2.cache_read %c[%l] of %batch heads 8 : !dsv2.cache<80 x [1024, 1024] x bf16>
    ```
  }];
  let arguments = (ins DSV2_Cache:$cache, Index:$layer, DSV2_Batch:$batch, I64Attr:$heads);
  let results = (outs Variadic<DSV2_Rows3F32>:$parts);
  let assemblyFormat = [{
    $cache `[` $layer `]` `of` $batch `heads` $heads attr-dict `:` qualified(type($cache))
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

#endif // DSV2_CACHE_OPS_TD
