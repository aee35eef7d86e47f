//===- StructureOps.td - layers, tokens in, wanted rows out ----*- tablegen -*-===//
//
// The frame of a step: the loop over layers, the embedding, and the choice of rows at the end.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_STRUCTURE_OPS_TD
#define DSV2_STRUCTURE_OPS_TD

include "dialects/DSV2/IR/DSV2Types.td"
include "dialects/DSV2/IR/DSV2Attrs.td"
include "mlir/IR/RegionKindInterface.td"

def DSV2_LayersOp : DSV2_Op<"layers", [
    DSV2_LinearCache, SingleBlock, RecursiveMemoryEffects,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "the layers of one shape, in order";
  let description = [{
    Runs its body for each layer number of the range, in ascending order, each time with the values
    that the layer before yielded.

    ```mlir
    %x1, %c1 = dsv2.layers %l = 1 to 60 carry(%x = %x0, %c = %cache)
        : tensor<?x5120xf32>, !dsv2.cache<60 x [512, 64] x bf16> {
      ...
      dsv2.yield %y, %d : tensor<?x5120xf32>, !dsv2.cache<60 x [512, 64] x bf16>
    }
    ```
  }];
  let arguments = (ins DSV2_RangeAttr:$range, Variadic<AnyType>:$inits);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$region);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::mlir::dsv2::RangeAttr":$range, "::mlir::ValueRange":$inits)>];
  let extraClassDeclaration = [{
    ::mlir::Value getLayer() { return getBody()->getArgument(0); }
    /// The carried values inside the body.
    ::mlir::Block::BlockArgListType getCarried() { return getBody()->getArguments().drop_front(); }
  }];
}

def DSV2_YieldOp : DSV2_Op<"yield", [Pure, DSV2_LinearCache, Terminator,
                                    ParentOneOf<["LayersOp", "PrepareOp"]>]> {
  let summary = "values handed to the next layer, or a prepared weight";
  let description = [{
    Ends the body of `layers` and of `prepare`.
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

def DSV2_EmbedOp : DSV2_StepOp<"embed"> {
  let summary = "rows of the embedding: [?] ids, [V,H] -> [?,H] f32";
  let description = [{
    ```mlir
    %x = dsv2.embed %tokens, %embed : tensor<?xi32>, tensor<102400x5120xbf16>
    ```
  }];
  let arguments = (ins DSV2_Tokens:$tokens, DSV2_Weight2:$weight);
  let results = (outs DSV2_Rows2F32:$result);
  let assemblyFormat = "$tokens `,` $weight attr-dict `:` type($tokens) `,` type($weight)";
}

def DSV2_SelectRowsOp : DSV2_StepOp<"select_rows"> {
  let summary = "the rows whose logits the batch wants, in its order";
  let description = [{
    ```mlir
    %y = dsv2.select_rows %x of %batch : tensor<?x5120xf32>
    ```
  }];
  let arguments = (ins DSV2_Rows2:$x, DSV2_Batch:$batch);
  let results = (outs DSV2_Rows2:$result);
  let assemblyFormat = "$x `of` $batch attr-dict `:` type($x)";
}

#endif // DSV2_STRUCTURE_OPS_TD
