// What has no static width, or reduces more than one dimension, is refused by name.
// RUN: dsv2-opt %s --dsv2-generic-tile --split-input-file --verify-diagnostics

#e = affine_map<(d0) -> (d0)>
func.func @dynamic(%x: tensor<?xf32>, %o: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error @below {{generic kernel 'dynamic': expected static loop ranges of 'linalg.generic', found a dynamic one}}
  %r = linalg.generic {indexing_maps = [#e, #e], iterator_types = ["parallel"]} ins(%x : tensor<?xf32>) outs(%o : tensor<?xf32>) {
  ^bb0(%a: f32, %u: f32):
    %t = arith.negf %a : f32
    linalg.yield %t : f32
  } -> tensor<?xf32>
  return %r : tensor<?xf32>
}

// -----

#e2 = affine_map<(d0, d1) -> (d0, d1)>
#s2 = affine_map<(d0, d1) -> ()>
func.func @plane(%x: tensor<3x5xf32>, %init: tensor<f32>) -> tensor<f32> {
  // expected-error @below {{generic kernel 'plane': 'linalg.generic' cannot be cut into vectors}}
  %r = linalg.generic {indexing_maps = [#e2, #s2], iterator_types = ["reduction", "reduction"]} ins(%x : tensor<3x5xf32>) outs(%init : tensor<f32>) {
  ^bb0(%a: f32, %acc: f32):
    %t = arith.addf %acc, %a : f32
    linalg.yield %t : f32
  } -> tensor<f32>
  return %r : tensor<f32>
}
