//===- Passes.td - The linalg route of generic kernels --------------------===//
//
// One pass per file, named like it. GenericPipeline.h says in which order they run, between which
// upstream passes, and what a function has to look like at either end.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_CODEGEN_GENERIC_PASSES_TD
#define DSV2_CODEGEN_GENERIC_PASSES_TD

include "mlir/Pass/PassBase.td"

def GenericFusePass : Pass<"dsv2-generic-fuse", "::mlir::func::FuncOp"> {
  let summary = "Fuse elementwise linalg ops of one row into their only reader";
  let description = [{
    A row op with one reader is computed inside that reader, so a cast after a norm costs no pass
    over memory. Only producers that loop over as many dimensions as their reader are fused: what is
    computed once per row stays once per row.

    Before:
    ```mlir
    %a = linalg.generic ins(%x) outs(%e) {... %y = arith.mulf ...}
    %b = linalg.generic ins(%a) outs(%o) {... arith.truncf ...}
    ```
    After:
    ```mlir
    %b = linalg.generic ins(%x) outs(%o) {... %y = arith.mulf ... arith.truncf ...}
    ```
    Pre: linalg ops on tensors. Post: an `outs` that no body reads may have become a tensor.empty
    (eliminate-empty-tensors undoes it).
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numFused", "fused", "number of producers fused into their reader">];
}

def GenericTilePass : Pass<"dsv2-generic-tile", "::mlir::func::FuncOp"> {
  let summary = "Cut every linalg op into pieces that are one vector each";
  let description = [{
    The vector dimension is the last parallel one, or the last reduction where there is no parallel
    one. It is cut by the largest multiple of `lanes` up to `tile` that divides it; where none does, by
    `tile`, with the rest peeled (parallel) or split off (reduction). All other dimensions step by one
    inside. Pieces have the same size for every tier of a target, so every tier adds in the same order.

    Pre: static loop ranges; anything else is refused by name.
    Post: each linalg op handles one vector; no masks.

    ```mlir
    %r = linalg.generic ... ins(%x : tensor<137xf32>) outs(%o : tensor<137xf32>) {...}
    // becomes
    %a = scf.for %i = %c0 to %c128 step %c64 ... { linalg.generic ... ins(%piece : tensor<64xf32>) ... }
    %b = linalg.generic ... ins(%rest : tensor<9xf32>) ...
    ```
  }];
  let options = [
    Option<"tile", "tile", "int64_t", /*default=*/"64", "elements of a full piece">,
    Option<"lanes", "lanes", "int64_t", /*default=*/"16", "a piece is a multiple of this">,
  ];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect",
                           "::mlir::affine::AffineDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"numTiled", "tiled", "number of linalg ops cut into pieces">];
}

def GenericVectorizePass : Pass<"dsv2-generic-vectorize", "::mlir::func::FuncOp"> {
  let summary = "Turn every linalg op into vector ops, or refuse it by name";
  let description = [{
    Pre: dsv2-generic-tile ran. Post: no linalg op is left, and reductions are over one dimension.
    An op that upstream's vectorizer does not take is an error that names the op and the function:
    a generic kernel never falls back to scalar loops.

    ```mlir
    %r = linalg.generic ... ins(%x : tensor<9xf32>) outs(%o : tensor<9xbf16>) {... arith.truncf ...}
    // becomes
    %v = vector.transfer_read %x[%c0], %zero : tensor<9xf32>, vector<9xf32>
    %t = arith.truncf %v : vector<9xf32> to vector<9xbf16>
    %r = vector.transfer_write %t, %o[%c0] : vector<9xbf16>, tensor<9xbf16>
    ```
  }];
  let dependentDialects = ["::mlir::vector::VectorDialect", "::mlir::ub::UBDialect"];
  let statistics = [Statistic<"numVectorized", "vectorized", "number of linalg ops vectorized">];
}

def GenericCopyPass : Pass<"dsv2-generic-copy", "::mlir::func::FuncOp"> {
  let summary = "Write copies of rows as linalg ops, to be vectorized like the others";
  let description = [{
    A row that is only moved (split of heads, a gather, an f32 cache) folds to a subset of a subset on tensors
    and comes out of bufferization as memref.copy, which is a call. It becomes an elementwise op on memrefs.

    Pre: a bufferized function. Post: no memref.copy is left.

    ```mlir
    memref.copy %a, %b : memref<9xf32> to memref<9xf32>
    // becomes
    linalg.generic ins(%a : memref<9xf32>) outs(%b : memref<9xf32>) {... linalg.yield %in : f32 }
    ```
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect"];
  let statistics = [Statistic<"numCopies", "copies", "number of copies written as linalg ops">];
}

def GenericUnrollPass : Pass<"dsv2-generic-unroll", "::mlir::func::FuncOp"> {
  let summary = "Unroll innermost loops of few trips";
  let description = [{
    An innermost loop whose trip count is known and at most `max-trips` disappears: for a row of 20
    columns, or six expert slots, the loop costs more than its body.

    Pre: any function. Post: innermost loops of constant bounds that had `max-trips` trips or fewer are gone.

    ```mlir
    scf.for %i = %c0 to %c2 step %c1 { memref.store %v, %m[%i] : memref<2xf32> }
    // becomes
    memref.store %v, %m[%c0] : memref<2xf32>
    memref.store %v, %m[%c1] : memref<2xf32>
    ```
  }];
  let options = [Option<"maxTrips", "max-trips", "int64_t", /*default=*/"8", "largest trip count to unroll">];
  let statistics = [Statistic<"numUnrolled", "unrolled", "number of loops unrolled">];
}

def GenericTreePass : Pass<"dsv2-generic-tree", "::mlir::func::FuncOp"> {
  let summary = "Write reductions, exponentials and roundings as plain vector arithmetic";
  let description = [{
    Three rewrites after which a kernel needs neither a library nor a reassociation flag:
    - vector.reduction becomes shuffles and adds of halves, in an order the IR shows;
    - math.exp becomes upstream's polynomial (8e-8 relative);
    - arith.truncf f32 to bf16 becomes integer arithmetic, round to nearest even, NaN kept quiet.
      The choice for NaN is an `or` of integers: a select of bf16 vectors is scalarised by LLVM 22, and
      the plain op calls `__truncsfbf2`. `keep-bf16` leaves the op where the target has an instruction.

    Pre: dsv2-generic-vectorize ran. Post: no math.exp, no vector.reduction of floats, and, unless `keep-bf16`,
    no arith.truncf to bf16.

    ```mlir
    %r = vector.reduction <add>, %x, %acc : vector<6xf32> into f32
    // becomes
    %four = vector.shuffle %x, %x [0, 1, 2, 3] : vector<6xf32>, vector<6xf32>
    %low = vector.shuffle %four, %four [0, 1] : vector<4xf32>, vector<4xf32>
    %high = vector.shuffle %four, %four [2, 3] : vector<4xf32>, vector<4xf32>
    %two = arith.addf %low, %high : vector<2xf32>
    ...
    ```
  }];
  let options = [
    Option<"keepBF16", "keep-bf16", "bool", /*default=*/"false", "leave roundings to bf16 to the target">,
  ];
  let dependentDialects = ["::mlir::vector::VectorDialect", "::mlir::math::MathDialect",
                           "::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"numTrees", "trees", "number of reductions written as trees">];
}

def GenericCheckPass : Pass<"dsv2-generic-check", "::mlir::func::FuncOp"> {
  let summary = "Refuse a kernel that allocates, copies, calls or still holds tensors";
  let description = [{
    The last pass of the route. What it finds (an intermediate row with no buffer of its own, a value
    read after its row was stored, an op of no plain dialect) would become a call into a library, which
    a kernel image cannot make: each is an error that names op and function.

    Pre: a bufferized, vectorized function. Post: the same, fit for any target; else it fails.

    ```mlir
    %m = memref.alloc() : memref<9xf32>  // error: an intermediate row is stored nowhere
    ```
  }];
}

#endif // DSV2_CODEGEN_GENERIC_PASSES_TD
