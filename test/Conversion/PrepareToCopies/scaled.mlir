// Quantized families that a prepare widens: the copies are those of the numbers, the source names its scales. Blocks
// of 0 are the whole dimension, and none is larger than the matrix.
// RUN: dsv2-opt %s --dsv2-create-variants=targets=x86-64-v3 --dsv2-form-dispatches | FileCheck %s

!cache = !dsv2.cache<1 x [8, 4] x f32>
module attributes {dsv2.model = {max_context = 64 : i64, name = "scaled", vocab = 16 : i64}} {
  dsv2.weights @embed : tensor<16x8xf32> = "embed"
  dsv2.weights @stored layers 0 to 1 : tensor<8x8x!dsv2.scaled<f8E4M3FN, [3, 128], f32>> = "{l}.w" scales "{l}.w_scale"
  dsv2.weights @rows layers 0 to 1 : tensor<8x8x!dsv2.scaled<f8E4M3FN, [1, 0], f32>> = "{l}.r" scales "{l}.r_scale"
  dsv2.prepare @widened layers %l = 0 to 1 : tensor<8x8xf32> {
    %w = dsv2.weight @stored[%l] : tensor<8x8x!dsv2.scaled<f8E4M3FN, [3, 128], f32>>
    %v = dsv2.dequantize %w : tensor<8x8x!dsv2.scaled<f8E4M3FN, [3, 128], f32>> to tensor<8x8xf32>
    dsv2.yield %v : tensor<8x8xf32>
  }
  // Part of one and part of another, turned.
  dsv2.prepare @mixed layers %l = 0 to 1 : tensor<8x8xf32> {
    %w = dsv2.weight @stored[%l] : tensor<8x8x!dsv2.scaled<f8E4M3FN, [3, 128], f32>>
    %v = dsv2.dequantize %w : tensor<8x8x!dsv2.scaled<f8E4M3FN, [3, 128], f32>> to tensor<8x8xf32>
    %top = tensor.extract_slice %v[0, 0] [4, 8] [1, 1] : tensor<8x8xf32> to tensor<4x8xf32>
    %r = dsv2.weight @rows[%l] : tensor<8x8x!dsv2.scaled<f8E4M3FN, [1, 0], f32>>
    %u = dsv2.dequantize %r : tensor<8x8x!dsv2.scaled<f8E4M3FN, [1, 0], f32>> to tensor<8x8xf32>
    %low = tensor.extract_slice %u[4, 0] [4, 8] [1, 1] : tensor<8x8xf32> to tensor<4x8xf32>
    %both = tensor.concat dim(0) %top, %low : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<8x8xf32>
    %t = dsv2.transpose %both [1, 0] : tensor<8x8xf32>
    dsv2.yield %t : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch, %cache: !cache) -> (tensor<?x16xf32>, tensor<?x8xf32>, !cache) {
    %e = dsv2.weight @embed : tensor<16x8xf32>
    %x = dsv2.embed %tokens, %e : tensor<?xi32>, tensor<16x8xf32>
    %all = dsv2.layers %l = 0 to 1 carry(%x0 = %x) : tensor<?x8xf32> {
      %w = dsv2.weight @widened[%l] : tensor<8x8xf32>
      %x1 = dsv2.linear %x0, %w : tensor<?x8xf32>, tensor<8x8xf32>
      %m = dsv2.weight @mixed[%l] : tensor<8x8xf32>
      %x2 = dsv2.linear %x1, %m : tensor<?x8xf32>, tensor<8x8xf32>
      dsv2.yield %x2 : tensor<?x8xf32>
    }
    %h = dsv2.add %all, %all : tensor<?x8xf32>
    %y = dsv2.select_rows %h of %batch : tensor<?x8xf32>
    %l = dsv2.linear %y, %e : tensor<?x8xf32>, tensor<16x8xf32>
    return %l, %h, %cache : tensor<?x16xf32>, tensor<?x8xf32>, !cache
  }
}

// CHECK: dsv2_exec.weight @widened layers 0 to 1 : f32 elements 512 sources [
// CHECK-NEXT: "{l}.w" : tensor<8x8xf8E4M3FN> scales "{l}.w_scale" [3, 8]] copies [
// CHECK-NEXT: 0 at 0 to 0 dims [8 : 1 -> 64, 8 : 8 -> 1]]
// CHECK: dsv2_exec.weight @mixed layers 0 to 1 : f32 elements 512 sources [
// CHECK-NEXT: "{l}.w" : tensor<8x8xf8E4M3FN> scales "{l}.w_scale" [3, 8],
// CHECK-NEXT: "{l}.r" : tensor<8x8xf8E4M3FN> scales "{l}.r_scale" [1, 8]] copies [
// CHECK-NEXT: 0 at 0 to 0 dims [4 : 8 -> 64, 8 : 1 -> 1],
// CHECK-NEXT: 1 at 32 to 256 dims [4 : 8 -> 64, 8 : 1 -> 1]]
