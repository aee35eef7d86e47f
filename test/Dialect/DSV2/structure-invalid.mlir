// The loop over layers and both ends of a step.
// RUN: dsv2-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<?x4xf32>, %w: tensor<?x8xf32>) {
  // expected-error @below {{yields values of types ('tensor<?x8xf32>'), expected ('tensor<?x4xf32>') as the carried values}}
  %y = dsv2.layers %l = 0 to 2 carry(%i = %x) : tensor<?x4xf32> {
    dsv2.yield %w : tensor<?x8xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @below {{has results of types ('tensor<?x8xf32>'), expected ('tensor<?x4xf32>') as the carried values}}
  %y = "dsv2.layers"(%x) <{range = #dsv2.range<0 to 2>}> ({
  ^bb0(%l: index, %i: tensor<?x4xf32>):
    dsv2.yield %i : tensor<?x4xf32>
  }) : (tensor<?x4xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @below {{has a body with arguments of types ('tensor<?x8xf32>'), expected ('tensor<?x4xf32>') as the carried values}}
  %y = "dsv2.layers"(%x) <{range = #dsv2.range<0 to 2>}> ({
  ^bb0(%l: index, %i: tensor<?x8xf32>):
    dsv2.yield %x : tensor<?x4xf32>
  }) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @below {{the body's first argument must be an index, the layer's number}}
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
  // expected-error @below {{tokens is 'tensor<4xi32>', expected rows of rank 1}}
  %x = dsv2.embed %t, %w : tensor<4xi32>, tensor<10x8xf32>
  return
}

// -----

func.func @f(%t: tensor<?xi32>, %w: tensor<10x?xf32>) {
  // expected-error @below {{the embedding is 'tensor<10x?xf32>', expected a static shape of rank 2}}
  %x = dsv2.embed %t, %w : tensor<?xi32>, tensor<10x?xf32>
  return
}

// -----

func.func @f(%t: tensor<?xi64>, %w: tensor<10x8xf32>) {
  // expected-error @below {{operand #0 must be token ids (tensor<?xi32>), but got 'tensor<?xi64>'}}
  %x = dsv2.embed %t, %w : tensor<?xi64>, tensor<10x8xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>, %b: !dsv2.batch) {
  // expected-error @below {{operand #0 must be rows of values}}
  %y = dsv2.select_rows %x of %b : tensor<4x8xf32>
  return
}
