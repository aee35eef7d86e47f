// Shapes of heads, latents, caches and both forms of attention.
// RUN: dsv2-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<?x24xf32>) {
  // expected-error @below {{the width of x is 24, expected 26 (2 heads of 13) [split_heads.3]}}
  %a, %b = dsv2.split_heads %x heads 2 widths [8, 5] : tensor<?x24xf32>
  return
}

// -----

func.func @f(%x: tensor<?x24xf32>) {
  // expected-error @below {{heads is 0, expected at least 1 [split_heads.1]}}
  %a = dsv2.split_heads %x heads 0 widths [8] : tensor<?x24xf32>
  return
}

// -----

func.func @f(%x: tensor<?x24xf32>) {
  // expected-error @below {{a width is -4, expected at least 0 [split_heads.2]}}
  %a, %b = dsv2.split_heads %x heads 2 widths [16, -4] : tensor<?x24xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>) {
  // expected-error @below {{x is 'tensor<?x8xf32>', expected rows of rank 3 (a dynamic dimension, then static ones) [type.17]}}
  %a = dsv2.merge_heads %x : tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<10x9xf32>, %n: tensor<6xf32>) {
  // expected-error @below {{the input width of kv_a is 9, expected 8 (the width of x) [mla_compress.1]}}
  %a, %b = dsv2.mla_compress %x, %w, %n eps 1.0e-06 : tensor<?x8xf32>, tensor<10x9xf32>, tensor<6xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<5x8xf32>, %n: tensor<6xf32>) {
  // expected-error @below {{kv_a has 5 rows, expected at least the 6 of the latent [mla_compress.3]}}
  %a, %b = dsv2.mla_compress %x, %w, %n eps 1.0e-06 : tensor<?x8xf32>, tensor<5x8xf32>, tensor<6xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<10x8xf32>, %n: tensor<6xf32>) {
  // expected-error @below {{eps is -1.000000e+00, expected a positive number [mla_compress.4]}}
  %a, %b = dsv2.mla_compress %x, %w, %n eps -1.0 : tensor<?x8xf32>, tensor<10x8xf32>, tensor<6xf32>
  return
}

// -----

#rope = #dsv2.rope<theta = 10000.0, layout = adjacent_pairs, magnitude = 1.0, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>>
func.func @f(%x: tensor<?x2x6xf32>, %b: !dsv2.batch) {
  // expected-error @below {{the width of x is 6, expected 4 (the width that rope rotates) [rope.2]}}
  %y = dsv2.rope %x of %b by #rope : tensor<?x2x6xf32>
  return
}

// -----

#rope = #dsv2.rope<theta = 10000.0, layout = adjacent_pairs, magnitude = 1.0, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>>
func.func @f(%x: tensor<?xf32>, %b: !dsv2.batch) {
  // expected-error @below {{x has rank 1, expected 2 or 3 [rope.1]}}
  %y = dsv2.rope %x of %b by #rope : tensor<?xf32>
  return
}

// -----

!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @f(%c: !cache, %l: index, %x: tensor<?x7xf32>, %k: tensor<?x4xf32>, %b: !dsv2.batch) -> !cache {
  // expected-error @below {{the width of part #0 is 7, expected 6 (as the cache) [cache_append.2]}}
  %c1 = dsv2.cache_append %c[%l], %x, %k of %b : !cache, tensor<?x7xf32>, tensor<?x4xf32>
  return %c1 : !cache
}

// -----

!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @f(%c: !cache, %l: index, %x: tensor<?x6xf32>, %k: tensor<?x6xf32>, %b: !dsv2.batch) -> !cache {
  // expected-error @below {{the width of part #1 is 6, expected 4 (as the cache) [cache_append.2]}}
  %c1 = dsv2.cache_append %c[%l], %x, %k of %b : !cache, tensor<?x6xf32>, tensor<?x6xf32>
  return %c1 : !cache
}

// -----

!cache = !dsv2.cache<2 x [6] x f32>
func.func @f(%c: !cache, %l: index, %x: tensor<?x6xf32>, %k: tensor<?x4xf32>, %b: !dsv2.batch) -> !cache {
  // expected-error @below {{the number of values is 2, expected 1 (the parts of the cache) [cache_append.1]}}
  %c1 = dsv2.cache_append %c[%l], %x, %k of %b : !cache, tensor<?x6xf32>, tensor<?x4xf32>
  return %c1 : !cache
}

// -----

