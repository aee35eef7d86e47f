// A cast joins the norm that it reads; the sum over the row, which has another domain, stays apart.
// RUN: dsv2-opt %s --dsv2-generic-fuse | FileCheck %s

#e = affine_map<(d0) -> (d0)>
#s = affine_map<(d0) -> ()>

// CHECK-LABEL: func @norm_cast
//       CHECK: linalg.fill
//       CHECK: linalg.generic
//  CHECK-SAME: iterator_types = ["reduction"]
//       CHECK: linalg.generic
//       CHECK:   arith.mulf
//  CHECK-NEXT:   %[[BF16:.*]] = arith.truncf
//  CHECK-NEXT:   linalg.yield %[[BF16]] : bf16
//   CHECK-NOT: linalg.generic
func.func @norm_cast(%x: tensor<48xf32>, %o: tensor<48xbf16>) -> tensor<48xbf16> {
  %zero = arith.constant 0.0 : f32
  %scalar = tensor.empty() : tensor<f32>
  %init = linalg.fill ins(%zero : f32) outs(%scalar : tensor<f32>) -> tensor<f32>
  %sum = linalg.generic {indexing_maps = [#e, #s], iterator_types = ["reduction"]} ins(%x : tensor<48xf32>) outs(%init : tensor<f32>) {
  ^bb0(%a: f32, %acc: f32):
    %t = arith.addf %acc, %a : f32
    linalg.yield %t : f32
  } -> tensor<f32>
  %scale = tensor.extract %sum[] : tensor<f32>
  %empty = tensor.empty() : tensor<48xf32>
  %y = linalg.generic {indexing_maps = [#e, #e], iterator_types = ["parallel"]} ins(%x : tensor<48xf32>) outs(%empty : tensor<48xf32>) {
  ^bb0(%a: f32, %u: f32):
    %t = arith.mulf %a, %scale : f32
    linalg.yield %t : f32
  } -> tensor<48xf32>
  %r = linalg.generic {indexing_maps = [#e, #e], iterator_types = ["parallel"]} ins(%y : tensor<48xf32>) outs(%o : tensor<48xbf16>) {
  ^bb0(%a: f32, %u: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<48xbf16>
  return %r : tensor<48xbf16>
}

// A row with two readers is computed once.
// CHECK-LABEL: func @two_readers
// CHECK-COUNT-3: linalg.generic
func.func @two_readers(%x: tensor<48xf32>, %o: tensor<48xf32>, %p: tensor<48xf32>) -> (tensor<48xf32>, tensor<48xf32>) {
  %empty = tensor.empty() : tensor<48xf32>
  %h = linalg.generic {indexing_maps = [#e, #e], iterator_types = ["parallel"]} ins(%x : tensor<48xf32>) outs(%empty : tensor<48xf32>) {
  ^bb0(%a: f32, %u: f32):
    %t = arith.addf %a, %a : f32
    linalg.yield %t : f32
  } -> tensor<48xf32>
  %r = linalg.generic {indexing_maps = [#e, #e], iterator_types = ["parallel"]} ins(%h : tensor<48xf32>) outs(%o : tensor<48xf32>) {
  ^bb0(%a: f32, %u: f32):
    %t = arith.mulf %a, %a : f32
    linalg.yield %t : f32
  } -> tensor<48xf32>
  %q = linalg.generic {indexing_maps = [#e, #e], iterator_types = ["parallel"]} ins(%h : tensor<48xf32>) outs(%p : tensor<48xf32>) {
  ^bb0(%a: f32, %u: f32):
    %t = arith.negf %a : f32
    linalg.yield %t : f32
  } -> tensor<48xf32>
  return %r, %q : tensor<48xf32>, tensor<48xf32>
}
