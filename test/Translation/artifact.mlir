// A module goes into an artifact and comes back: the same ops, and the same bytes when written again.
// RUN: rm -rf %t && mkdir -p %t
// RUN: dsv2-translate --to-artifact %s -o %t/first.dsv2 --cache-dir %t/cache
// RUN: dsv2-translate --from-artifact %t/first.dsv2 -o %t/first.mlir
// RUN: FileCheck %s < %t/first.mlir
// RUN: dsv2-opt %t/first.mlir | dsv2-translate --to-artifact -o %t/second.dsv2 --cache-dir %t/cache
// RUN: cmp %t/first.dsv2 %t/second.dsv2
// RUN: cat %t/first.dsv2 | dsv2-translate --describe - | FileCheck %s --check-prefix=DESCRIBE
// RUN: dsv2-translate --describe %t/first.dsv2 --json | FileCheck %s --check-prefix=JSON

// Trust is recorded for a module that was compiled here, not for one that came out of an artifact.
// RUN: ls %t/cache/trusted | count 1
// RUN: dsv2-translate --to-artifact %t/first.mlir -o %t/third.dsv2 --cache-dir %t/other
// RUN: not ls %t/other
// RUN: dsv2-translate --to-artifact %s -o %t/third.dsv2 --cache-dir none

// CHECK: module attributes {dsv2.from_artifact,
// CHECK-SAME: eos = [1, 2]
// CHECK-SAME: routed_layers = array<i64: 1, 3>
// CHECK-SAME: dsv2.stage = "codegen"
module attributes {dsv2.stage = "codegen", dsv2.model = {name = "sample", vocab = 32 : i64, hidden = 8 : i64,
    layers = 5 : i64, max_context = 4096 : i64, bos = 0 : i64, eos = [1, 2], routed_experts = 4 : i64, top_k = 2 : i64,
    routed_layers = array<i64: 1, 3>}} {
  // CHECK: dsv2_exec.variant @"x86-64-v3:emulated"
  // CHECK-SAME: rope_inverse_frequencies = array<f32: 1.000000e+00, 0.177827939>, rope_magnitude = 1.26080596 : f32
  dsv2_exec.variant @"x86-64-v3:emulated" attributes {driver = "cpu", tier = "x86-64-v3", compute = "f32",
      max_context = 256 : i64, max_batch = 4 : i64, max_step_tokens = 16 : i64,
      rope_inverse_frequencies = array<f32: 1.0, 0.177827939>, rope_magnitude = 1.26080596 : f32} {
    // CHECK: dsv2_exec.weight @embed : bf16 elements 256 sources [
    // CHECK-NEXT: "model.embed_tokens.weight" : tensor<32x8xbf16>] copies [
    // CHECK-NEXT: 0 at 0 to 0 dims [256 : 1 -> 1]]
    dsv2_exec.weight @embed : bf16 elements 256
        sources ["model.embed_tokens.weight" : tensor<32x8xbf16>] copies [0 at 0 to 0 dims [256 : 1 -> 1]]
    // CHECK: dsv2_exec.weight @experts layers 1 to 5 step 2 : f32 elements 192
    // CHECK: 1 at 0 to 24 dims [3 : 8 -> 8, 8 : 1 -> 1] experts 0 to 4 stride 48]
    dsv2_exec.weight @experts layers 1 to 5 step 2 : f32 elements 192
        sources ["model.layers.{l}.mlp.experts.{e}.up_proj.weight" : tensor<3x8xbf16>,
                 "model.layers.{l}.mlp.experts.{e}.gate_proj.weight" : tensor<3x8xbf16>]
        copies [0 at 0 to 0 dims [3 : 8 -> 8, 8 : 1 -> 1] experts 0 to 4 stride 48,
                1 at 0 to 24 dims [3 : 8 -> 8, 8 : 1 -> 1] experts 0 to 4 stride 48]
    // CHECK: dsv2_exec.weight @scaled layers 1 to 5 : bf16 elements 40
    // CHECK: "model.layers.{l}.a.weight" : tensor<5x8xf8E4M3FN> scales "model.layers.{l}.a.weight_scale_inv" [2, 8]
    dsv2_exec.weight @scaled layers 1 to 5 : bf16 elements 40
        sources ["model.layers.{l}.a.weight" : tensor<5x8xf8E4M3FN> scales "model.layers.{l}.a.weight_scale_inv" [2, 8]]
        copies [0 at 0 to 0 dims [40 : 1 -> 1]]
    // CHECK: dsv2_exec.buffer @x : f32 size(T * 8) live 0 to 3
    // CHECK: dsv2_exec.buffer @y : bf16 size(min((T ceildiv 16) * 128 + 64, B * 256)) live 1 to 3
    // CHECK: dsv2_exec.buffer @tokens_0 : i32 size(T) table "tokens"
    // CHECK: dsv2_exec.buffer @logits : f32 size(W * 32) output "logits"
    // CHECK: dsv2_exec.cache @cache : bf16 layers 5 page_tokens 64 row_elements 24
    // CHECK: dsv2_exec.kernel @embed_0 builder "generic" scratch 0 maps [slot 1 columns 8 row_bytes 16 box_rows 32 rows_slot 3, slot 2 columns 8 row_bytes 32 box_rows 8] at 0 size 100
    // CHECK: dsv2_exec.kernel @matmul_0 builder "matmul" scratch 4096 at 128 size 77
    dsv2_exec.buffer @x : f32 size(T * 8) live 0 to 3
    dsv2_exec.buffer @y : bf16 size(min((T ceildiv 16) * 128 + 64, B * 256)) live 1 to 3
    dsv2_exec.buffer @tokens_0 : i32 size(T) table "tokens"
    dsv2_exec.buffer @logits : f32 size(W * 32) output "logits"
    dsv2_exec.cache @cache : bf16 layers 5 page_tokens 64 row_elements 24
    dsv2_exec.kernel @embed_0 builder "generic" scratch 0 maps [slot 1 columns 8 row_bytes 16 box_rows 32 rows_slot 3, slot 2 columns 8 row_bytes 32 box_rows 8] at 0 size 100
    dsv2_exec.kernel @matmul_0 builder "matmul" spec {n = 8 : i64} scratch 4096 at 128 size 77
    // CHECK: dsv2_exec.entry @decode guard(B - T >= 0, 7 - T >= 0) {
    // CHECK-NEXT: dsv2_exec.dispatch @embed_0 items(T) (@tokens_0, @embed, @x, sym T)
    // CHECK-NEXT: dsv2_exec.repeat l = 1 to 5 step 2 {
    // CHECK-NEXT: dsv2_exec.dispatch @matmul_0 items(min((T * 3) ceildiv 64, P, 66)) (@x, @experts[l], @cache[l - 1], @y[2 * l + 3], sym R, -5)
    // CHECK-NEXT: }
    // CHECK-NEXT: dsv2_exec.dispatch @matmul_0 items((T mod 2) * 3 + W floordiv 2) (@y, @experts[3], @logits)
    // CHECK-NEXT: }
    dsv2_exec.entry @decode guard(B - T >= 0, 7 - T >= 0) {
      dsv2_exec.dispatch @embed_0 items(T) (@tokens_0, @embed, @x, sym T)
      dsv2_exec.repeat l = 1 to 5 step 2 {
        dsv2_exec.dispatch @matmul_0 items(min((T * 3) ceildiv 64, P, 66))
            (@x, @experts[l], @cache[l - 1], @y[2 * l + 3], sym R, -5)
      }
      dsv2_exec.dispatch @matmul_0 items((T mod 2) * 3 + W floordiv 2) (@y, @experts[3], @logits)
    }
    // CHECK: dsv2_exec.entry @any {
    dsv2_exec.entry @any {
      dsv2_exec.dispatch @embed_0 items(T) (@tokens_0, @embed, @embed, sym T)
    }
    // CHECK: dsv2_exec.image text 4096 code dense<-61> : tensor<8192xi8>
    dsv2_exec.image text 4096 code dense<195> : tensor<8192xi8>
  }
}

