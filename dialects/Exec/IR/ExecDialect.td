//===- ExecDialect.td - the dsv2_exec dialect -------------------*- tablegen -*-===//
//
// What a device is told to do. A closed set of at most 12 ops that mirrors the artifact's schema.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_EXEC_DIALECT_TD
#define DSV2_EXEC_DIALECT_TD

include "mlir/IR/OpBase.td"

def Exec_Dialect : Dialect {
  let name = "dsv2_exec";
  let cppNamespace = "::mlir::dsv2_exec";
  let summary = "what a device is told to do: buffers, kernels, dispatches";
  let description = [{
    A module holds one `variant` for each target. A variant holds weights to prepare, buffers,
    caches, kernels as named data, and entries: lists of dispatches and loops over layers. Nothing
    here has values or control flow; sizes, grids and guards are expressions over the launch symbols
    `T` (rows of the step), `B` (sequences), `W` (wanted rows), `C` (longest context after the step),
    `P` (workers) and `R` (1 when routing is replayed).

    By stage (`dsv2.stage` of the module): after `dispatches` a kernel is a builder with its spec, or
    a function; after `buffers` arena buffers have live intervals; after `codegen` kernels have an
    offset and a size in the variant's image. Then the module is what an artifact says, no less.
  }];
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
  }];
}

class Exec_Op<string mnemonic, list<Trait> traits = []> : Op<Exec_Dialect, mnemonic, traits>;

#endif // DSV2_EXEC_DIALECT_TD
