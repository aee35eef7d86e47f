// A buffer lives from its first use to its last; one that a loop carries lives through the loop; unused ones go.
// RUN: dsv2-opt %s --dsv2-assign-live-intervals | FileCheck %s
// RUN: dsv2-opt %s --dsv2-assign-live-intervals | dsv2-opt --dsv2-assign-live-intervals | FileCheck %s

// CHECK-LABEL: dsv2_exec.variant @v
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
    max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // Written before the loop, read and written in it.
  // CHECK: dsv2_exec.buffer @x : f32 size(T * 64 + 64) live 0 to 5
  dsv2_exec.buffer @x : f32 size(T * 64 + 64)
  // Made and read in one pass of the loop: dead between 1 and 3 only outside of it.
  // CHECK: dsv2_exec.buffer @h : f32 size(T * 64) live 1 to 3
  dsv2_exec.buffer @h : f32 size(T * 64)
  // Read at the start of the loop's body, written at its end: the value of one layer is read in the next.
  // CHECK: dsv2_exec.buffer @last : f32 size(T * 64) live 1 to 4
  dsv2_exec.buffer @last : f32 size(T * 64)
  // Only behind the loop.
  // CHECK: dsv2_exec.buffer @y : f32 size(T * 64) live 4 to 6
  dsv2_exec.buffer @y : f32 size(T * 64)
  // CHECK-NOT: @unused
  dsv2_exec.buffer @unused : f32 size(T * 64)
  // Tables and outputs are not in the arena.
  // CHECK: dsv2_exec.buffer @tokens : i32 size(T) table "tokens"{{$}}
  dsv2_exec.buffer @tokens : i32 size(T) table "tokens"
  // CHECK: dsv2_exec.buffer @logits : f32 size(W * 8) output "logits"{{$}}
  dsv2_exec.buffer @logits : f32 size(W * 8) output "logits"
  // The other entry has its own numbers.
  // CHECK: dsv2_exec.buffer @z : f32 size(T * 64) live 0 to 2
  dsv2_exec.buffer @z : f32 size(T * 64)
  dsv2_exec.kernel @copy builder "b" spec {} scratch 0 attributes {writes = array<i64: 1>}
  dsv2_exec.kernel @add builder "b" spec {} scratch 0 attributes {writes = array<i64: 2>}
  dsv2_exec.entry @few guard(8 - T >= 0) {
    dsv2_exec.dispatch @copy items(T) (@tokens, @x)
    dsv2_exec.repeat l = 0 to 3 {
      dsv2_exec.dispatch @add items(T) (@x, @last, @h)
      dsv2_exec.dispatch @copy items(T) (@h, @x)
      dsv2_exec.dispatch @copy items(T) (@x, @last)
    }
    dsv2_exec.dispatch @copy items(T) (@x, @y)
    dsv2_exec.dispatch @copy items(T) (@y, @logits)
  }
  dsv2_exec.entry @any {
    dsv2_exec.dispatch @copy items(T) (@tokens, @z)
    dsv2_exec.dispatch @copy items(T) (@z, @logits)
  }
}