!cache = !dsv2.cache<2 x [6, 4] x bf16>
func.func @f(%c: !cache, %l: index, %x: tensor<?x6xf32>, %k: tensor<?x4xbf16>, %b: !dsv2.batch) -> !cache {
  // expected-error @below {{part #0 is of 'f32', expected 'bf16' as the cache (a rounding is a dsv2.cast) [cache_append.3]}}
  %c1 = dsv2.cache_append %c[%l], %x, %k of %b : !cache, tensor<?x6xf32>, tensor<?x4xbf16>
  return %c1 : !cache
}

// -----

!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @f(%c: !cache, %x: tensor<?x6xf32>, %k: tensor<?x4xf32>, %b: !dsv2.batch) -> !cache {
  %r = dsv2.layers %l = 0 to 3 carry(%i = %c) : !cache {
    // expected-error @below {{layers 0 to 3 index a cache of 2 layers [layer.2]}}
    %c1 = dsv2.cache_append %i[%l], %x, %k of %b : !cache, tensor<?x6xf32>, tensor<?x4xf32>
    dsv2.yield %c1 : !cache
  }
  return %r : !cache
}

// -----

!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @f(%c: !cache, %l: index, %w: tensor<32x7xf32>, %b: !dsv2.batch) -> !cache {
  // expected-error @below {{the input width of kv_b is 7, expected 6 (the cache's latent) [decompress.3]}}
  %kn, %kr, %v = dsv2.decompress %c[%l], %w of %b heads 2 widths [8, 8] : !cache, tensor<32x7xf32>
  return %c : !cache
}

// -----

!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @f(%c: !cache, %l: index, %w: tensor<32x6xf32>, %b: !dsv2.batch) -> !cache {
  // expected-error @below {{the number of rows of kv_b is 32, expected 30 (2 heads of 8 and 7) [decompress.4]}}
  %kn, %kr, %v = dsv2.decompress %c[%l], %w of %b heads 2 widths [8, 7] : !cache, tensor<32x6xf32>
  return %c : !cache
}

// -----

!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @f(%c: !cache, %l: index, %w: tensor<32x6xf32>, %b: !dsv2.batch) -> !cache {
  // expected-error @below {{the number of widths is 1, expected 2 (K without rope, and V) [decompress.1]}}
  %kn, %kr, %v = dsv2.decompress %c[%l], %w of %b heads 2 widths [16] : !cache, tensor<32x6xf32>
  return %c : !cache
}

// -----

!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @f(%c: !cache, %l: index, %w: tensor<32x6xf32>, %b: !dsv2.batch) -> !cache {
  // expected-error @below {{has 2 heads of widths 16 and 0, expected at least 1 head, 0 for K and 1 for V [decompress.2]}}
  %kn, %kr, %v = dsv2.decompress %c[%l], %w of %b heads 2 widths [16, 0] : !cache, tensor<32x6xf32>
  return %c : !cache
}

// -----

#scale = #dsv2.attention_scale<head_width = 12, factor = 1.0, mscale_all_dim = 0.0>
func.func @f(%q: tensor<?x2x8xf32>, %qr: tensor<?x3x4xf32>, %k: tensor<?x2x8xf32>, %kr: tensor<?x4xf32>,
             %v: tensor<?x2x6xf32>, %b: !dsv2.batch) {
  // expected-error @below {{the number of heads of q_rope is 3, expected 2 (the heads of q_nope) [attention.5]}}
  %o = dsv2.attention (%q, %qr), (%k, %kr), %v of %b scale #scale
      : tensor<?x2x8xf32>, tensor<?x3x4xf32>, tensor<?x2x8xf32>, tensor<?x4xf32>, tensor<?x2x6xf32>
  return
}

// -----

#scale = #dsv2.attention_scale<head_width = 12, factor = 1.0, mscale_all_dim = 0.0>
func.func @f(%q: tensor<?x2x8xf32>, %qr: tensor<?x2x4xf32>, %k: tensor<?x2x7xf32>, %kr: tensor<?x4xf32>,
             %v: tensor<?x2x6xf32>, %b: !dsv2.batch) {
  // expected-error @below {{the width of k_nope is 7, expected 8 (the width of q_nope) [attention.3]}}
  %o = dsv2.attention (%q, %qr), (%k, %kr), %v of %b scale #scale
      : tensor<?x2x8xf32>, tensor<?x2x4xf32>, tensor<?x2x7xf32>, tensor<?x4xf32>, tensor<?x2x6xf32>
  return
}

// -----

