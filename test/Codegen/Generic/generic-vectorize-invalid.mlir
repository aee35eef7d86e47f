// An op that has no vector form is refused by name: a generic kernel never becomes a scalar loop.
// RUN: dsv2-opt %s --dsv2-generic-vectorize --verify-diagnostics

#e = affine_map<(d0) -> (d0)>
func.func @scalar(%x: tensor<9xf32>, %o: tensor<9xf32>) -> tensor<9xf32> {
  // expected-error @below {{generic kernel 'scalar': 'linalg.generic' does not vectorize}}
  %r = linalg.generic {indexing_maps = [#e, #e], iterator_types = ["parallel"]} ins(%x : tensor<9xf32>) outs(%o : tensor<9xf32>) {
  ^bb0(%a: f32, %u: f32):
    %c0 = arith.constant 0.0 : f32
    %positive = arith.cmpf ogt, %a, %c0 : f32
    %t = scf.if %positive -> f32 {
      scf.yield %a : f32
    } else {
      scf.yield %c0 : f32
    }
    linalg.yield %t : f32
  } -> tensor<9xf32>
  return %r : tensor<9xf32>
}
