// The check names the first pass that moved the result, and within the module the op, its layer and the
// element. Passes that keep the meaning, or change nothing, pass without a word.
// RUN: dsv2-translate --import-hf %golden/lite -o %t.mlir
// RUN: dsv2-opt %t.mlir --dsv2-check-semantics --canonicalize --cse -o %t.out 2>&1 | count 0
// RUN: not dsv2-opt-test %t.mlir --dsv2-check-semantics="seed=7, tokens=20" --cse --test-drop-mscale-square --canonicalize -o %t.none 2>&1 | FileCheck %s --check-prefix=SCALE
// RUN: not test -e %t.none
// RUN: not dsv2-opt-test %t.mlir --dsv2-check-semantics --test-forget-shared-expert 2>&1 | FileCheck %s --check-prefix=SHARED
// RUN: not dsv2-opt %t.mlir --dsv2-check-semantics="tokens=0" 2>&1 | FileCheck %s --check-prefix=VALUE
// RUN: not dsv2-opt %t.mlir --dsv2-check-semantics="token=3" 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not dsv2-opt %t.mlir --dsv2-check-semantics="weights=/nowhere" --cse 2>&1 | FileCheck %s --check-prefix=WEIGHTS
// RUN: not dsv2-opt %t.mlir --dsv2-no-such-pass 2>&1 | FileCheck %s --check-prefix=FLAG
// RUN: dsv2-opt --version | FileCheck %s --check-prefix=VERSION

// SCALE: .mlir:{{.*}}: error: pass 'test-drop-mscale-square' changed what the module computes: result 0 of 'dsv2.attention' in layer 0, element [{{[0-9, ]+}}]: expected {{.*}}, actual {{.*}}
// SCALE: note: logits of step 0, element

// SHARED: error: pass 'test-forget-shared-expert' changed what the module computes: result 0 of 'dsv2.add' in layer 1
// SHARED: note: result 0 of 'dsv2.shared_experts', which the module before the pass computed, is gone

// VALUE: error: --dsv2-check-semantics: bad value '0' of 'tokens'; expected
// NAME: error: --dsv2-check-semantics: unknown sub-option 'token'; expected
// WEIGHTS: error: {{.*}}/nowhere
// FLAG: error: {{.*}}--dsv2-no-such-pass
// VERSION: dsv2-opt {{[0-9]}}
