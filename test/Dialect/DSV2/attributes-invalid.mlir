// Attributes and types: what does not follow from the other parameters, or is out of range, does not parse.
// RUN: dsv2-opt %s --split-input-file --verify-diagnostics

// A frequency that is off in the last bit.
// expected-error @below {{inv_freq[1] is 1.000000e-02, expected 1.000000e-02 from theta and yarn [rope_attr.3]}}
#rope = #dsv2.rope<theta = 10000.0, layout = adjacent_pairs, magnitude = 1.0, inv_freq = dense<[1.0, 0.010000001]> : tensor<2xf32>>
func.func private @f() attributes {r = #rope}

// -----

// The frequencies of plain rope under YaRN.
// expected-error @below {{inv_freq[1] is 1.000000e-02, expected 2.500000e-04 from theta and yarn [rope_attr.3]}}
#rope = #dsv2.rope<theta = 10000.0, layout = adjacent_pairs, magnitude = 1.0, inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>, yarn = <factor = 40.0, original = 64, beta_fast = 32.0, beta_slow = 1.0, mscale = 1.0, mscale_all_dim = 1.0>>
func.func private @f() attributes {r = #rope}

// -----

// mscale != mscale_all_dim, and the magnitude left at 1.
// expected-error @below {{magnitude is 1.000000e+00, expected 1.085726e+00 from yarn [rope_attr.4]}}
#rope = #dsv2.rope<theta = 10000.0, layout = adjacent_pairs, magnitude = 1.0, inv_freq = dense<> : tensor<0xf32>, yarn = <factor = 40.0, original = 4096, beta_fast = 32.0, beta_slow = 1.0, mscale = 1.0, mscale_all_dim = 0.707>>
func.func private @f() attributes {r = #rope}

// -----

// expected-error @below {{theta is 0.000000e+00, expected a positive number [rope_attr.1]}}
#rope = #dsv2.rope<theta = 0.0, layout = halves, magnitude = 1.0, inv_freq = dense<1.0> : tensor<1xf32>>
func.func private @f() attributes {r = #rope}

// -----

// expected-error @below {{inv_freq is of 'tensor<1xf64>', expected a vector of f32 [rope_attr.2]}}
#rope = #dsv2.rope<theta = 1.0e4, layout = halves, magnitude = 1.0, inv_freq = dense<1.0> : tensor<1xf64>>
func.func private @f() attributes {r = #rope}

// -----

// expected-error @below {{factor is 0.000000e+00, expected a positive number [yarn.1]}}
#yarn = #dsv2.yarn<factor = 0.0, original = 4096, beta_fast = 32.0, beta_slow = 1.0, mscale = 1.0, mscale_all_dim = 0.707>
func.func private @f() attributes {r = #yarn}

// -----

// expected-error @below {{beta_fast is 0.000000e+00, expected a positive number [yarn.3]}}
#y = #dsv2.yarn<factor = 40.0, original = 4096, beta_fast = 0.0, beta_slow = 1.0, mscale = 1.0, mscale_all_dim = 1.0>

// -----

// expected-error @below {{beta_slow is -1.000000e+00, expected a positive number [yarn.4]}}
#y = #dsv2.yarn<factor = 40.0, original = 4096, beta_fast = 32.0, beta_slow = -1.0, mscale = 1.0, mscale_all_dim = 1.0>

// -----

// expected-error @below {{mscale_all_dim is -1.000000e+00, expected a number of at least 0 [yarn.5]}}
#yarn = #dsv2.yarn<factor = 4.0, original = 4096, beta_fast = 32.0, beta_slow = 1.0, mscale = 1.0, mscale_all_dim = -1.0>
func.func private @f() attributes {r = #yarn}

// -----

// expected-error @below {{original is 0.000000e+00, expected a positive number [yarn.2]}}
#yarn = #dsv2.yarn<factor = 4.0, original = 0, beta_fast = 32.0, beta_slow = 1.0, mscale = 1.0, mscale_all_dim = 1.0>
func.func private @f() attributes {r = #yarn}

// -----

// Both factors are always spelled out.
// expected-error @+1 {{expected ','}}
#yarn = #dsv2.yarn<factor = 4.0, original = 64, beta_fast = 32.0, beta_slow = 1.0, mscale = 1.0>
func.func private @f() attributes {r = #yarn}

// -----

// expected-error @below {{head_width is 0, expected at least 1 [attention_scale.1]}}
#scale = #dsv2.attention_scale<head_width = 0, factor = 1.0, mscale_all_dim = 0.0>
func.func private @f() attributes {r = #scale}

// -----

// expected-error @below {{factor is -1.000000e+00, expected a positive number [attention_scale.2]}}
#scale = #dsv2.attention_scale<head_width = 8, factor = -1.0, mscale_all_dim = 0.0>
func.func private @f() attributes {r = #scale}

// -----

// expected-error @below {{mscale_all_dim is -1.000000e+00, expected a number of at least 0 [attention_scale.3]}}
#scale = #dsv2.attention_scale<head_width = 8, factor = 1.0, mscale_all_dim = -1.0>
func.func private @f() attributes {r = #scale}

// -----

// expected-error @below {{top_k is 0, expected at least 1 [greedy.1]}}
#method = #dsv2.greedy<top_k = 0>
func.func private @f() attributes {r = #method}

// -----

// expected-error @below {{groups is 0, expected at least 1 [groups.1]}}
#method = #dsv2.group_limited<groups = 0, keep = 1, top_k = 1>
func.func private @f() attributes {r = #method}

// -----

// expected-error @below {{keep is 3, expected 1 to the 2 groups [groups.2]}}
#method = #dsv2.group_limited<groups = 2, keep = 3, top_k = 1>
func.func private @f() attributes {r = #method}

// -----

// expected-error @below {{top_k is 0, expected at least 1 [groups.3]}}
#method = #dsv2.group_limited<groups = 2, keep = 1, top_k = 0>
func.func private @f() attributes {r = #method}

// -----

// expected-error @below {{groups is 0, expected at least 1 [groups.1]}}
#method = #dsv2.noaux_tc<groups = 0, keep = 1, top_k = 1>
func.func private @f() attributes {r = #method}

// -----

// expected-error @below {{keep is 3, expected 1 to the 2 groups [groups.2]}}
#method = #dsv2.noaux_tc<groups = 2, keep = 3, top_k = 1>
func.func private @f() attributes {r = #method}

// -----

// expected-error @below {{top_k is 0, expected at least 1 [groups.3]}}
#method = #dsv2.noaux_tc<groups = 2, keep = 1, top_k = 0>
func.func private @f() attributes {r = #method}

// -----

// expected-error @below {{range 3 to 3, expected 0 or more, and an end (excluded) above the begin [range.1]}}
#range = #dsv2.range<3 to 3>
func.func private @f() attributes {r = #range}

// -----

// expected-error @below {{range step 0, expected at least 1 [range.2]}}
#range = #dsv2.range<0 to 3 step 0>
func.func private @f() attributes {r = #range}

// -----

// expected-error @below {{a cache of 0 layers, expected at least 1 [cache.1]}}
func.func private @f(!dsv2.cache<0 x [6, 4] x f32>)

// -----

// expected-error @below {{a cache part of width -1, expected at least 0 [cache.2]}}
func.func private @f(!dsv2.cache<1 x [6, -1] x f32>)

// -----

// expected-error @below {{a cache of 'i8', expected f32 or bf16 [cache.3]}}
func.func private @f(!dsv2.cache<1 x [6, 4] x i8>)

// -----

// expected-error @below {{dsv2.stage is "parsed", expected "import", "model", "dispatches", "buffers" or "codegen" [module.1]}}
module attributes {dsv2.stage = "parsed"} {}

// -----

// expected-error @below {{dsv2.model is "tiny", expected a dictionary [module.2]}}
module attributes {dsv2.model = "tiny"} {}

// -----

// expected-error @below {{dsv2.model lacks a string `name` [module.3]}}
module attributes {dsv2.model = {max_context = 4 : i64, vocab = 4 : i64}} {}

// -----

// expected-error @below {{dsv2.model lacks a positive integer `vocab` [module.4]}}
module attributes {dsv2.model = {name = "x", max_context = 4 : i64, vocab = 0 : i64}} {}

// -----

// expected-error @below {{dsv2.compute is "f16", expected "f32" or "bf16" [module.5]}}
module attributes {dsv2.compute = "f16"} {}

// -----

// expected-error @below {{dsv2.stage stands on a module, nowhere else [module.6]}}
func.func private @f() attributes {dsv2.stage = "import"}
