// A gate with a bias gets it as a last slot of its kernel; the spec says which scores it takes.
// RUN: dsv2-translate --import-hf %golden/v3 | dsv2-opt --dsv2-compile="targets=x86-64-v3 stop-after=dispatches" | FileCheck %s
// RUN: dsv2-translate --import-hf %golden/v2-groups | dsv2-opt --dsv2-compile="targets=x86-64-v3 stop-after=dispatches" | FileCheck %s --check-prefix=PLAIN

// CHECK: dsv2_exec.weight @moe.gate_bias layers 1 to 3 : f32 elements 12
// CHECK: dispatch @gate_topk_{{[0-9]+}} items(T) ({{.*}}, sym R, @moe.gate_bias[l])

// PLAIN-NOT: gate_bias
// PLAIN: dispatch @gate_topk_{{[0-9]+}} items(T) ({{.*}}, sym R)
