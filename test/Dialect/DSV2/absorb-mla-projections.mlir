// Attention over K and V of every head becomes attention over the latents; both projections are prepared from kv_b.
// RUN: dsv2-opt %s --dsv2-absorb-mla-projections --split-input-file --verify-diagnostics | FileCheck %s
// RUN: dsv2-opt %s --dsv2-absorb-mla-projections=mode=reassociated --split-input-file --verify-diagnostics | FileCheck %s
// RUN: dsv2-opt %s --dsv2-absorb-mla-projections=mode=naive --split-input-file | FileCheck %s --check-prefix=NAIVE

#scale = #dsv2.attention_scale<head_width = 12, factor = 40.0, mscale_all_dim = 0.707>
!cache = !dsv2.cache<2 x [5, 4] x f32>

// CHECK: dsv2.weights @moe.kv_b layers 0 to 2
dsv2.weights @moe.kv_b layers 0 to 2 : tensor<28x5xf32> = "l.{l}.kv_b"

// W_UV: the rows of V, [A,v,R].
// CHECK: dsv2.prepare @moe.v_up layers %[[L:.*]] = 0 to 2 : tensor<2x6x5xf32> {
// CHECK:   %[[W:.*]] = dsv2.weight @moe.kv_b[%[[L]]]
// CHECK:   %[[HEADS:.*]] = tensor.expand_shape %[[W]] {{\[\[}}0, 1], [2]] output_shape [2, 14, 5]
// CHECK:   %[[V:.*]] = tensor.extract_slice %[[HEADS]][0, 8, 0] [2, 6, 5] [1, 1, 1]
// CHECK:   dsv2.yield %[[V]]

// W_UK: the rows of K, as a projection to the latent, [A,R,d].
// CHECK: dsv2.prepare @moe.q_latent layers %[[L:.*]] = 0 to 2 : tensor<2x5x8xf32> {
// CHECK:   %[[K:.*]] = tensor.extract_slice %{{.*}}[0, 0, 0] [2, 8, 5] [1, 1, 1]
// CHECK:   %[[T:.*]] = dsv2.transpose %[[K]] [0, 2, 1]
// CHECK:   dsv2.yield %[[T]]

// CHECK-LABEL: func.func @absorbed
// CHECK-SAME: (%[[QN:.*]]: tensor<?x2x8xf32>, %[[QR:.*]]: tensor<?x2x4xf32>, %[[B:.*]]: !dsv2.batch, %[[CACHE:.*]]: !cache)
// NAIVE-LABEL: func.func @absorbed
func.func @absorbed(%qn: tensor<?x2x8xf32>, %qr: tensor<?x2x4xf32>, %b: !dsv2.batch, %cache: !cache)
    -> (tensor<?x2x6xf32>, !cache) {
  %x = "tensor.empty"() : () -> tensor<0x2x6xf32>
  %x0 = tensor.cast %x : tensor<0x2x6xf32> to tensor<?x2x6xf32>
  // CHECK: dsv2.layers %[[L:.*]] = 0 to 2 carry(%{{.*}}, %[[C:.*]] = %[[CACHE]])
  %r:2 = dsv2.layers %l = 0 to 2 carry(%xi = %x0, %c = %cache) : tensor<?x2x6xf32>, !cache {
    %kv_b = dsv2.weight @moe.kv_b[%l] : tensor<28x5xf32>
    // NAIVE: dsv2.decompress
    // NAIVE: dsv2.attention(
    // CHECK-NOT: dsv2.decompress
    // CHECK: %[[WQ:.*]] = dsv2.weight @moe.q_latent[%[[L]]]
    // CHECK: %[[QL:.*]] = dsv2.head_linear %[[QN]], %[[WQ]]
    // CHECK: %[[OL:.*]] = dsv2.latent_attention(%[[QL]], %[[QR]]), %[[C]][%[[L]]] of %[[B]] scale #scale : tensor<?x2x5xf32>, tensor<?x2x4xf32>, !cache
    // CHECK: %[[WV:.*]] = dsv2.weight @moe.v_up[%[[L]]]
    // CHECK: %[[O:.*]] = dsv2.head_linear %[[OL]], %[[WV]]
    // CHECK: dsv2.yield %[[O]], %[[C]]
    %kn, %kr, %v = dsv2.decompress %c[%l], %kv_b of %b heads 2 widths [8, 6] : !cache, tensor<28x5xf32>
    %o = dsv2.attention (%qn, %qr), (%kn, %kr), %v of %b scale #scale
        : tensor<?x2x8xf32>, tensor<?x2x4xf32>, tensor<?x2x8xf32>, tensor<?x4xf32>, tensor<?x2x6xf32>
    dsv2.yield %o, %c : tensor<?x2x6xf32>, !cache
  }
  return %r#0, %r#1 : tensor<?x2x6xf32>, !cache
}

