// A variant for a GPU: how it wants weights packed and rows grouped, and code that is a module for each kernel.
// RUN: dsv2-translate --import-hf %golden/lite -o %t.import
// RUN: dsv2-opt %t.import --dsv2-compile="targets=sm_80 compute=bf16 stop-after=dispatches" | FileCheck %s --check-prefix=DISPATCHES
// RUN: dsv2-opt %t.import --dsv2-compile="targets=sm_80 compute=bf16 report=%t.report" -o %t.codegen
// RUN: FileCheck %s --check-prefix=CODEGEN < %t.codegen
// RUN: FileCheck %s --check-prefix=REPORT < %t.report
// The artifact holds what the module says.
// RUN: dsv2-translate --to-artifact %t.codegen -o %t.dsv2
// RUN: dsv2-translate --from-artifact %t.dsv2 | FileCheck %s --check-prefix=CODEGEN
// Text for drivers is always there, a binary where the assembler is installed and wanted.
// RUN: dsv2-opt %t.import --dsv2-compile="targets=sm_80 compute=bf16 binaries=off" | FileCheck %s --check-prefix=TEXT
// RUN: not dsv2-opt %t.import --dsv2-compile="targets=sm_80 binaries=on" 2>&1 | FileCheck %s --check-prefix=OPTION

// TEXT-NOT: binary at
// TEXT: dsv2_exec.image format "ptx"
// TEXT-NOT: binary at
// OPTION: option 'binaries' is 'on', expected auto or off

// DISPATCHES: dsv2_exec.variant @sm_80 attributes
// DISPATCHES-SAME: driver = "cuda"
// DISPATCHES-SAME: packing = {bf16 = array<i64: 64, 8>, f32 = array<i64: 64, 4>, rows = 128 : i64}
// An item of a matmul is a block of rows of a panel.
// DISPATCHES: dsv2_exec.dispatch @matmul_{{[0-9]+}} items({{.*}}T ceildiv 128

// CODEGEN: dsv2_exec.variant @sm_80
// CODEGEN-DAG: dsv2_exec.image format "ptx" text 0
// CODEGEN-DAG: dsv2_exec.kernel @matmul_{{[0-9]+}} builder "matmul" scratch 0 threads 128 shared {{[1-9][0-9]*}} at {{[0-9]+}} size

// Name, builder, bytes, scratch, threads, shared memory; registers, spills and occupancy are -1 without ptxas.
// REPORT: sm_80{{	}}kernel{{	}}matmul_{{[0-9]+	}}matmul{{	[1-9][0-9]*	0	128	[1-9][0-9]*	-?[0-9]+	(-1|0)	-?[0-9]+$}}
