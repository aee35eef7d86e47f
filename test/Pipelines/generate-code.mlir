// A kernel of a builder and a generic one become code in one image; what they were made of is gone.
// RUN: dsv2-opt %s --dsv2-generate-code=report=%t.report | FileCheck %s
// RUN: FileCheck %s --check-prefix=REPORT < %t.report
// Threads do not change the bytes.
// RUN: dsv2-opt %s --dsv2-generate-code -o %t.threads
// RUN: dsv2-opt %s --dsv2-generate-code --mlir-disable-threading -o %t.alone
// RUN: cmp %t.threads %t.alone

// CHECK-LABEL: dsv2_exec.variant @"x86-64-v3"
// CHECK-NOT: packing
dsv2_exec.variant @"x86-64-v3" attributes {driver = "cpu", tier = "x86-64-v3", compute = "f32", max_context = 8 : i64,
    max_batch = 1 : i64, max_step_tokens = 8 : i64, packing = {bf16 = array<i64: 64, 2>, f32 = array<i64: 32, 1>},
    rope_inverse_frequencies = array<f32>, rope_magnitude = 1.0 : f32} {
  // CHECK: dsv2_exec.buffer @x
  dsv2_exec.buffer @x : f32 size(T * 16 + 64) live 0 to 2
  dsv2_exec.weight @w : f32 elements 512 sources ["w" : tensor<24x16xf32>] copies [0 at 0 to 0 dims [384 : 1 -> 1]]
  dsv2_exec.buffer @y : f32 size(T * 24) output "logits"
  // The matmul keeps tiles in scratch; code starts at a multiple of 64 bytes.
  // CHECK: dsv2_exec.image text [[TEXT:[0-9]+]] code
  // CHECK: dsv2_exec.kernel @matmul_0 builder "matmul" scratch {{[1-9][0-9]*}} at 0 size {{[1-9][0-9]*$}}
  // CHECK: dsv2_exec.kernel @double_0 builder "generic" scratch 0 at {{[1-9][0-9]*}} size {{[1-9][0-9]*$}}
  dsv2_exec.kernel @matmul_0 builder "matmul" spec {n = 24 : i64, k = 16 : i64, batch = 1 : i64, dtype = f32, out_dtype = f32,
      a_row_stride = 16 : i64, a_batch_stride = 0 : i64, out_row_stride = 24 : i64, out_batch_stride = 0 : i64, add = false} scratch 0 attributes {writes = array<i64: 2>}
  dsv2_exec.kernel @double_0 builder "generic" scratch 0 {
    func.func @double_0(%x: memref<4096xf32>, %begin: index, %end: index, %scratch: memref<0xi8>) {
      %c16 = arith.constant 16 : index
      scf.for %t = %begin to %end step %c16 {
        %v = vector.load %x[%t] : memref<4096xf32>, vector<16xf32>
        %d = arith.addf %v, %v : vector<16xf32>
        vector.store %d, %x[%t] : memref<4096xf32>, vector<16xf32>
      }
      return
    }
  }
  // CHECK: dsv2_exec.entry @any
  dsv2_exec.entry @any {
    // CHECK: dsv2_exec.dispatch @double_0
    dsv2_exec.dispatch @double_0 items(T) (@x)
    dsv2_exec.dispatch @matmul_0 items(1) (@x, @w, @y, sym T)
  }
}

// REPORT: x86-64-v3{{	}}kernel{{	}}matmul_0{{	}}matmul{{	[1-9][0-9]*	[1-9][0-9]*}}
// REPORT-NEXT: x86-64-v3{{	}}kernel{{	}}double_0{{	}}generic{{	[1-9][0-9]*	0}}
// REPORT-NEXT: x86-64-v3{{	}}dispatch{{	}}any{{	}}double_0{{	}}loc({{.*}}generate-code.mlir
// REPORT-NEXT: x86-64-v3{{	}}dispatch{{	}}any{{	}}matmul_0{{	}}loc({{.*}}generate-code.mlir
