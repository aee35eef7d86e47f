// Every option's range, and modules that are no model: one error each, before any stage runs.
// RUN: not dsv2-opt %s --dsv2-compile=stop-after=import 2>&1 | FileCheck %s --check-prefix=STOP
// STOP: error: dsv2-compile: option 'stop-after' is 'import', expected model, dispatches, buffers or codegen
// RUN: not dsv2-opt %s --dsv2-compile=compute=f16 2>&1 | FileCheck %s --check-prefix=COMPUTE
// COMPUTE: error: dsv2-compile: option 'compute' is 'f16', expected auto, f32 or bf16
// RUN: not dsv2-opt %s --dsv2-compile=absorb=premultiplied 2>&1 | FileCheck %s --check-prefix=ABSORB
// ABSORB: error: dsv2-compile: option 'absorb' is 'premultiplied', expected auto, naive or reassociated
// RUN: not dsv2-opt %s --dsv2-compile=fuse-experts=yes 2>&1 | FileCheck %s --check-prefix=FUSE
// FUSE: error: dsv2-compile: option 'fuse-experts' is 'yes', expected auto, on or off
// RUN: not dsv2-opt %s --dsv2-compile=quantize=int8 2>&1 | FileCheck %s --check-prefix=QUANTIZE
// QUANTIZE: error: dsv2-compile: option 'quantize' is 'int8', expected none
// RUN: not dsv2-opt %s --dsv2-compile=quantize-overrides=head:int8 2>&1 | FileCheck %s --check-prefix=OVERRIDES
// OVERRIDES: error: dsv2-compile: option 'quantize-overrides' is 'head:int8', expected nothing
// RUN: not dsv2-opt %s --dsv2-compile=kv-cache=int8 2>&1 | FileCheck %s --check-prefix=CACHE
// CACHE: error: dsv2-compile: option 'kv-cache' is 'int8', expected the compute type
// RUN: not dsv2-opt %s --dsv2-compile=verify=2 2>&1 | FileCheck %s --check-prefix=VERIFY
// VERIFY: error: dsv2-compile: option 'verify' is '2', expected 0
// RUN: not dsv2-opt %s --dsv2-compile=emulate=yes 2>&1 | FileCheck %s --check-prefix=EMULATE
// EMULATE: error: dsv2-compile: option 'emulate' is 'yes', expected on or off
// RUN: not dsv2-opt %s --dsv2-compile=simt=yes 2>&1 | FileCheck %s --check-prefix=SIMT
// SIMT: error: dsv2-compile: option 'simt' is 'yes', expected on or off
// RUN: not dsv2-opt %s --dsv2-compile=allow-fallback=yes 2>&1 | FileCheck %s --check-prefix=FALLBACK
// FALLBACK: error: dsv2-compile: option 'allow-fallback' is 'yes', expected on or off
// RUN: not dsv2-opt %s --dsv2-compile=max-context=-1 2>&1 | FileCheck %s --check-prefix=CONTEXT
// CONTEXT: error: dsv2-compile: option 'max-context' is '-1', expected 0 to 16777216
// RUN: not dsv2-opt %s --dsv2-compile=max-batch=0 2>&1 | FileCheck %s --check-prefix=BATCH
// BATCH: error: dsv2-compile: option 'max-batch' is '0', expected 1 to 4096
// RUN: not dsv2-opt %s --dsv2-compile=max-step-tokens=0 2>&1 | FileCheck %s --check-prefix=TOKENS
// TOKENS: error: dsv2-compile: option 'max-step-tokens' is '0', expected 1 to 65536

// A function, but no step.
// RUN: not dsv2-opt %s --dsv2-compile=stop-after=model 2>&1 | FileCheck %s --check-prefix=STEP --implicit-check-not=builtin.module
// STEP: error: expected a function @step
func.func private @other()

// What a pipe sends whose first command failed.
// RUN: not dsv2-opt --dsv2-compile < /dev/null 2>&1 | FileCheck %s --check-prefix=EMPTY
// EMPTY: error: the module is empty: did the command before this one fail?
