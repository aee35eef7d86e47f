// Few trips of an innermost loop go away; many stay, and so does a loop around another.
// RUN: dsv2-opt %s --dsv2-generic-unroll | FileCheck %s
// RUN: dsv2-opt %s --pass-pipeline='builtin.module(func.func(dsv2-generic-unroll{max-trips=2}))' | FileCheck %s --check-prefix=TWO

// CHECK-LABEL: func @trips
//       CHECK: scf.for
// CHECK-COUNT-3: vector.print %{{.*}} : index
//   CHECK-NOT: scf.for
//       CHECK: }
//       CHECK: scf.for
//       CHECK: return
//   TWO-LABEL: func @trips
// TWO-COUNT-3: scf.for
func.func @trips() {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c9 = arith.constant 9 : index
  scf.for %i = %c0 to %c2 step %c1 {
    scf.for %j = %c0 to %c3 step %c1 {
      vector.print %j : index
    }
  }
  scf.for %i = %c0 to %c9 step %c1 {
    vector.print %i : index
  }
  return
}
