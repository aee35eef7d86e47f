//===- DispatchOps.td - programs --------------------------------*- tablegen -*-===//
//
// Entries and what they do.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_EXEC_DISPATCH_OPS_TD
#define DSV2_EXEC_DISPATCH_OPS_TD

include "dialects/Exec/IR/ExecAttrs.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"

def Exec_EntryOp : Exec_Op<"entry", [Symbol, SingleBlock, NoTerminator, NoRegionArguments,
                                     HasParent<"VariantOp">]> {
  let summary = "a program, and the steps that it may run";
  let description = [{
    It may run a step for which every expression of the guard is >= 0. The runtime takes the first entry
    of the variant that may. Without a guard it may run any step.

    ```mlir
    dsv2_exec.entry @decode guard(B - T >= 0) { ... }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<IntegerSetAttr>:$guard);
  let regions = (region SizedRegion<1>:$bodyRegion);
  let assemblyFormat = "$sym_name (`guard` `` custom<Guard>($guard)^)? attr-dict-with-keyword $bodyRegion";
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "StringRef":$name, CArg<"IntegerSetAttr", "{}">:$guard)>];
  let hasVerifier = 1;
}

def Exec_RepeatOp : Exec_Op<"repeat", [SingleBlock, NoTerminator, NoRegionArguments,
                                       HasParent<"EntryOp">]> {
  let summary = "dispatches done for each of some layers";
  let description = [{
    In the body `l` stands for the layer.

    ```mlir
    dsv2_exec.repeat l = 1 to 60 { ... }
    ```
  }];
  let arguments = (ins Exec_LayersAttr:$layers);
  let regions = (region SizedRegion<1>:$bodyRegion);
  let assemblyFormat = "`l` `=` custom<Layers>($layers) attr-dict-with-keyword $bodyRegion";
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "int64_t":$begin, "int64_t":$end, CArg<"int64_t", "1">:$step)>];
}

def Exec_DispatchOp : Exec_Op<"dispatch", [ParentOneOf<["EntryOp", "RepeatOp"]>,
                                           DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a launch of a kernel over a grid of items";
  let description = [{
    The slots are handed to the kernel in order, 8 bytes each: a pointer or a number.

    ```mlir
    dsv2_exec.dispatch @matmul_0 items(24) (@h, @q_a[l], @q, sym T)
    dsv2_exec.dispatch @attention items(min(T * 16, P)) (@q, @cache[l], @table, 7)
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, AffineMapAttr:$items,
                       TypedArrayAttrBase<Exec_ArgAttr, "slots">:$args);
  let assemblyFormat = [{
    $kernel `items` `` custom<LaunchMap>($items) custom<Args>($args) attr-dict
  }];
  let builders = [OpBuilder<(ins "StringRef":$kernel, "AffineMap":$items, "ArrayRef<ArgAttr>":$args)>];
  let hasVerifier = 1;
}

#endif // DSV2_EXEC_DISPATCH_OPS_TD