// -----

// After set-compute-type the new operands are rounded as the old ones were, once each.
#scale = #dsv2.attention_scale<head_width = 12, factor = 40.0, mscale_all_dim = 0.707>
!cache = !dsv2.cache<1 x [5, 4] x bf16>
dsv2.weights @kv_b : tensor<28x5xf32> = "kv_b"
dsv2.prepare @kv_b_bf16 : tensor<28x5xbf16> {
  %w = dsv2.weight @kv_b : tensor<28x5xf32>
  %b = dsv2.cast %w : tensor<28x5xf32> to tensor<28x5xbf16>
  dsv2.yield %b : tensor<28x5xbf16>
}

// The old prepare function is copied into the new ones and goes.
// CHECK-NOT: dsv2.prepare @kv_b_bf16
// CHECK: dsv2.prepare @q_latent : tensor<2x5x8xbf16> {
// CHECK:   dsv2.weight @kv_b : tensor<28x5xf32>
// CHECK:   dsv2.cast
// CHECK:   dsv2.transpose

// CHECK-LABEL: func.func @rounded
// CHECK-SAME: (%[[QN:.*]]: tensor<?x2x8xbf16>, %[[QR:.*]]: tensor<?x2x4xbf16>
func.func @rounded(%qn: tensor<?x2x8xbf16>, %qr: tensor<?x2x4xbf16>, %b: !dsv2.batch, %c: !cache, %l: index)
    -> (tensor<?x2x6xf32>, !cache) {
  %kv_b = dsv2.weight @kv_b_bf16 : tensor<28x5xbf16>
  %kn, %kr, %v = dsv2.decompress %c[%l], %kv_b of %b heads 2 widths [8, 6] : !cache, tensor<28x5xbf16>
  %kn1 = dsv2.cast %kn : tensor<?x2x8xf32> to tensor<?x2x8xbf16>
  %kr1 = dsv2.cast %kr : tensor<?x4xf32> to tensor<?x4xbf16>
  %v1 = dsv2.cast %v : tensor<?x2x6xf32> to tensor<?x2x6xbf16>
  // CHECK: %[[QL:.*]] = dsv2.head_linear %[[QN]], %{{.*}} : tensor<?x2x8xbf16>, tensor<2x5x8xbf16>
  // CHECK-NEXT: %[[QLB:.*]] = dsv2.cast %[[QL]] : tensor<?x2x5xf32> to tensor<?x2x5xbf16>
  // CHECK-NEXT: %[[OL:.*]] = dsv2.latent_attention(%[[QLB]], %[[QR]]), {{.*}} inner bf16 :
  // CHECK: %[[OLB:.*]] = dsv2.cast %[[OL]] : tensor<?x2x5xf32> to tensor<?x2x5xbf16>
  // CHECK-NEXT: %[[O:.*]] = dsv2.head_linear %[[OLB]], %{{.*}} : tensor<?x2x5xbf16>, tensor<2x6x5xbf16>
  // CHECK-NEXT: return %[[O]]
  %o = dsv2.attention (%qn, %qr), (%kn1, %kr1), %v1 of %b scale #scale inner bf16
      : tensor<?x2x8xbf16>, tensor<?x2x4xbf16>, tensor<?x2x8xbf16>, tensor<?x4xbf16>, tensor<?x2x6xbf16>
  return %o, %c : tensor<?x2x6xf32>, !cache
}

// -----

#scale = #dsv2.attention_scale<head_width = 12, factor = 40.0, mscale_all_dim = 0.707>
!cache = !dsv2.cache<1 x [5, 4] x f32>

