// What each op costs, with numbers worked out by hand: three rows that see twelve of seven cached
// tokens (two sequences, say), two of them wanted; then one row.
// RUN: dsv2-opt-test %s --test-cost="rows=3 seen=12 cached=7 wanted=2" --verify-diagnostics
// RUN: dsv2-opt-test %s --test-cost 2>&1 | FileCheck %s

#rope = #dsv2.rope<theta = 10000.0, layout = adjacent_pairs, magnitude = 1.0, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>>
#scale = #dsv2.attention_scale<head_width = 12, factor = 1.0, mscale_all_dim = 0.0>
!cache = !dsv2.cache<2 x [6, 4] x f32>
!fp8 = tensor<6x8x!dsv2.scaled<f8E4M3FN, [4, 4], f32>>
!int4 = tensor<6x8x!dsv2.scaled<i4, [1, 0], bf16>>

func.func @rows(%tokens: tensor<?xi32>, %table: tensor<10x8xbf16>, %norm: tensor<8xf32>,
                %w: tensor<6x8xf32>, %b: tensor<6xf32>, %fp8: !fp8, %int4: !int4, %batch: !dsv2.batch)
    -> (tensor<?x6xf32>, tensor<?x6xf32>, tensor<?x6xf32>, tensor<?x6xf32>, tensor<?x8xbf16>) {
  // Three ids of 4 bytes; three rows of 16 bytes; 24 values of 4.
  // expected-remark @below {{embed: 0 flops, reads [12, 48], writes [96], in all 156}}
  %x = dsv2.embed %tokens, %table : tensor<?xi32>, tensor<10x8xbf16>
  // expected-remark @below {{rms_norm: 24 flops, reads [96, 32], writes [96], in all 224}}
  %h = dsv2.rms_norm %x, %norm eps 1.0e-06 : tensor<?x8xf32>, tensor<8xf32>
  // expected-remark @below {{cast: 0 flops, reads [96], writes [48], in all 144}}
  %c = dsv2.cast %h : tensor<?x8xf32> to tensor<?x8xbf16>
  // 2 * 3 * 48.
  // expected-remark @below {{linear: 288 flops, reads [96, 192], writes [72], in all 360}}
  %y = dsv2.linear %h, %w : tensor<?x8xf32>, tensor<6x8xf32>
  // And 18 for each of bias and add.
  // expected-remark @below {{linear: 324 flops, reads [96, 192, 24, 72], writes [72], in all 456}}
  %z = dsv2.linear %h, %w bias %b add %y
      : tensor<?x8xf32>, tensor<6x8xf32>, tensor<6xf32>, tensor<?x6xf32>
  // 48 bytes and 2 x 2 scales of 4; then 24 bytes and 6 scales of 2.
  // expected-remark @below {{linear: 288 flops, reads [96, 64], writes [72], in all 232}}
  %q = dsv2.linear %h, %fp8 : tensor<?x8xf32>, !fp8
  // expected-remark @below {{linear: 288 flops, reads [96, 36], writes [72], in all 204}}
  %p = dsv2.linear %h, %int4 : tensor<?x8xf32>, !int4
  // expected-remark @below {{add: 18 flops, reads [72, 72], writes [72], in all 216}}
  %s = dsv2.add %q, %p : tensor<?x6xf32>
  // From here on two rows.
  // expected-remark @below {{select_rows: 0 flops, reads [64, 0], writes [64], in all 128}}
  %wanted = dsv2.select_rows %h of %batch : tensor<?x8xf32>
  // expected-remark @below {{linear: 192 flops, reads [64, 192], writes [48], in all 304}}
  %logits = dsv2.linear %wanted, %w : tensor<?x8xf32>, tensor<6x8xf32>
  return %z, %s, %y, %logits, %c
      : tensor<?x6xf32>, tensor<?x6xf32>, tensor<?x6xf32>, tensor<?x6xf32>, tensor<?x8xbf16>
}

