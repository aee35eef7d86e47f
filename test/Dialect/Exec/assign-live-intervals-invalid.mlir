// What the pass needs to know of programs, broken once each.
// RUN: dsv2-opt %s --dsv2-assign-live-intervals --split-input-file --verify-diagnostics

// An arena buffer of two entries has no interval.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
    max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  dsv2_exec.buffer @x : f32 size(T)
  dsv2_exec.kernel @k builder "b" spec {} scratch 0 attributes {writes = array<i64: 0>}
  dsv2_exec.entry @first {
    dsv2_exec.dispatch @k items(T) (@x)
  }
  dsv2_exec.entry @second {
    // expected-error @below {{arena buffer 'x' belongs to another entry}}
    dsv2_exec.dispatch @k items(T) (@x)
  }
}

// -----

// Who writes decides what a loop carries.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
    max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  dsv2_exec.buffer @x : f32 size(T)
  dsv2_exec.kernel @k builder "b" spec {} scratch 0
  dsv2_exec.entry @e {
    dsv2_exec.repeat l = 0 to 2 {
      // expected-error @below {{kernel 'k' does not say what it writes}}
      dsv2_exec.dispatch @k items(T) (@x)
    }
  }
}

// -----

// A slot that is written holds a buffer.
dsv2_exec.variant @v attributes {driver = "cpu", tier = "t", compute = "f32", max_context = 8 : i64, max_batch = 1 : i64,
    max_step_tokens = 8 : i64, rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  dsv2_exec.buffer @x : f32 size(T)
  dsv2_exec.kernel @k builder "b" spec {} scratch 0 attributes {writes = array<i64: 1>}
  dsv2_exec.entry @e {
    dsv2_exec.repeat l = 0 to 2 {
      // expected-error @below {{slot 1 is written but no buffer}}
      dsv2_exec.dispatch @k items(T) (@x, sym T)
    }
  }
}