// CHECK-LABEL: func.func @other_values
func.func @other_values(%qn: tensor<?x2x8xf32>, %qr: tensor<?x2x4xf32>, %k: tensor<?x2x8xf32>, %kr: tensor<?x4xf32>,
                        %v: tensor<?x2x6xf32>, %b: !dsv2.batch) -> tensor<?x2x6xf32> {
  // CHECK: dsv2.attention(
  // expected-remark @below {{stays naive: its K and V do not come from one dsv2.decompress}}
  %o = dsv2.attention (%qn, %qr), (%k, %kr), %v of %b scale #scale
      : tensor<?x2x8xf32>, tensor<?x2x4xf32>, tensor<?x2x8xf32>, tensor<?x4xf32>, tensor<?x2x6xf32>
  return %o : tensor<?x2x6xf32>
}

// CHECK-LABEL: func.func @other_weight
func.func @other_weight(%qn: tensor<?x2x8xf32>, %qr: tensor<?x2x4xf32>, %kv_b: tensor<28x5xf32>, %b: !dsv2.batch,
                        %c: !cache, %l: index) -> (tensor<?x2x6xf32>, !cache) {
  // CHECK: dsv2.decompress
  %kn, %kr, %v = dsv2.decompress %c[%l], %kv_b of %b heads 2 widths [8, 6] : !cache, tensor<28x5xf32>
  // expected-remark @below {{stays naive: kv_b of its dsv2.decompress is no dsv2.weight}}
  %o = dsv2.attention (%qn, %qr), (%kn, %kr), %v of %b scale #scale
      : tensor<?x2x8xf32>, tensor<?x2x4xf32>, tensor<?x2x8xf32>, tensor<?x4xf32>, tensor<?x2x6xf32>
  return %o, %c : tensor<?x2x6xf32>, !cache
}

// -----

// Keys and values that are cached as they are have no projection to move: nothing is said.
#scale = #dsv2.attention_scale<head_width = 8, factor = 1.0, mscale_all_dim = 0.0>
!cache = !dsv2.cache<1 x [16, 16] x f32>

// CHECK-LABEL: func.func @grouped_queries
func.func @grouped_queries(%q: tensor<?x4x8xf32>, %b: !dsv2.batch, %c: !cache, %l: index)
    -> (tensor<?x4x8xf32>, !cache) {
  // CHECK-NEXT: %[[KV:.*]]:2 = dsv2.cache_read
  // CHECK-NEXT: dsv2.attention(%{{.*}}), (%[[KV]]#0), %[[KV]]#1
  %k, %v = dsv2.cache_read %c[%l] of %b heads 2 : !cache
  %o = dsv2.attention (%q), (%k), %v of %b scale #scale
      : tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>
  return %o, %c : tensor<?x4x8xf32>, !cache
}

// -----

// A part of the context and its lse carry over; a quantized kv_b is dequantized before it is cut.
#scale = #dsv2.attention_scale<head_width = 12, factor = 1.0, mscale_all_dim = 0.0>
!cache = !dsv2.cache<1 x [5, 4] x f32>
!kv_b = tensor<28x5x!dsv2.scaled<f8E4M3FN, [4, 4], f32>>

dsv2.weights @kv_b : !kv_b = "kv_b" scales "kv_b_scale"
// CHECK: dsv2.prepare @v_up : tensor<2x6x5xf32> {
// CHECK-NEXT: %[[W:.*]] = dsv2.weight @kv_b
// CHECK-NEXT: %[[D:.*]] = dsv2.dequantize %[[W]]
// CHECK-NEXT: tensor.expand_shape %[[D]]

// CHECK-LABEL: func.func @part
func.func @part(%qn: tensor<?x2x8xf32>, %qr: tensor<?x2x4xf32>, %b: !dsv2.batch, %c: !cache, %l: index)
    -> (tensor<?x2x6xf32>, tensor<?x2xf32>, !cache) {
  %kv_b = dsv2.weight @kv_b : !kv_b
  %kn, %kr, %v = dsv2.decompress %c[%l], %kv_b of %b heads 2 widths [8, 6] : !cache, !kv_b
  // CHECK: %{{.*}}, %[[LSE:.*]] = dsv2.latent_attention{{.*}} context <begin = 4> returning lse :
  // CHECK: return %{{.*}}, %[[LSE]],
  %o, %lse = dsv2.attention (%qn, %qr), (%kn, %kr), %v of %b scale #scale
      context <begin = 4> returning lse
      : tensor<?x2x8xf32>, tensor<?x2x4xf32>, tensor<?x2x8xf32>, tensor<?x4xf32>, tensor<?x2x6xf32>
  return %o, %lse, %c : tensor<?x2x6xf32>, tensor<?x2xf32>, !cache
}