#scale = #dsv2.attention_scale<head_width = 12, factor = 1.0, mscale_all_dim = 0.0>
func.func @f(%q: tensor<?x2x8xf32>, %qr: tensor<?x2x4xf32>, %k: tensor<?x2x8xf32>, %kr: tensor<?x5xf32>,
             %v: tensor<?x2x6xf32>, %b: !dsv2.batch) {
  // expected-error @below {{the width of k_rope is 5, expected 4 (the width of q_rope) [attention.6]}}
  %o = dsv2.attention (%q, %qr), (%k, %kr), %v of %b scale #scale
      : tensor<?x2x8xf32>, tensor<?x2x4xf32>, tensor<?x2x8xf32>, tensor<?x5xf32>, tensor<?x2x6xf32>
  return
}

// -----

// The width of nope alone: the classical wrong scale.
#scale = #dsv2.attention_scale<head_width = 8, factor = 1.0, mscale_all_dim = 0.0>
func.func @f(%q: tensor<?x2x8xf32>, %qr: tensor<?x2x4xf32>, %k: tensor<?x2x8xf32>, %kr: tensor<?x4xf32>,
             %v: tensor<?x2x6xf32>, %b: !dsv2.batch) {
  // expected-error @below {{head_width of the scale is 8, expected 12 (the widths of q_nope and q_rope) [attention.7]}}
  %o = dsv2.attention (%q, %qr), (%k, %kr), %v of %b scale #scale
      : tensor<?x2x8xf32>, tensor<?x2x4xf32>, tensor<?x2x8xf32>, tensor<?x4xf32>, tensor<?x2x6xf32>
  return
}

// -----

#scale = #dsv2.attention_scale<head_width = 12, factor = 1.0, mscale_all_dim = 0.0>
!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @f(%q: tensor<?x2x8xf32>, %qr: tensor<?x2x4xf32>, %c: !cache, %l: index, %b: !dsv2.batch) -> !cache {
  // q before its projection to the latent.
  // expected-error @below {{the width of q_latent is 8, expected 6 (the cache's latent) [latent_attention.2]}}
  %o = dsv2.latent_attention (%q, %qr), %c[%l] of %b scale #scale
      : tensor<?x2x8xf32>, tensor<?x2x4xf32>, !cache
  return %c : !cache
}

// -----

#scale = #dsv2.attention_scale<head_width = 12, factor = 1.0, mscale_all_dim = 0.0>
!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @f(%q: tensor<?x2x6xf32>, %qr: tensor<?x3x4xf32>, %c: !cache, %l: index, %b: !dsv2.batch) -> !cache {
  // expected-error @below {{the number of heads of q_rope is 3, expected 2 (the heads of q_latent) [latent_attention.1]}}
  %o = dsv2.latent_attention (%q, %qr), %c[%l] of %b scale #scale
      : tensor<?x2x6xf32>, tensor<?x3x4xf32>, !cache
  return %c : !cache
}

// -----

#scale = #dsv2.attention_scale<head_width = 12, factor = 1.0, mscale_all_dim = 0.0>
!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @f(%q: tensor<?x2x6xf32>, %qr: tensor<?x2x5xf32>, %c: !cache, %l: index, %b: !dsv2.batch) -> !cache {
  // expected-error @below {{the width of q_rope is 5, expected 4 (the cache's rope key) [latent_attention.3]}}
  %o = dsv2.latent_attention (%q, %qr), %c[%l] of %b scale #scale
      : tensor<?x2x6xf32>, tensor<?x2x5xf32>, !cache
  return %c : !cache
}

// -----

#scale = #dsv2.attention_scale<head_width = 3, factor = 1.0, mscale_all_dim = 0.0>
!cache = !dsv2.cache<2 x [6, 4] x f32>
func.func @f(%q: tensor<?x2x6xf32>, %qr: tensor<?x2x4xf32>, %c: !cache, %l: index, %b: !dsv2.batch) -> !cache {
  // expected-error @below {{head_width of the scale is 3, expected at least the 4 of q_rope (it is the width of q before absorption) [latent_attention.4]}}
  %o = dsv2.latent_attention (%q, %qr), %c[%l] of %b scale #scale
      : tensor<?x2x6xf32>, tensor<?x2x4xf32>, !cache
  return %c : !cache
}

// -----

!cache = !dsv2.cache<2 x [6, 4, 2] x f32>
func.func @f(%c: !cache, %l: index, %w: tensor<32x6xf32>, %b: !dsv2.batch) -> !cache {
  // expected-error @below {{the cache's number of parts is 3, expected 2 (the latent and the rope key) [cache.4]}}
  %kn, %kr, %v = dsv2.decompress %c[%l], %w of %b heads 2 widths [8, 8] : !cache, tensor<32x6xf32>
  return %c : !cache
}
