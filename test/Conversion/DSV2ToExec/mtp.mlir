// The block of multi-token prediction is left out, and says so; the step is as if it had never been there.
// RUN: dsv2-opt %s --dsv2-create-variants=targets=x86-64-v3 --dsv2-form-dispatches --verify-diagnostics | FileCheck %s

!cache = !dsv2.cache<1 x [8, 4] x f32>
module attributes {dsv2.model = {max_context = 64 : i64, name = "mtp", vocab = 16 : i64}} {
  dsv2.weights @embed : tensor<16x8xf32> = "embed"
  dsv2.weights @eh_proj : tensor<8x16xf32> = "eh_proj"
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch, %cache: !cache) -> (tensor<?x16xf32>, tensor<?x8xf32>, !cache) {
    %e = dsv2.weight @embed : tensor<16x8xf32>
    %x = dsv2.embed %tokens, %e : tensor<?xi32>, tensor<16x8xf32>
    %y = dsv2.select_rows %x of %batch : tensor<?x8xf32>
    %l = dsv2.linear %y, %e : tensor<?x8xf32>, tensor<16x8xf32>
    return %l, %x, %cache : tensor<?x16xf32>, tensor<?x8xf32>, !cache
  }
  // expected-remark @below {{the block of multi-token prediction, @mtp, is left out: it is not compiled yet}}
  func.func @mtp(%tokens: tensor<?xi32>, %hidden: tensor<?x8xf32>, %batch: !dsv2.batch, %cache: !cache) -> (tensor<?x16xf32>, tensor<?x8xf32>, !cache) {
    %e = dsv2.weight @embed : tensor<16x8xf32>
    %x = dsv2.embed %tokens, %e : tensor<?xi32>, tensor<16x8xf32>
    %both = tensor.concat dim(1) %x, %hidden : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x16xf32>
    %w = dsv2.weight @eh_proj : tensor<8x16xf32>
    %h = dsv2.linear %both, %w : tensor<?x16xf32>, tensor<8x16xf32>
    %y = dsv2.select_rows %h of %batch : tensor<?x8xf32>
    %l = dsv2.linear %y, %e : tensor<?x8xf32>, tensor<16x8xf32>
    return %l, %h, %cache : tensor<?x16xf32>, tensor<?x8xf32>, !cache
  }
}

// CHECK-NOT: eh_proj
// CHECK: dsv2_exec.entry @few_rows
// CHECK-NOT: @mtp
