// Weights may have the names of tables, of the cache, and of buffers: each still gets what it asks for.
// RUN: dsv2-opt %s --dsv2-form-dispatches | FileCheck %s

module attributes {dsv2.model = {eos = [], max_context = 8 : i64, name = "m", vocab = 16 : i64}} {
  dsv2.weights @tokens : tensor<16x8xf32> = "embed"
  dsv2.weights @cache : tensor<8xf32> = "norm"
  dsv2.weights @x_0 : tensor<16x8xf32> = "head"
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch) -> (tensor<?x16xf32>, tensor<?x8xf32>) {
    %we = dsv2.weight @tokens : tensor<16x8xf32>
    %x = dsv2.embed %tokens, %we : tensor<?xi32>, tensor<16x8xf32>
    %wn = dsv2.weight @cache : tensor<8xf32>
    %h = dsv2.rms_norm %x, %wn eps 1.0e-06 : tensor<?x8xf32>, tensor<8xf32>
    %wanted = dsv2.select_rows %h of %batch : tensor<?x8xf32>
    %wh = dsv2.weight @x_0 : tensor<16x8xf32>
    %logits = dsv2.linear %wanted, %wh : tensor<?x8xf32>, tensor<16x8xf32>
    return %logits, %h : tensor<?x16xf32>, tensor<?x8xf32>
  }
  dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
      max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  }
}

// CHECK: dsv2_exec.weight @tokens : f32
// CHECK: dsv2_exec.buffer @[[TOKENS:tokens_[0-9]+]] : i32 size(T) table "tokens"
// CHECK: dsv2_exec.weight @cache : f32
// CHECK: dsv2_exec.weight @[[HEAD:x_0_[0-9]+]] : f32
// CHECK: dsv2_exec.entry @any_rows
// CHECK-NEXT: dispatch @{{.*}} items(T) (@[[TOKENS]], @tokens, @[[X:x_[0-9]+]])
// CHECK-NEXT: dispatch @{{.*}} items(T) (@[[X]], @cache, @hidden)
// CHECK: dispatch @matmul_0 items({{.*}}) (@{{.*}}, @[[HEAD]], @logits, sym W)
