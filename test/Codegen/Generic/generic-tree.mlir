// Reductions are halves onto halves, exponentials polynomials, roundings to bf16 integer arithmetic.
// RUN: dsv2-opt %s --dsv2-generic-tree | FileCheck %s
// RUN: dsv2-opt %s --pass-pipeline='builtin.module(func.func(dsv2-generic-tree{keep-bf16=true}))' | FileCheck %s --check-prefix=KEEP

// CHECK-LABEL: func @sum
//  CHECK-SAME: %[[X:.*]]: vector<6xf32>, %[[ACC:.*]]: f32
//       CHECK: %[[FOUR:.*]] = vector.shuffle %[[X]], %[[X]] [0, 1, 2, 3]
//       CHECK: %[[LOW:.*]] = vector.shuffle %[[FOUR]], %[[FOUR]] [0, 1]
//       CHECK: %[[HIGH:.*]] = vector.shuffle %[[FOUR]], %[[FOUR]] [2, 3]
//       CHECK: arith.addf %[[LOW]], %[[HIGH]] : vector<2xf32>
//       CHECK: arith.addf {{.*}} : vector<1xf32>
//       CHECK: arith.addf %[[ACC]], %{{.*}} : f32
//       CHECK: vector.shuffle %[[X]], %[[X]] [4, 5]
//       CHECK: arith.addf {{.*}} : f32
//   CHECK-NOT: vector.reduction
func.func @sum(%x: vector<6xf32>, %acc: f32) -> f32 {
  %r = vector.reduction <add>, %x, %acc : vector<6xf32> into f32
  return %r : f32
}

// CHECK-LABEL: func @exponential
//   CHECK-NOT: math.exp
//       CHECK: math.fma
func.func @exponential(%x: vector<16xf32>) -> vector<16xf32> {
  %r = math.exp %x : vector<16xf32>
  return %r : vector<16xf32>
}

// CHECK-LABEL: func @rounding
//   CHECK-NOT: arith.truncf
//   CHECK-NOT: arith.select
//       CHECK: arith.cmpf uno
//       CHECK: arith.ori
//       CHECK: arith.trunci {{.*}} : vector<16xi32> to vector<16xi16>
//       CHECK: arith.bitcast {{.*}} : vector<16xi16> to vector<16xbf16>
//  KEEP-LABEL: func @rounding
//        KEEP: arith.truncf
func.func @rounding(%x: vector<16xf32>) -> vector<16xbf16> {
  %r = arith.truncf %x : vector<16xf32> to vector<16xbf16>
  return %r : vector<16xbf16>
}
