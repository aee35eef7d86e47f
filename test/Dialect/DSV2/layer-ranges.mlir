// The utility that cuts loops over layers, on its own (dialects/DSV2/Transforms/LayerRanges.h).
// RUN: dsv2-opt-test %s --test-layer-ranges=split=4 --split-input-file --verify-diagnostics | FileCheck %s --check-prefix=SPLIT
// RUN: dsv2-opt-test %s --test-layer-ranges="peel=first inline" --split-input-file | FileCheck %s --check-prefix=FIRST
// RUN: dsv2-opt-test %s --test-layer-ranges=peel=last --split-input-file | FileCheck %s --check-prefix=LAST

!cache = !dsv2.cache<7 x [6, 4] x f32>
dsv2.weights @norm layers 0 to 7 : tensor<8xf32> = "{l}.norm"

// SPLIT-LABEL: func.func @period
// FIRST-LABEL: func.func @period
// LAST-LABEL: func.func @period
func.func @period(%x: tensor<?x8xf32>, %a: tensor<?x6xf32>, %b: tensor<?x4xf32>, %batch: !dsv2.batch,
                  %c: !cache) -> (tensor<?x8xf32>, !cache) {
  // SPLIT: %[[A:.*]]:2 = dsv2.layers %{{.*}} = 2 to 4 step 2 carry(%{{.*}} = %arg0, %{{.*}} = %arg4)
  // SPLIT: %[[B:.*]]:2 = dsv2.layers %{{.*}} = 4 to 7 step 2 carry(%{{.*}} = %[[A]]#0, %{{.*}} = %[[A]]#1)
  // SPLIT: return %[[B]]#0, %[[B]]#1

  // The first layer stands before the loop, with its number as a constant.
  // FIRST: %[[TWO:.*]] = arith.constant 2 : index
  // FIRST: %[[C1:.*]] = dsv2.cache_append %arg4[%[[TWO]]]
  // FIRST: dsv2.weight @norm[%[[TWO]]]
  // FIRST: %[[X1:.*]] = dsv2.rms_norm %arg0
  // FIRST: %[[B:.*]]:2 = dsv2.layers %[[L:.*]] = 4 to 7 step 2 carry(%{{.*}} = %[[X1]], %{{.*}} = %[[C1]])
  // FIRST: dsv2.weight @norm[%[[L]]]
  // FIRST: return %[[B]]#0, %[[B]]#1

  // 6 is the last number of 2 to 7 step 2.
  // LAST: %[[A:.*]]:2 = dsv2.layers %{{.*}} = 2 to 6 step 2
  // LAST: %[[B:.*]]:2 = dsv2.layers %{{.*}} = 6 to 7 step 2 carry(%{{.*}} = %[[A]]#0
  // LAST: return %[[B]]#0
  %y:2 = dsv2.layers %l = 2 to 7 step 2 carry(%h = %x, %d = %c) : tensor<?x8xf32>, !cache {
    %d1 = dsv2.cache_append %d[%l], %a, %b of %batch : !cache, tensor<?x6xf32>, tensor<?x4xf32>
    %w = dsv2.weight @norm[%l] : tensor<8xf32>
    %n = dsv2.rms_norm %h, %w eps 1.0e-06 : tensor<?x8xf32>, tensor<8xf32>
    dsv2.yield %n, %d1 : tensor<?x8xf32>, !cache
  }
  return %y#0, %y#1 : tensor<?x8xf32>, !cache
}

// -----

// A number between those of the range, the first number and a single layer are no places to cut.
// SPLIT-LABEL: func.func @refused
func.func @refused(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // SPLIT-COUNT-2: dsv2.layers
  // expected-remark @below {{cannot be cut there}}
  %y = dsv2.layers %l = 1 to 6 step 2 carry(%h = %x) : tensor<?x8xf32> {
    dsv2.yield %h : tensor<?x8xf32>
  }
  // expected-remark @below {{cannot be cut there}}
  %z = dsv2.layers %l = 4 to 6 carry(%h = %y) : tensor<?x8xf32> {
    dsv2.yield %h : tensor<?x8xf32>
  }
  return %z : tensor<?x8xf32>
}
