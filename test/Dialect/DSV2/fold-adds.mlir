// A projection adds what was added to its result, where nothing else reads that.
// RUN: dsv2-opt %s --dsv2-fold-adds | FileCheck %s
// RUN: dsv2-opt %s --dsv2-fold-adds | dsv2-opt --dsv2-fold-adds | FileCheck %s --check-prefix=TWICE


// TWICE-COUNT-2: dsv2.add
// TWICE-NOT: dsv2.add

// CHECK-LABEL: func.func @residual
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[H:.*]]: tensor<?x16xf32>, %[[W:.*]]: tensor<8x16xf32>, %[[B:.*]]: tensor<8xf32>)
func.func @residual(%x: tensor<?x8xf32>, %h: tensor<?x16xf32>, %w: tensor<8x16xf32>, %b: tensor<8xf32>)
    -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK-NEXT: %[[Y:.*]] = dsv2.linear %[[H]], %[[W]] add %[[X]] : tensor<?x16xf32>, tensor<8x16xf32>, tensor<?x8xf32>
  %p = dsv2.linear %h, %w : tensor<?x16xf32>, tensor<8x16xf32>
  %y = dsv2.add %x, %p : tensor<?x8xf32>
  // CHECK-NEXT: %[[Z:.*]] = dsv2.linear %[[H]], %[[W]] bias %[[B]] add %[[Y]] activation <i8, group = 0, scale = amax>
  // CHECK-NEXT: return %[[Y]], %[[Z]]
  %q = dsv2.linear %h, %w bias %b activation <i8, group = 0, scale = amax>
      : tensor<?x16xf32>, tensor<8x16xf32>, tensor<8xf32>
  %z = dsv2.add %q, %y : tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// The later of two projections takes the other's result.
// CHECK-LABEL: func.func @two_projections
func.func @two_projections(%h: tensor<?x16xf32>, %g: tensor<?x16xf32>, %w: tensor<8x16xf32>) -> tensor<?x8xf32> {
  // CHECK-NEXT: %[[P:.*]] = dsv2.linear %arg0, %arg2 : tensor
  // CHECK-NEXT: dsv2.linear %arg1, %arg2 add %[[P]]
  // CHECK-NEXT: return
  %p = dsv2.linear %h, %w : tensor<?x16xf32>, tensor<8x16xf32>
  %q = dsv2.linear %g, %w : tensor<?x16xf32>, tensor<8x16xf32>
  %y = dsv2.add %q, %p : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @other_readers
func.func @other_readers(%x: tensor<?x8xf32>, %h: tensor<?x16xf32>, %w: tensor<8x16xf32>)
    -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // The projection itself is wanted too.
  // CHECK: dsv2.add
  %p = dsv2.linear %h, %w : tensor<?x16xf32>, tensor<8x16xf32>
  %y = dsv2.add %x, %p : tensor<?x8xf32>
  // It adds something already.
  // CHECK: dsv2.linear {{.*}} add
  // CHECK: dsv2.add
  %q = dsv2.linear %h, %w add %x : tensor<?x16xf32>, tensor<8x16xf32>, tensor<?x8xf32>
  %z = dsv2.add %x, %q : tensor<?x8xf32>
  return %p, %z : tensor<?x8xf32>, tensor<?x8xf32>
}
