// bf16 rounds both operands of every contraction but the gate's, once each; f32 widens weights and rounds nothing.
// RUN: dsv2-opt %s --dsv2-set-compute-type=compute=bf16 | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: dsv2-opt %s --dsv2-set-compute-type=compute=f32 | FileCheck %s --check-prefixes=CHECK,F32
// A checkpoint with a bf16 tensor computes in bf16 by default, and doing it twice changes nothing.
// RUN: dsv2-opt %s --dsv2-set-compute-type --dsv2-set-compute-type | FileCheck %s --check-prefixes=CHECK,BF16

#rope = #dsv2.rope<theta = 10000.0, layout = adjacent_pairs, magnitude = 1.0, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>>
#scale = #dsv2.attention_scale<head_width = 12, factor = 1.0, mscale_all_dim = 0.0>
!cache = !dsv2.cache<2 x [6, 4] x f32>

// BF16: !cache = !dsv2.cache<2 x [6, 4] x bf16>
// F32: !cache = !dsv2.cache<2 x [6, 4] x f32>
// BF16: module attributes {dsv2.compute = "bf16"}
// F32: module attributes {dsv2.compute = "f32"}
module {
  dsv2.weights @embed : tensor<10x8xbf16> = "embed"
  dsv2.weights @norm : tensor<8xbf16> = "norm"
  dsv2.weights @q layers 0 to 2 : tensor<24x8xbf16> = "{l}.q"
  dsv2.weights @kv_a layers 0 to 2 : tensor<10x8xf32> = "{l}.kv_a"
  dsv2.weights @kv_norm layers 0 to 2 : tensor<6xf32> = "{l}.kv_norm"
  dsv2.weights @kv_b layers 0 to 2 : tensor<32x6xbf16> = "{l}.kv_b"
  dsv2.weights @o layers 0 to 2 : tensor<8x16xbf16> = "{l}.o"
  dsv2.weights @gate layers 0 to 2 : tensor<4x8xbf16> = "{l}.gate"
  dsv2.weights @e_up layers 0 to 2 experts 0 to 4 : tensor<3x8xbf16> = "{l}.{e}.up"
  dsv2.weights @e_down layers 0 to 2 experts 0 to 4 : tensor<8x3xbf16> = "{l}.{e}.down"

  // The f32 weight is rounded at preparation, or the bf16 ones are widened.
  // BF16: dsv2.prepare @kv_a_bf16 layers %{{.*}} = 0 to 2 : tensor<10x8xbf16>
  // BF16: dsv2.prepare @gate_f32
  // BF16-NOT: dsv2.prepare
  // F32-DAG: dsv2.prepare @q_f32 layers %{{.*}} = 0 to 2 : tensor<24x8xf32>
  // F32-DAG: dsv2.prepare @kv_b_f32
  // F32-DAG: dsv2.prepare @o_f32
  // F32-DAG: dsv2.prepare @gate_f32
  // F32-DAG: dsv2.prepare @e_up_f32 layers %{{.*}} = 0 to 2 : tensor<4x3x8xf32>
  // F32-DAG: dsv2.prepare @e_down_f32

  // CHECK-LABEL: func.func @step
  // CHECK-SAME: %[[C0:.*]]: !cache) -> (tensor<?x8xf32>, !cache)
  // F32-NOT: dsv2.cast
  // F32-NOT: inner
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    // The embedding stays as the checkpoint has it, and so do norms.
    // CHECK: %[[E:.*]] = dsv2.weight @embed : tensor<10x8xbf16>
    // CHECK: dsv2.embed %{{.*}}, %[[E]]
    %e = dsv2.weight @embed : tensor<10x8xbf16>
    %x = dsv2.embed %tokens, %e : tensor<?xi32>, tensor<10x8xbf16>
    // CHECK: dsv2.layers
    %y, %c2 = dsv2.layers %l = 0 to 2 carry(%xi = %x, %c = %cache) : tensor<?x8xf32>, !cache {
      %norm = dsv2.weight @norm : tensor<8xbf16>
      // CHECK: %[[H:.*]] = dsv2.rms_norm
      // BF16-NEXT: %[[HB:.*]] = dsv2.cast %[[H]]
      %h = dsv2.rms_norm %xi, %norm eps 1.0e-06 : tensor<?x8xf32>, tensor<8xbf16>
      // BF16: dsv2.linear %[[HB]], %{{.*}} : tensor<?x8xbf16>, tensor<24x8xbf16>
      // F32: dsv2.linear %[[H]], %{{.*}} : tensor<?x8xf32>, tensor<24x8xf32>
      %wq = dsv2.weight @q[%l] : tensor<24x8xbf16>
      %q = dsv2.linear %h, %wq : tensor<?x8xf32>, tensor<24x8xbf16>
      %qn, %qr = dsv2.split_heads %q heads 2 widths [8, 4] : tensor<?x24xf32>
      %wkv = dsv2.weight @kv_a[%l] : tensor<10x8xf32>
      %wkvn = dsv2.weight @kv_norm[%l] : tensor<6xf32>
      // BF16: dsv2.mla_compress %[[HB]], %{{.*}} : tensor<?x8xbf16>, tensor<10x8xbf16>, tensor<6xf32>
      %latent, %kr = dsv2.mla_compress %h, %wkv, %wkvn eps 1.0e-06 : tensor<?x8xf32>, tensor<10x8xf32>, tensor<6xf32>
      // Rope is f32, its results are rounded.
      // CHECK: dsv2.rope %{{.*}} : tensor<?x2x4xf32>
      %qp = dsv2.rope %qr of %batch by #rope : tensor<?x2x4xf32>
      %kp = dsv2.rope %kr of %batch by #rope : tensor<?x4xf32>
      // BF16: %[[C1:.*]] = dsv2.cache_append %{{.*}} : !cache, tensor<?x6xbf16>, tensor<?x4xbf16>
      %c1 = dsv2.cache_append %c[%l], %latent, %kp of %batch : !cache, tensor<?x6xf32>, tensor<?x4xf32>
      %wkvb = dsv2.weight @kv_b[%l] : tensor<32x6xbf16>
      // BF16: dsv2.decompress %[[C1]][{{.*}} : !cache, tensor<32x6xbf16>
      // F32: dsv2.decompress {{.*}} : !cache, tensor<32x6xf32>
      %kn, %krc, %v = dsv2.decompress %c1[%l], %wkvb of %batch heads 2 widths [8, 8] : !cache, tensor<32x6xbf16>
      // BF16: dsv2.attention{{.*}} inner bf16 : tensor<?x2x8xbf16>, tensor<?x2x4xbf16>, tensor<?x2x8xbf16>, tensor<?x4xbf16>, tensor<?x2x8xbf16>
      %a = dsv2.attention (%qn, %qp), (%kn, %krc), %v of %batch scale #scale
          : tensor<?x2x8xf32>, tensor<?x2x4xf32>, tensor<?x2x8xf32>, tensor<?x4xf32>, tensor<?x2x8xf32>
      %m = dsv2.merge_heads %a : tensor<?x2x8xf32>
      %wo = dsv2.weight @o[%l] : tensor<8x16xbf16>
      // BF16: dsv2.linear %{{.*}} : tensor<?x16xbf16>, tensor<8x16xbf16>
      %p = dsv2.linear %m, %wo : tensor<?x16xf32>, tensor<8x16xbf16>
      // CHECK: %[[S:.*]] = dsv2.add %{{.*}} : tensor<?x8xf32>
      // BF16-NEXT: %[[SB:.*]] = dsv2.cast %[[S]]
      %s = dsv2.add %xi, %p : tensor<?x8xf32>
      // The gate alone is f32, its weights widened.
      // CHECK: %[[G:.*]] = dsv2.weight @gate_f32
      // CHECK: dsv2.gate %[[S]], %[[G]] {{.*}} : tensor<?x8xf32>, tensor<4x8xf32>
      %wg = dsv2.weight @gate[%l] : tensor<4x8xbf16>
      %w, %i = dsv2.gate %s, %wg by #dsv2.greedy<top_k = 2> scale 1.0 : tensor<?x8xf32>, tensor<4x8xbf16>
      %up = dsv2.weight @e_up[%l] : tensor<4x3x8xbf16>
      %down = dsv2.weight @e_down[%l] : tensor<4x8x3xbf16>
      // BF16: dsv2.routed_experts %[[SB]], {{.*}} inner bf16 : tensor<?x8xbf16>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x3x8xbf16>
      %r = dsv2.routed_experts %s, %w, %i, %up, %up, %down
          : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xi32>, tensor<4x3x8xbf16>, tensor<4x3x8xbf16>, tensor<4x8x3xbf16>
      %t = dsv2.add %s, %r : tensor<?x8xf32>
      dsv2.yield %t, %c1 : tensor<?x8xf32>, !cache
    }
    return %y, %c2 : tensor<?x8xf32>, !cache
  }
}
