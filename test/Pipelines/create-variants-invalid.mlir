// Unknown targets, modules that are no model, and steps that one table of angles cannot serve.
// RUN: dsv2-opt %s --dsv2-create-variants=targets=sm_999 --split-input-file --verify-diagnostics

// expected-error @below {{expected a module attribute 'dsv2.model' with 'max_context'}}
module {}

// -----

// expected-error @below {{unknown target 'sm_999', expected host or one of x86-64-v3, x86-64-v4, x86-64-v4-bf16}}
module attributes {dsv2.model = {eos = [], max_context = 64 : i64, name = "deepseek_v2", vocab = 96 : i64}} {}

// -----

#a = #dsv2.rope<theta = 10000.0, layout = adjacent_pairs, magnitude = 1.0, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>>
#b = #dsv2.rope<theta = 100.0, layout = adjacent_pairs, magnitude = 1.0, inv_freq = dense<[1.0, 0.1]> : tensor<2xf32>>
module attributes {dsv2.model = {eos = [], max_context = 64 : i64, name = "deepseek_v2", vocab = 96 : i64}} {
  func.func @step(%x: tensor<?x4xf32>, %batch: !dsv2.batch) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
    // expected-note @below {{the first is here}}
    %p = dsv2.rope %x of %batch by #a : tensor<?x4xf32>
    // expected-error @below {{has other frequencies or magnitude than the first rotation}}
    %q = dsv2.rope %x of %batch by #b : tensor<?x4xf32>
    return %p, %q : tensor<?x4xf32>, tensor<?x4xf32>
  }
}
