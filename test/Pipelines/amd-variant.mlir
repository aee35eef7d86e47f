// Variants of two architectures in one module: the wider wave has more threads, code is an object for each kernel.
// RUN: dsv2-translate --import-hf %golden/lite -o %t.import
// RUN: dsv2-opt %t.import --dsv2-compile="targets=gfx942,gfx1100 compute=bf16 report=%t.report" -o %t.codegen
// RUN: FileCheck %s --check-prefix=CODEGEN < %t.codegen
// RUN: FileCheck %s --check-prefix=REPORT < %t.report
// RUN: dsv2-translate --to-artifact %t.codegen -o %t.dsv2
// RUN: dsv2-translate --from-artifact %t.dsv2 | FileCheck %s --check-prefix=CODEGEN

// CODEGEN: dsv2_exec.variant @gfx942
// CODEGEN-DAG: dsv2_exec.image format "hsaco" text 0
// CODEGEN-DAG: dsv2_exec.kernel @matmul_{{[0-9]+}} builder "matmul" scratch 0 threads 256 shared {{[1-9][0-9]*}} at {{[0-9]+}} size
// CODEGEN: dsv2_exec.variant @gfx1100
// CODEGEN-DAG: dsv2_exec.image format "hsaco" text 0
// CODEGEN-DAG: dsv2_exec.kernel @matmul_{{[0-9]+}} builder "matmul" scratch 0 threads 128 shared {{[1-9][0-9]*}} at {{[0-9]+}} size

// Name, builder, bytes, scratch, threads, shared memory, registers, spills (none), workgroups that fit.
// REPORT-DAG: gfx942{{	}}kernel{{	}}matmul_{{[0-9]+	}}matmul{{	[1-9][0-9]*	0	256	[1-9][0-9]*	[1-9][0-9]*	0	[1-9][0-9]*$}}
// REPORT-DAG: gfx1100{{	}}kernel{{	}}matmul_{{[0-9]+	}}matmul{{	[1-9][0-9]*	0	128	[1-9][0-9]*	[1-9][0-9]*	0	[1-9][0-9]*$}}
