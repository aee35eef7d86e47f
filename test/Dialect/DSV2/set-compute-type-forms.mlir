// Biases, grouped queries, parts of the context, quantized weights and a second step function:
// contractions are rounded, what meets an accumulator stays as it is.
// RUN: dsv2-opt %s --dsv2-set-compute-type=compute=bf16 | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: dsv2-opt %s --dsv2-set-compute-type=compute=f32 | FileCheck %s --check-prefixes=CHECK,F32

#scale = #dsv2.attention_scale<head_width = 8, factor = 1.0, mscale_all_dim = 0.0>
!cache = !dsv2.cache<2 x [16, 16] x f32>
!one = !dsv2.cache<1 x [16, 16] x f32>
!w = tensor<32x8x!dsv2.scaled<f8E4M3FN, [16, 0], f32>>

module {
  dsv2.weights @q layers 0 to 3 : !w = "{l}.q" scales "{l}.q_scale"
  dsv2.weights @q_bias layers 0 to 3 : tensor<32xbf16> = "{l}.q_bias"
  dsv2.weights @kv layers 0 to 3 : tensor<16x8xbf16> = "{l}.kv"

  // A quantized weight is dequantized once, at preparation.
  // CHECK: dsv2.prepare @q_[[T:bf16|f32]] layers %[[L:.*]] = 0 to 3 : tensor<32x8x[[T]]> {
  // CHECK-NEXT: %[[W:.*]] = dsv2.weight @q[%[[L]]]
  // CHECK-NEXT: %[[D:.*]] = dsv2.dequantize %[[W]] : tensor<32x8x!dsv2.scaled<f8E4M3FN, [16, 0], f32>> to tensor<32x8xf32>
  // BF16-NEXT: %[[R:.*]] = dsv2.cast %[[D]]
  // BF16-NEXT: dsv2.yield %[[R]]
  // F32-NEXT: dsv2.yield %[[D]]

  // CHECK-LABEL: func.func @step
  // F32-NOT: dsv2.cast
  func.func @step(%x: tensor<?x8xf32>, %r: tensor<?x32xf32>, %batch: !dsv2.batch, %cache: !cache)
      -> (tensor<?x4x8xf32>, !cache) {
    %l = arith.constant 1 : index
    %wq = dsv2.weight @q[%l] : !w
    %bq = dsv2.weight @q_bias[%l] : tensor<32xbf16>
    // Neither the bias nor the addend is rounded.
    // BF16: dsv2.linear %{{.*}}, %{{.*}} bias %{{.*}} add %{{.*}} : tensor<?x8xbf16>, tensor<32x8xbf16>, tensor<32xbf16>, tensor<?x32xf32>
    // F32: dsv2.linear %{{.*}}, %{{.*}} bias %{{.*}} add %{{.*}} : tensor<?x8xf32>, tensor<32x8xf32>, tensor<32xbf16>, tensor<?x32xf32>
    %q = dsv2.linear %x, %wq bias %bq add %r : tensor<?x8xf32>, !w, tensor<32xbf16>, tensor<?x32xf32>
    %qh = dsv2.split_heads %q heads 4 widths [8] : tensor<?x32xf32>
    %wkv = dsv2.weight @kv[%l] : tensor<16x8xbf16>
    %kv = dsv2.linear %x, %wkv : tensor<?x8xf32>, tensor<16x8xbf16>
    // BF16: %[[KV:.*]] = dsv2.cast %{{.*}} : tensor<?x16xf32> to tensor<?x16xbf16>
    // BF16: %[[C1:.*]] = dsv2.cache_append %{{.*}}, %[[KV]], %[[KV]] of
    %c1 = dsv2.cache_append %cache[%l], %kv, %kv of %batch : !cache, tensor<?x16xf32>, tensor<?x16xf32>
    // CHECK: %[[READ:.*]]:2 = dsv2.cache_read
    %k, %v = dsv2.cache_read %c1[%l] of %batch heads 2 : !cache
    // BF16: %[[O:.*]], %[[LSE:.*]] = dsv2.attention{{.*}} inner bf16 context {{.*}} returning lse : tensor<?x4x8xbf16>, tensor<?x2x8xbf16>, tensor<?x2x8xbf16>
    // F32: %[[O:.*]], %[[LSE:.*]] = dsv2.attention{{.*}} : tensor<?x4x8xf32>
    %o, %lse = dsv2.attention (%qh), (%k), %v of %batch scale #scale
        context <begin = 0> returning lse
        : tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>
    // CHECK: dsv2.merge_attention(%[[O]]), (%[[LSE]]) : tensor<?x4x8xf32>
    %m = dsv2.merge_attention (%o), (%lse) : tensor<?x4x8xf32>
    return %m, %c1 : tensor<?x4x8xf32>, !cache
  }

  // CHECK-LABEL: func.func @mtp
  // BF16-SAME: !cache1) -> (tensor<?x32xf32>, !cache1)
  func.func @mtp(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>, %batch: !dsv2.batch, %cache: !one)
      -> (tensor<?x32xf32>, !one) {
    %layer = arith.constant 2 : index
    // CHECK: %[[BOTH:.*]] = tensor.concat dim(1)
    %both = tensor.concat dim(1) %a, %b : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
    // BF16: %[[ROUNDED:.*]] = dsv2.cast %[[BOTH]]
    // BF16: dsv2.linear %[[ROUNDED]], %{{.*}} : tensor<?x8xbf16>, tensor<32x8xbf16>
    %w = dsv2.weight @q[%layer] : !w
    %h = dsv2.linear %both, %w : tensor<?x8xf32>, !w
    return %h, %cache : tensor<?x32xf32>, !one
  }
}
