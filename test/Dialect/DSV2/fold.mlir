// What folds, and what must not.
// RUN: dsv2-opt %s --canonicalize --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @casts
func.func @casts(%x: tensor<?x8xbf16>, %y: tensor<?x8xf32>) -> (tensor<?x8xbf16>, tensor<?x8xf32>) {
  %a = dsv2.cast %x : tensor<?x8xbf16> to tensor<?x8xf32>
  %b = dsv2.cast %a : tensor<?x8xf32> to tensor<?x8xbf16>
  // Rounding and widening back is not the value itself.
  // CHECK: dsv2.cast %arg1
  // CHECK: %[[Y:.*]] = dsv2.cast
  %c = dsv2.cast %y : tensor<?x8xf32> to tensor<?x8xbf16>
  %d = dsv2.cast %c : tensor<?x8xbf16> to tensor<?x8xf32>
  // CHECK: return %arg0, %[[Y]]
  return %b, %d : tensor<?x8xbf16>, tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func.func @heads
func.func @heads(%x: tensor<?x24xf32>, %y: tensor<?x3x8xf32>)
    -> (tensor<?x24xf32>, tensor<?x3x8xf32>, tensor<?x18xf32>, tensor<?x6x4xf32>) {
  %a = dsv2.split_heads %x heads 3 widths [8] : tensor<?x24xf32>
  %b = dsv2.merge_heads %a : tensor<?x3x8xf32>
  %c = dsv2.merge_heads %y : tensor<?x3x8xf32>
  %d = dsv2.split_heads %c heads 3 widths [8] : tensor<?x24xf32>
  // One of two parts, and other heads, are other values.
  // CHECK: %[[M:.*]] = dsv2.merge_heads %arg1
  // CHECK: %[[PART:.*]]:2 = dsv2.split_heads %arg0 heads 3 widths [6, 2]
  // CHECK: %[[E:.*]] = dsv2.merge_heads %[[PART]]#0
  // CHECK: %[[F:.*]] = dsv2.split_heads %[[M]] heads 6 widths [4]
  %p:2 = dsv2.split_heads %x heads 3 widths [6, 2] : tensor<?x24xf32>
  %e = dsv2.merge_heads %p#0 : tensor<?x3x6xf32>
  %f = dsv2.split_heads %c heads 6 widths [4] : tensor<?x24xf32>
  // CHECK: return %arg0, %arg1, %[[E]], %[[F]]
  return %b, %d, %e, %f : tensor<?x24xf32>, tensor<?x3x8xf32>, tensor<?x18xf32>, tensor<?x6x4xf32>
}

// -----

dsv2.weights @w : tensor<2x3x4xf32> = "w"

// CHECK-LABEL: dsv2.prepare @same
dsv2.prepare @same : tensor<2x3x4xf32> {
  // CHECK-NEXT: %[[W:.*]] = dsv2.weight @w
  // CHECK-NEXT: dsv2.yield %[[W]]
  %w = dsv2.weight @w : tensor<2x3x4xf32>
  %a = dsv2.transpose %w [1, 2, 0] : tensor<2x3x4xf32>
  %b = dsv2.transpose %a [2, 0, 1] : tensor<3x4x2xf32>
  dsv2.yield %b : tensor<2x3x4xf32>
}

// CHECK-LABEL: dsv2.prepare @joined
dsv2.prepare @joined : tensor<4x3x2xf32> {
  // Dimensions 0 1 2, then 1 2 0, then 2 1 0 of those.
  // CHECK: dsv2.transpose %{{.*}} [2, 1, 0] : tensor<2x3x4xf32>
  // CHECK-NOT: dsv2.transpose
  %w = dsv2.weight @w : tensor<2x3x4xf32>
  %a = dsv2.transpose %w [1, 2, 0] : tensor<2x3x4xf32>
  %b = dsv2.transpose %a [1, 0, 2] : tensor<3x4x2xf32>
  dsv2.yield %b : tensor<4x3x2xf32>
}

// -----

#none = #dsv2.rope<theta = 10000.0, layout = halves, magnitude = 1.0, inv_freq = dense<> : tensor<0xf32>>

// CHECK-LABEL: func.func @no_rotation
func.func @no_rotation(%x: tensor<?x0xf32>, %y: tensor<?x0xbf16>, %batch: !dsv2.batch)
    -> (tensor<?x0xf32>, tensor<?x0xf32>) {
  %a = dsv2.rope %x of %batch by #none : tensor<?x0xf32>
  // A result in f32 of rows in bf16 stays.
  // CHECK-NEXT: %[[B:.*]] = dsv2.rope %arg1
  %b = dsv2.rope %y of %batch by #none : tensor<?x0xbf16>
  // CHECK-NEXT: return %arg0, %[[B]]
  return %a, %b : tensor<?x0xf32>, tensor<?x0xf32>
}

// -----

#scale = #dsv2.attention_scale<head_width = 8, factor = 1.0, mscale_all_dim = 0.0>

// CHECK-LABEL: func.func @one_part
func.func @one_part(%q: tensor<?x4x8xf32>, %k: tensor<?x2x8xf32>, %lse: tensor<?x4xf32>, %batch: !dsv2.batch)
    -> (tensor<?x4x8xf32>, tensor<?x4xf32>, tensor<?x4x8xf32>) {
  // CHECK-NEXT: %[[O:.*]], %[[LSE:.*]] = dsv2.attention
  %o, %l = dsv2.attention (%q), (%k), %k of %batch scale #scale context <begin = 4> returning lse
      : tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>
  %a, %m = dsv2.merge_attention (%o), (%l) returning lse : tensor<?x4x8xf32>
  // An lse that no attention made may be -inf beside a result that is not 0.
  // CHECK-NEXT: %[[B:.*]] = dsv2.merge_attention
  %b = dsv2.merge_attention (%o), (%lse) : tensor<?x4x8xf32>
  // CHECK-NEXT: return %[[O]], %[[LSE]], %[[B]]
  return %a, %m, %b : tensor<?x4x8xf32>, tensor<?x4xf32>, tensor<?x4x8xf32>
}

// -----

dsv2.weights @w : tensor<4x4xf32> = "w"

// Quantizing loses bits, and dequantizing to f32 before bf16 rounds twice: neither goes away.
// CHECK-LABEL: dsv2.prepare @twice
dsv2.prepare @twice : tensor<4x4xbf16> {
  // CHECK: dsv2.quantize
  // CHECK-NEXT: dsv2.dequantize
  // CHECK-NEXT: dsv2.cast
  %w = dsv2.weight @w : tensor<4x4xf32>
  %q = dsv2.quantize %w : tensor<4x4xf32> to tensor<4x4x!dsv2.scaled<i8, [1, 0], f32>>
  %d = dsv2.dequantize %q : tensor<4x4x!dsv2.scaled<i8, [1, 0], f32>> to tensor<4x4xf32>
  %c = dsv2.cast %d : tensor<4x4xf32> to tensor<4x4xbf16>
  dsv2.yield %c : tensor<4x4xbf16>
}
