// Pieces: the largest divisor up to 64, else 64 with the rest peeled (parallel) or split off (reduction).
// RUN: dsv2-opt %s --dsv2-generic-tile --canonicalize --cse | FileCheck %s

#e = affine_map<(d0) -> (d0)>
#s = affine_map<(d0) -> ()>
#e2 = affine_map<(d0, d1) -> (d0, d1)>

// CHECK-LABEL: func @divides
//       CHECK: %[[STEP:.*]] = arith.constant 48 : index
//       CHECK: scf.for {{.*}} step %[[STEP]]
//       CHECK:   linalg.generic {{.*}} ins({{.*}} : tensor<48xf32>)
//   CHECK-NOT: linalg.generic
func.func @divides(%x: tensor<144xf32>, %o: tensor<144xf32>) -> tensor<144xf32> {
  %r = linalg.generic {indexing_maps = [#e, #e], iterator_types = ["parallel"]} ins(%x : tensor<144xf32>) outs(%o : tensor<144xf32>) {
  ^bb0(%a: f32, %u: f32):
    %t = arith.negf %a : f32
    linalg.yield %t : f32
  } -> tensor<144xf32>
  return %r : tensor<144xf32>
}

// CHECK-LABEL: func @peeled
//       CHECK: scf.for
//       CHECK:   linalg.generic {{.*}} ins({{.*}} : tensor<64xf32>)
//       CHECK: linalg.generic {{.*}} ins({{.*}} : tensor<9xf32>)
func.func @peeled(%x: tensor<137xf32>, %o: tensor<137xf32>) -> tensor<137xf32> {
  %r = linalg.generic {indexing_maps = [#e, #e], iterator_types = ["parallel"]} ins(%x : tensor<137xf32>) outs(%o : tensor<137xf32>) {
  ^bb0(%a: f32, %u: f32):
    %t = arith.negf %a : f32
    linalg.yield %t : f32
  } -> tensor<137xf32>
  return %r : tensor<137xf32>
}

// Heads step by one inside.
// CHECK-LABEL: func @heads
//       CHECK: linalg.generic {{.*}} ins({{.*}} : tensor<1x5xf32>)
func.func @heads(%x: tensor<3x5xf32>, %o: tensor<3x5xf32>) -> tensor<3x5xf32> {
  %r = linalg.generic {indexing_maps = [#e2, #e2], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<3x5xf32>) outs(%o : tensor<3x5xf32>) {
  ^bb0(%a: f32, %u: f32):
    %t = arith.negf %a : f32
    linalg.yield %t : f32
  } -> tensor<3x5xf32>
  return %r : tensor<3x5xf32>
}

// Partial sums of a whole piece, then the rest in the cuts of a parallel op of that width.
// CHECK-LABEL: func @sum
//       CHECK: scf.for {{.*}} -> (tensor<64xf32>)
//       CHECK:   linalg.generic {{.*}} ins({{.*}} : tensor<64xf32>) outs({{.*}} : tensor<64xf32>)
//       CHECK: linalg.reduce
//       CHECK: linalg.generic {{.*}} iterator_types = ["reduction"]} ins({{.*}} : tensor<9xf32>)
func.func @sum(%x: tensor<137xf32>, %init: tensor<f32>) -> tensor<f32> {
  %r = linalg.generic {indexing_maps = [#e, #s], iterator_types = ["reduction"]} ins(%x : tensor<137xf32>) outs(%init : tensor<f32>) {
  ^bb0(%a: f32, %acc: f32):
    %t = arith.addf %acc, %a : f32
    linalg.yield %t : f32
  } -> tensor<f32>
  return %r : tensor<f32>
}