func.func @attention(%x: tensor<?x8xf32>, %kv_a: tensor<10x8xf32>, %norm: tensor<6xf32>,
                     %bias: tensor<10xf32>, %q: tensor<?x24xf32>, %kv_b: tensor<28x6xf32>,
                     %up: tensor<2x6x8xf32>, %batch: !dsv2.batch, %cache: !cache)
    -> (tensor<?x12xf32>, tensor<?x2x6xf32>, !cache) {
  %l = arith.constant 0 : index
  // expected-remark @below {{split_heads: 0 flops, reads [288], writes [192, 96], in all 576}}
  %qn, %qr = dsv2.split_heads %q heads 2 widths [8, 4] : tensor<?x24xf32>
  // expected-remark @below {{rope: 24 flops, reads [96, 0], writes [96], in all 192}}
  %rotated = dsv2.rope %qr of %batch by #rope : tensor<?x2x4xf32>
  // 2 * 3 * 80, and 18 elements that are normed.
  // expected-remark @below {{mla_compress: 498 flops, reads [96, 320, 24], writes [72, 48], in all 560}}
  %latent, %k_rope = dsv2.mla_compress %x, %kv_a, %norm eps 1.0e-06
      : tensor<?x8xf32>, tensor<10x8xf32>, tensor<6xf32>
  // And 30 for the bias.
  // expected-remark @below {{mla_compress: 528 flops, reads [96, 320, 24, 40], writes [72, 48], in all 600}}
  %latent2, %k_rope2 = dsv2.mla_compress %x, %kv_a, %norm bias %bias eps 1.0e-06
      : tensor<?x8xf32>, tensor<10x8xf32>, tensor<6xf32>, tensor<10xf32>
  // Rows of 10 values.
  // expected-remark @below {{cache_append: 0 flops, reads [0, 0, 72, 48, 0], writes [120], in all 240}}
  %c = dsv2.cache_append %cache[%l], %latent, %k_rope of %batch
      : !cache, tensor<?x6xf32>, tensor<?x4xf32>
  // Seven of them come back, 2 * 7 * 168.
  // expected-remark @below {{decompress: 2352 flops, reads [280, 0, 672, 0], writes [448, 112, 336], in all 1848}}
  %kn, %kr, %v = dsv2.decompress %c[%l], %kv_b of %batch heads 2 widths [8, 6] : !cache, tensor<28x6xf32>
  // 2 * 12 tokens seen * 2 heads * (8 + 4 + 6).
  // expected-remark @below {{attention: 864 flops, reads [192, 96, 448, 112, 336, 0], writes [144], in all 1328}}
  %o = dsv2.attention (%qn, %rotated), (%kn, %kr), %v of %batch scale #scale
      : tensor<?x2x8xf32>, tensor<?x2x4xf32>, tensor<?x2x8xf32>, tensor<?x4xf32>, tensor<?x2x6xf32>
  // expected-remark @below {{head_linear: 576 flops, reads [192, 384], writes [144], in all 720}}
  %ql = dsv2.head_linear %qn, %up : tensor<?x2x8xf32>, tensor<2x6x8xf32>
  // Of 12 tokens seen, 3 stand before the part, and it holds 2 for each of 3 rows: 2 * 6 * 2 * 16.
  // expected-remark @below {{latent_attention: 384 flops, reads [144, 96, 280, 0, 0], writes [144, 24], in all 688}}
  %p, %lse = dsv2.latent_attention (%ql, %rotated), %c[%l] of %batch scale #scale
      context <begin = 1, end = 3> returning lse : tensor<?x2x6xf32>, tensor<?x2x4xf32>, !cache
  // 12 - 3 * 3 in an open part: 2 * 3 * 2 * 16.
  // expected-remark @below {{latent_attention: 192 flops, reads [144, 96, 280, 0, 0], writes [144, 24], in all 688}}
  %p2, %lse2 = dsv2.latent_attention (%ql, %rotated), %c[%l] of %batch scale #scale
      context <begin = 3> returning lse : tensor<?x2x6xf32>, tensor<?x2x4xf32>, !cache
  // expected-remark @below {{merge_attention: 84 flops, reads [144, 144, 24, 24], writes [144, 24], in all 504}}
  %m, %lse3 = dsv2.merge_attention (%p, %p2), (%lse, %lse2) returning lse : tensor<?x2x6xf32>
  // expected-remark @below {{cache_read: 0 flops, reads [280, 0, 0], writes [168, 112], in all 560}}
  %k0, %v0 = dsv2.cache_read %c[%l] of %batch heads 2 : !cache
  // expected-remark @below {{merge_heads: 0 flops, reads [144], writes [144], in all 288}}
  %r = dsv2.merge_heads %o : tensor<?x2x6xf32>
  return %r, %m, %c : tensor<?x12xf32>, tensor<?x2x6xf32>, !cache
}

// CHECK: remark: {{.*}}routed_experts: 480 flops, reads [32, 8, 8, 320, 320, 320], writes [32]
// CHECK: remark: {{.*}}fused_experts: 960 flops, reads [32, 8, 8, 1280, 640], writes [32]
func.func @experts(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %up: tensor<4x5x8xf32>,
                   %down: tensor<4x8x5xf32>, %gate_up: tensor<6x10x8xf32>, %fused_down: tensor<6x8x5xf32>,
                   %one: tensor<5x8xf32>, %one_down: tensor<8x5xf32>, %b: tensor<5xf32>, %c: tensor<8xf32>)
    -> tensor<?x8xf32> {
  // expected-remark @below {{gate: 192 flops, reads [96, 128], writes [24, 24], in all 272}}
  %ws, %ids = dsv2.gate %x, %w by #dsv2.greedy<top_k = 2> scale 1.0 : tensor<?x8xf32>, tensor<4x8xf32>
  // 2 * 3 * 2 * 120; six choices may be all four experts of 160 bytes a matrix.
  // expected-remark @below {{routed_experts: 1440 flops, reads [96, 24, 24, 640, 640, 640], writes [96], in all 2160}}
  %a = dsv2.routed_experts %x, %ws, %ids, %up, %up, %down
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x5x8xf32>, tensor<4x5x8xf32>, tensor<4x8x5xf32>
  // The two shared ones besides: 2 * 3 * 4 * 120.
  // expected-remark @below {{fused_experts: 2880 flops, reads [96, 24, 24, 1920, 960], writes [96], in all 3120}}
  %d = dsv2.fused_experts %a, %ws, %ids, %gate_up, %fused_down shared 2
      : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<6x10x8xf32>, tensor<6x8x5xf32>
  // expected-remark @below {{mlp: 720 flops, reads [96, 160, 160, 160], writes [96], in all 672}}
  %e = dsv2.mlp %d, %one, %one, %one_down
      : tensor<?x8xf32>, tensor<5x8xf32>, tensor<5x8xf32>, tensor<8x5xf32>
  // 3 * 18 for the biases.
  // expected-remark @below {{shared_experts: 774 flops, reads [96, 160, 160, 160, 20, 20, 32], writes [96], in all 744}}
  %f = dsv2.shared_experts %e, %one, %one, %one_down bias %b, %b, %c
      : tensor<?x8xf32>, tensor<5x8xf32>, tensor<5x8xf32>, tensor<8x5xf32>, tensor<5xf32>, tensor<5xf32>, tensor<8xf32>
  return %f : tensor<?x8xf32>
}
