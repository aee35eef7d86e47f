// The loop over layers and both ends of a step.
// RUN: dsv2-opt %s --split-input-file --verify-diagnostics --allow-unregistered-dialect

func.func @f(%x: tensor<?x4xf32>, %w: tensor<?x8xf32>) {
  // expected-error @below {{yields values of types ('tensor<?x8xf32>'), expected ('tensor<?x4xf32>') as the carried values [layers.3]}}
  %y = dsv2.layers %l = 0 to 2 carry(%i = %x) : tensor<?x4xf32> {
    dsv2.yield %w : tensor<?x8xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @below {{has results of types ('tensor<?x8xf32>'), expected ('tensor<?x4xf32>') as the carried values [layers.1]}}
  %y = "dsv2.layers"(%x) <{range = #dsv2.range<0 to 2>}> ({
  ^bb0(%l: index, %i: tensor<?x4xf32>):
    dsv2.yield %i : tensor<?x4xf32>
  }) : (tensor<?x4xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @below {{has a body with arguments of types ('tensor<?x8xf32>'), expected ('tensor<?x4xf32>') as the carried values [layers.2]}}
  %y = "dsv2.layers"(%x) <{range = #dsv2.range<0 to 2>}> ({
  ^bb0(%l: index, %i: tensor<?x8xf32>):
    dsv2.yield %x : tensor<?x4xf32>
  }) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @below {{the body's first argument must be an index, the layer's number [layers.4]}}
  %y = "dsv2.layers"(%x) <{range = #dsv2.range<0 to 2>}> ({
  ^bb0(%i: tensor<?x4xf32>):
    dsv2.yield %i : tensor<?x4xf32>
  }) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @below {{1 carried values but 2 types}}
  %y = dsv2.layers %l = 0 to 2 carry(%i = %x) : tensor<?x4xf32>, tensor<?x4xf32> {
    dsv2.yield %i : tensor<?x4xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @below {{expects parent op to be one of 'dsv2.layers, dsv2.prepare'}}
  dsv2.yield %x : tensor<?x4xf32>
}

// -----

func.func @f(%t: tensor<4xi32>, %w: tensor<10x8xf32>) {
  // expected-error @below {{tokens is 'tensor<4xi32>', expected rows of rank 1 (a dynamic dimension, then static ones) [type.17]}}
  %x = dsv2.embed %t, %w : tensor<4xi32>, tensor<10x8xf32>
  return
}

// -----

func.func @f(%t: tensor<?xi32>, %w: tensor<10x?xf32>) {
  // expected-error @below {{the embedding is 'tensor<10x?xf32>', expected a static shape of rank 2 [type.18]}}
  %x = dsv2.embed %t, %w : tensor<?xi32>, tensor<10x?xf32>
  return
}

// -----

func.func @f(%t: tensor<?xi64>, %w: tensor<10x8xf32>) {
  // expected-error @below {{operand #0 must be token ids (tensor<?xi32>) [type.7], but got 'tensor<?xi64>'}}
  %x = dsv2.embed %t, %w : tensor<?xi64>, tensor<10x8xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>, %b: !dsv2.batch) {
  // expected-error @below {{operand #0 must be rows of values}}
  %y = dsv2.select_rows %x of %b : tensor<4x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>) {
  // expected-error @below {{the body must end with dsv2.yield [layers.5]}}
  %y = dsv2.layers %l = 0 to 2 carry(%h = %x) : tensor<?x8xf32> {
    "test.end"() : () -> ()
  }
  return
}
