// Every op of dsv2_exec and every form of its parts prints as it was read.
// RUN: dsv2-opt %s | FileCheck %s
// RUN: dsv2-opt %s | dsv2-opt | FileCheck %s
// RUN: dsv2-opt %s --mlir-print-op-generic | dsv2-opt | FileCheck %s

// CHECK-LABEL: dsv2_exec.variant @"x86-64-v3" attributes
// CHECK-SAME: rope_inverse_frequencies = array<f32: 1.000000e+00, 0.177827939>
// CHECK-SAME: rope_magnitude = 1.26080596 : f32
dsv2_exec.variant @"x86-64-v3" attributes {driver = "cpu", tier = "x86-64-v3", compute = "f32",
    max_context = 256 : i64, max_batch = 4 : i64, max_step_tokens = 16 : i64,
    rope_inverse_frequencies = array<f32: 1.0, 0.17782794>, rope_magnitude = 1.26080596 : f32} {
  // CHECK: dsv2_exec.weight @embed : bf16 elements 256 sources [
  // CHECK-NEXT: "model.embed_tokens.weight" : tensor<32x8xbf16>] copies [
  // CHECK-NEXT: 0 at 0 to 0 dims [256 : 1 -> 1]]
  dsv2_exec.weight @embed : bf16 elements 256
      sources ["model.embed_tokens.weight" : tensor<32x8xbf16>]
      copies [0 at 0 to 0 dims [256 : 1 -> 1]]
  // CHECK: dsv2_exec.weight @experts layers 1 to 5 step 2 : f32 elements 192 sources [
  // CHECK-NEXT: "model.layers.{l}.mlp.experts.{e}.up_proj.weight" : tensor<3x8xbf16>,
  // CHECK-NEXT: "model.layers.{l}.mlp.experts.{e}.gate_proj.weight" : tensor<3x8xbf16>] copies [
  // CHECK-NEXT: 0 at 0 to 0 dims [3 : 8 -> 8, 8 : 1 -> 1] experts 0 to 4 stride 48,
  // CHECK-NEXT: 1 at 0 to 24 dims [24 : 1 -> 1] experts 0 to 4 stride 48]
  dsv2_exec.weight @experts layers 1 to 5 step 2 : f32 elements 192
      sources ["model.layers.{l}.mlp.experts.{e}.up_proj.weight" : tensor<3x8xbf16>,
               "model.layers.{l}.mlp.experts.{e}.gate_proj.weight" : tensor<3x8xbf16>]
      copies [0 at 0 to 0 dims [3 : 8 -> 8, 8 : 1 -> 1] experts 0 to 4 stride 48,
              1 at 0 to 24 dims [24 : 1 -> 1] experts 0 to 4 stride 48]
  // CHECK: dsv2_exec.cache @cache : bf16 layers 5 page_tokens 64 row_elements 24
  dsv2_exec.cache @cache : bf16 layers 5 page_tokens 64 row_elements 24
  // CHECK: dsv2_exec.buffer @x : f32 size(T * 8){{$}}
  dsv2_exec.buffer @x : f32 size(T * 8)
  // CHECK: dsv2_exec.buffer @y : bf16 size((T ceildiv 16) * 128 + 64) live 0 to 2
  dsv2_exec.buffer @y : bf16 size((T ceildiv 16) * 128 + 64) live 0 to 2
  // CHECK: dsv2_exec.buffer @positions : i32 size(T) table "positions"
  dsv2_exec.buffer @positions : i32 size(T) table "positions"
  // CHECK: dsv2_exec.buffer @replay : i32 size(T * 4) table "replay"
  dsv2_exec.buffer @replay : i32 size(T * 4) table "replay"
  // CHECK: dsv2_exec.buffer @logits : f32 size(W * 32) output "logits"
  dsv2_exec.buffer @logits : f32 size(W * 32) output "logits"
  // CHECK: dsv2_exec.kernel @matmul_0 builder "matmul" spec {k = 8 : i64, n = 8 : i64} scratch 0{{$}}
  dsv2_exec.kernel @matmul_0 builder "matmul" spec {n = 8 : i64, k = 8 : i64} scratch 0
  // CHECK: dsv2_exec.kernel @add_0 builder "generic" scratch 0 {
  // CHECK: func.func @add_0
  dsv2_exec.kernel @add_0 builder "generic" scratch 0 {
    func.func @add_0(%x: memref<8xf32>, %begin: index, %end: index, %scratch: memref<0xi8>) {
      return
    }
  }
  // CHECK: dsv2_exec.kernel @embed_0 builder "generic" scratch 64 at 128 size 77
  dsv2_exec.kernel @embed_0 builder "generic" scratch 64 at 128 size 77
  // CHECK: dsv2_exec.kernel @embed_1 builder "generic" scratch 0 threads 128 shared 1024 at 192 size 77
  dsv2_exec.kernel @embed_1 builder "generic" scratch 0 threads 128 shared 1024 at 192 size 77
  // CHECK: dsv2_exec.kernel @embed_2 builder "generic" scratch 0 threads 128 shared 1024
  // CHECK-SAME: maps [slot 0 columns 60 row_bytes 128 box_rows 64 rows_slot 2, slot 1 columns 64 row_bytes 128 box_rows 256] at 192 size 77
  dsv2_exec.kernel @embed_2 builder "generic" scratch 0 threads 128 shared 1024
      maps [slot 0 columns 60 row_bytes 128 box_rows 64 rows_slot 2, slot 1 columns 64 row_bytes 128 box_rows 256 rows_slot -1] at 192 size 77
  // CHECK: dsv2_exec.image text 4096 code dense<-61> : tensor<8192xi8>
  dsv2_exec.image text 4096 code dense<195> : tensor<8192xi8>
  // CHECK: dsv2_exec.entry @decode guard(B - T >= 0, T - 1 >= 0, 7 - T >= 0) {
  dsv2_exec.entry @decode guard(B - T >= 0, T - 1 >= 0, 7 - T >= 0) {
    // CHECK: dsv2_exec.dispatch @embed_0 items(T) (@positions, @embed, @x, sym T)
    dsv2_exec.dispatch @embed_0 items(T) (@positions, @embed, @x, sym T)
    // CHECK: dsv2_exec.repeat l = 1 to 5 step 2 {
    dsv2_exec.repeat l = 1 to 5 step 2 {
      // CHECK: dsv2_exec.dispatch @matmul_0 items(min(T * 3, P, 66)) (@y, @experts[l], @cache[l - 1], @replay[2 * l + 3], sym R, -5)
      dsv2_exec.dispatch @matmul_0 items(min(T * 3, P, 66))
          (@y, @experts[l], @cache[l - 1], @replay[l * 2 + 3], sym R, -5)
    }
    // CHECK: dsv2_exec.dispatch @add_0 items(T floordiv 2 + T mod 2) (@x, @experts[3])
    dsv2_exec.dispatch @add_0 items(T floordiv 2 + T mod 2) (@x, @experts[3])
  }
  // CHECK: dsv2_exec.entry @any {
  dsv2_exec.entry @any {
  }
}

// Attributes also stand alone.
// CHECK: dsv2_exec.attributes = [#dsv2_exec.layers<0 to 3>, #dsv2_exec.source<"a" : tensor<4xf32>>, #dsv2_exec.copy<0 at 1 to 2 dims []>, #dsv2_exec.arg<@x[l]>, #dsv2_exec.arg<sym C>, #dsv2_exec.arg<7>]
module attributes {dsv2_exec.attributes = [#dsv2_exec.layers<0 to 3>, #dsv2_exec.source<"a" : tensor<4xf32>>,
    #dsv2_exec.copy<0 at 1 to 2 dims []>, #dsv2_exec.arg<@x[l]>, #dsv2_exec.arg<sym C>, #dsv2_exec.arg<7>]} {
}
