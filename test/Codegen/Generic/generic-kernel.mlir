// The whole route on the group that every layer has twice: x += delta, the norm of x, rounded to bf16.
// One loop over rows, three over pieces, no tensor, no copy, and the norm's sum stays in a register.
// RUN: dsv2-opt %s --dsv2-generic-kernel | FileCheck %s

#e = affine_map<(d0) -> (d0)>
#s = affine_map<(d0) -> ()>

// CHECK-LABEL: func @add_norm
//  CHECK-SAME: %[[X:[^:]*]]: memref<65536x640xf32>, %[[D:[^:]*]]: memref<65536x640xf32>
//   CHECK-NOT: tensor
//   CHECK-NOT: memref.alloc
//   CHECK-NOT: memref.copy
//       CHECK: scf.for %[[ROW:.*]] = %{{.*}} to
//       CHECK:   scf.for
//       CHECK:     arith.addf {{.*}} : vector<64xf32>
//       CHECK:     vector.transfer_write %{{.*}}, %[[X]][%[[ROW]], %{{.*}}] {{.*}} : vector<64xf32>
//       CHECK:   }
//       CHECK:   scf.for {{.*}} -> (vector<64xf32>)
//       CHECK:   math.sqrt
//       CHECK:   scf.for
//       CHECK:     vector.transfer_write {{.*}} : vector<64xbf16>, memref<65536x640xbf16>
//       CHECK:   return
func.func @add_norm(%xm: memref<65536x640xf32>, %dm: memref<65536x640xf32>, %om: memref<65536x640xbf16>,
                    %begin: index, %end: index, %scratch: memref<1xi8>) {
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %x = bufferization.to_tensor %xm restrict writable : memref<65536x640xf32> to tensor<65536x640xf32>
  %d = bufferization.to_tensor %dm restrict : memref<65536x640xf32> to tensor<65536x640xf32>
  %o = bufferization.to_tensor %om restrict writable : memref<65536x640xbf16> to tensor<65536x640xbf16>
  %r:2 = scf.for %i = %begin to %end step %c1 iter_args(%xt = %x, %ot = %o) -> (tensor<65536x640xf32>, tensor<65536x640xbf16>) {
    %xr = tensor.extract_slice %xt[%i, 0] [1, 640] [1, 1] : tensor<65536x640xf32> to tensor<640xf32>
    %dr = tensor.extract_slice %d[%i, 0] [1, 640] [1, 1] : tensor<65536x640xf32> to tensor<640xf32>
    %h = linalg.generic {indexing_maps = [#e, #e], iterator_types = ["parallel"]} ins(%dr : tensor<640xf32>) outs(%xr : tensor<640xf32>) {
    ^bb0(%a: f32, %b: f32):
      %t = arith.addf %b, %a : f32
      linalg.yield %t : f32
    } -> tensor<640xf32>
    %scalar = tensor.empty() : tensor<f32>
    %init = linalg.fill ins(%zero : f32) outs(%scalar : tensor<f32>) -> tensor<f32>
    %sum = linalg.generic {indexing_maps = [#e, #s], iterator_types = ["reduction"]} ins(%h : tensor<640xf32>) outs(%init : tensor<f32>) {
    ^bb0(%a: f32, %acc: f32):
      %m = arith.mulf %a, %a : f32
      %t = arith.addf %acc, %m : f32
      linalg.yield %t : f32
    } -> tensor<f32>
    %total = tensor.extract %sum[] : tensor<f32>
    %root = math.sqrt %total : f32
    %scale = arith.divf %one, %root : f32
    %empty = tensor.empty() : tensor<640xf32>
    %n = linalg.generic {indexing_maps = [#e, #e], iterator_types = ["parallel"]} ins(%h : tensor<640xf32>) outs(%empty : tensor<640xf32>) {
    ^bb0(%a: f32, %u: f32):
      %t = arith.mulf %a, %scale : f32
      linalg.yield %t : f32
    } -> tensor<640xf32>
    %or = tensor.extract_slice %ot[%i, 0] [1, 640] [1, 1] : tensor<65536x640xbf16> to tensor<640xbf16>
    %y = linalg.generic {indexing_maps = [#e, #e], iterator_types = ["parallel"]} ins(%n : tensor<640xf32>) outs(%or : tensor<640xbf16>) {
    ^bb0(%a: f32, %u: bf16):
      %t = arith.truncf %a : f32 to bf16
      linalg.yield %t : bf16
    } -> tensor<640xbf16>
    %x1 = tensor.insert_slice %h into %xt[%i, 0] [1, 640] [1, 1] : tensor<640xf32> into tensor<65536x640xf32>
    %o1 = tensor.insert_slice %y into %ot[%i, 0] [1, 640] [1, 1] : tensor<640xbf16> into tensor<65536x640xbf16>
    scf.yield %x1, %o1 : tensor<65536x640xf32>, tensor<65536x640xbf16>
  }
  bufferization.materialize_in_destination %r#0 in restrict writable %xm : (tensor<65536x640xf32>, memref<65536x640xf32>) -> ()
  bufferization.materialize_in_destination %r#1 in restrict writable %om : (tensor<65536x640xbf16>, memref<65536x640xbf16>) -> ()
  return
}