// DESCRIBE: artifact {{[0-9a-f]+}}, {{[0-9]+}} bytes
// DESCRIBE-NEXT: model    sample: 5 layers, hidden 8, vocabulary 32, positions up to 4096
// DESCRIBE-NEXT: 4 routed experts in 2 layers, 2 chosen for a token
// DESCRIBE: variant x86-64-v3:emulated: driver cpu, code for x86-64-v3, compute f32
// DESCRIBE-NEXT: caps     context 256 tokens, batch 4 sequences, step 16 rows
// DESCRIBE-NEXT: memory   weights 2368, cache 240 a token, step tables 64, outputs 2048, buffers 896 at the caps, scratch 4096 a worker (bytes)
// DESCRIBE-NEXT: image    8192 bytes, 4096 of them code
// DESCRIBE-NEXT: entry    decode: B - T >= 0, 7 - T >= 0; 3 dispatches, 4 launches a step, buffers 896 bytes at the caps
// DESCRIBE-NEXT: entry    any: any step; 1 dispatches, 1 launches a step, buffers 0 bytes at the caps
// DESCRIBE-NEXT: kernel   embed_0  generic  100 bytes, tensor maps 2
// DESCRIBE: weight   experts  layers 1 to 5 step 2  f32  1536 bytes  <- model.layers.{l}.mlp.experts.{e}.up_proj.weight, model

// DESCRIBE: weight   scaled  layers 1 to 5  bf16  320 bytes  <- model.layers.{l}.a.weight * model.layers.{l}.a.weight_scale_inv [2, 8]

// JSON: "hash": "{{[0-9a-f]+}}"
// JSON: "variants": [
// JSON: "cache_per_token": 240,
// JSON: "launches": 4,
