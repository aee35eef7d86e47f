// Biases cost no dispatch of their own: every contraction adds its bias, then what it is given to add.
// RUN: dsv2-opt %s --dsv2-create-variants=targets=x86-64-v3 --dsv2-form-dispatches | FileCheck %s

!cache = !dsv2.cache<1 x [32, 8] x f32>
module attributes {dsv2.model = {max_context = 4096 : i64, name = "biases", vocab = 96 : i64}, dsv2.stage = "model"} {
  dsv2.weights @embed : tensor<96x64xf32> = "model.embed_tokens.weight"
  dsv2.weights @kv_a layers 0 to 1 : tensor<40x64xf32> = "{l}.kv_a.weight"
  dsv2.weights @kv_a_bias layers 0 to 1 : tensor<40xbf16> = "{l}.kv_a.bias"
  dsv2.weights @kv_a_norm layers 0 to 1 : tensor<32xf32> = "{l}.kv_a_norm.weight"
  dsv2.weights @o layers 0 to 1 : tensor<64x64xf32> = "{l}.o.weight"
  dsv2.weights @o_bias layers 0 to 1 : tensor<64xf32> = "{l}.o.bias"
  dsv2.weights @gate layers 0 to 1 : tensor<112x64xf32> = "{l}.gate.weight"
  dsv2.weights @gate_bias layers 0 to 1 : tensor<112xf32> = "{l}.gate.bias"
  dsv2.weights @up layers 0 to 1 : tensor<112x64xf32> = "{l}.up.weight"
  dsv2.weights @up_bias layers 0 to 1 : tensor<112xf32> = "{l}.up.bias"
  dsv2.weights @down layers 0 to 1 : tensor<64x112xf32> = "{l}.down.weight"
  dsv2.weights @down_bias layers 0 to 1 : tensor<64xf32> = "{l}.down.bias"
  dsv2.weights @norm : tensor<64xf32> = "norm.weight"
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch, %cache: !cache) -> (tensor<?x96xf32>, tensor<?x64xf32>, !cache) {
    %we = dsv2.weight @embed : tensor<96x64xf32>
    %x = dsv2.embed %tokens, %we : tensor<?xi32>, tensor<96x64xf32>
    %all:2 = dsv2.layers %l = 0 to 1 carry(%x0 = %x, %c0 = %cache) : tensor<?x64xf32>, !cache {
      %w1 = dsv2.weight @kv_a[%l] : tensor<40x64xf32>
      %b1 = dsv2.weight @kv_a_bias[%l] : tensor<40xbf16>
      %w2 = dsv2.weight @kv_a_norm[%l] : tensor<32xf32>
      %lat, %kr = dsv2.mla_compress %x0, %w1, %w2 bias %b1 eps 1.0e-06 : tensor<?x64xf32>, tensor<40x64xf32>, tensor<32xf32>, tensor<40xbf16>
      %c1 = dsv2.cache_append %c0[%l], %lat, %kr of %batch : !cache, tensor<?x32xf32>, tensor<?x8xf32>
      %w3 = dsv2.weight @o[%l] : tensor<64x64xf32>
      %b3 = dsv2.weight @o_bias[%l] : tensor<64xf32>
      %y = dsv2.linear %x0, %w3 bias %b3 add %x0 : tensor<?x64xf32>, tensor<64x64xf32>, tensor<64xf32>, tensor<?x64xf32>
      %w4 = dsv2.weight @gate[%l] : tensor<112x64xf32>
      %b4 = dsv2.weight @gate_bias[%l] : tensor<112xf32>
      %w5 = dsv2.weight @up[%l] : tensor<112x64xf32>
      %b5 = dsv2.weight @up_bias[%l] : tensor<112xf32>
      %w6 = dsv2.weight @down[%l] : tensor<64x112xf32>
      %b6 = dsv2.weight @down_bias[%l] : tensor<64xf32>
      %m = dsv2.mlp %y, %w4, %w5, %w6 bias %b4, %b5, %b6 : tensor<?x64xf32>, tensor<112x64xf32>, tensor<112x64xf32>, tensor<64x112xf32>, tensor<112xf32>, tensor<112xf32>, tensor<64xf32>
      %x1 = dsv2.add %y, %m : tensor<?x64xf32>
      dsv2.yield %x1, %c1 : tensor<?x64xf32>, !cache
    }
    %wn = dsv2.weight @norm : tensor<64xf32>
    %hidden = dsv2.rms_norm %all#0, %wn eps 1.0e-05 : tensor<?x64xf32>, tensor<64xf32>
    %wanted = dsv2.select_rows %hidden of %batch : tensor<?x64xf32>
    // The embedding again: one tensor, prepared as a table and as panels.
    %logits = dsv2.linear %wanted, %we : tensor<?x64xf32>, tensor<96x64xf32>
    return %logits, %hidden, %all#1 : tensor<?x96xf32>, tensor<?x64xf32>, !cache
  }
}

// CHECK: dsv2_exec.weight @embed : f32 elements 6144
// CHECK-NEXT: "model.embed_tokens.weight" : tensor<96x64xf32>
// A bias is widened to f32, and lies as it is.
// CHECK: dsv2_exec.weight @kv_a_bias layers 0 to 1 : f32 elements 40 sources [
// CHECK-NEXT: "{l}.kv_a.bias" : tensor<40xbf16>] copies [
// CHECK-NEXT: 0 at 0 to 0 dims [40 : 1 -> 1]]
// CHECK: dsv2_exec.kernel @[[ONE:matmul_[0-9]+]] builder "matmul" spec {{.*}}add = false{{.*}}bias = true
// CHECK: dsv2_exec.weight @[[HEAD:embed_[0-9]+]] : f32 elements
// CHECK-NEXT: "model.embed_tokens.weight" : tensor<96x64xf32>
// CHECK: dsv2_exec.entry @few_rows
// CHECK: repeat l = 0 to 1
// CHECK-NEXT: dispatch @[[ONE]] items({{.*}}) (@[[X:x_[0-9]+]], @kv_a[l], @kv_a_bias[l], @kv_0, sym T)
// CHECK: dispatch @matmul_{{[0-9]+}} items({{.*}}) (@[[X]], @o[l], @o_bias[l], @[[X]], @[[Y:[a-z_0-9]+]], sym T)
// CHECK-NEXT: dispatch @matmul_{{[0-9]+}} items({{.*}}) (@[[Y]], @gate[l], @gate_bias[l], @[[GATED:[a-z_0-9]+]], sym T)
// CHECK-NEXT: dispatch @matmul_{{[0-9]+}} items({{.*}}) (@[[Y]], @up[l], @up_bias[l], @[[RAISED:[a-z_0-9]+]], sym T)
// CHECK-NEXT: dispatch @swiglu_{{[0-9]+}} items(T) (@[[GATED]], @[[RAISED]], @[[PRODUCT:[a-z_0-9]+]])
// CHECK-NEXT: dispatch @matmul_{{[0-9]+}} items({{.*}}) (@[[PRODUCT]], @down[l], @down_bias[l], @[[Y]], @[[X]], sym T)
// CHECK-NEXT: }
// CHECK: dispatch @matmul_{{[0-9]+}} items({{.*}}) (@{{.*}}, @[[HEAD]], @logits, sym W)
