// A piece becomes one vector, whatever its width; a leading dimension of one disappears.
// RUN: dsv2-opt %s --dsv2-generic-vectorize --canonicalize | FileCheck %s

#e = affine_map<(d0) -> (d0)>
#s = affine_map<(d0) -> ()>
#e2 = affine_map<(d0, d1) -> (d0, d1)>

// CHECK-LABEL: func @elementwise
//       CHECK: vector.transfer_read {{.*}} : tensor<9xf32>, vector<9xf32>
//       CHECK: arith.truncf {{.*}} : vector<9xf32> to vector<9xbf16>
//       CHECK: vector.transfer_write {{.*}} : vector<9xbf16>, tensor<9xbf16>
//   CHECK-NOT: linalg
func.func @elementwise(%x: tensor<9xf32>, %o: tensor<9xbf16>) -> tensor<9xbf16> {
  %r = linalg.generic {indexing_maps = [#e, #e], iterator_types = ["parallel"]} ins(%x : tensor<9xf32>) outs(%o : tensor<9xbf16>) {
  ^bb0(%a: f32, %u: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<9xbf16>
  return %r : tensor<9xbf16>
}

// CHECK-LABEL: func @sum
//       CHECK: vector.reduction <add>, %{{.*}}, %{{.*}} : vector<16xf32> into f32
//   CHECK-NOT: linalg
func.func @sum(%x: tensor<16xf32>, %init: tensor<f32>) -> tensor<f32> {
  %r = linalg.generic {indexing_maps = [#e, #s], iterator_types = ["reduction"]} ins(%x : tensor<16xf32>) outs(%init : tensor<f32>) {
  ^bb0(%a: f32, %acc: f32):
    %t = arith.addf %acc, %a : f32
    linalg.yield %t : f32
  } -> tensor<f32>
  return %r : tensor<f32>
}

// CHECK-LABEL: func @head
//       CHECK: arith.negf {{.*}} : vector<5xf32>
func.func @head(%x: tensor<1x5xf32>, %o: tensor<1x5xf32>) -> tensor<1x5xf32> {
  %r = linalg.generic {indexing_maps = [#e2, #e2], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<1x5xf32>) outs(%o : tensor<1x5xf32>) {
  ^bb0(%a: f32, %u: f32):
    %t = arith.negf %a : f32
    linalg.yield %t : f32
  } -> tensor<1x5xf32>
  return %r : tensor<1x5xf32>
}
