// A thousand random modules of every form verify, and are the same after text, generic text and bytecode. Every op of
// a step and every method of a gate is among them.
// RUN: dsv2-opt-test %s --test-random-modules="seed=1 count=1000" -o %t.none | FileCheck %s
// CHECK: 1000 random modules from seed 1
// CHECK-DAG: dsv2.attention:
// CHECK-DAG: dsv2.cache_read:
// CHECK-DAG: dsv2.cast:
// CHECK-DAG: dsv2.decompress:
// CHECK-DAG: dsv2.dequantize:
// CHECK-DAG: dsv2.head_linear:
// CHECK-DAG: dsv2.latent_attention:
// CHECK-DAG: dsv2.merge_attention:
// CHECK-DAG: dsv2.mla_compress:
// CHECK-DAG: dsv2.mlp:
// CHECK-DAG: dsv2.prepare:
// CHECK-DAG: dsv2.rope:
// CHECK-DAG: dsv2.routed_experts:
// CHECK-DAG: dsv2.shared_experts:
// CHECK-DAG: gate by dsv2.greedy:
// CHECK-DAG: gate by dsv2.group_limited:
// CHECK-DAG: gate by dsv2.noaux_tc:

// One pass puts such a module in the place of its input.
// RUN: dsv2-opt-test %s --test-make-random-module=seed=3 | dsv2-opt | FileCheck %s --check-prefix=MADE
// MADE: dsv2.model = {{.*}}name = "random"
// MADE: func.func @step
module {}
