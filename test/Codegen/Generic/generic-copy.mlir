// A copy is an op like any other once it is written as one.
// RUN: dsv2-opt %s --dsv2-generic-copy | FileCheck %s

// CHECK-LABEL: func @row
//  CHECK-SAME: %[[FROM:.*]]: memref<9xf32>, %[[TO:.*]]: memref<9xf32>
//       CHECK: linalg.generic {{.*}} ins(%[[FROM]] : memref<9xf32>) outs(%[[TO]] : memref<9xf32>)
//   CHECK-NOT: memref.copy
func.func @row(%from: memref<9xf32>, %to: memref<9xf32>) {
  memref.copy %from, %to : memref<9xf32> to memref<9xf32>
  return
}
