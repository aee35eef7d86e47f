//===- DSV2Types.td - the step's batch and the latent cache ----*- tablegen -*-===//
//
// Two types that are not tensors: what one step holds, and the cache, which is a linear value.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_TYPES_TD
#define DSV2_TYPES_TD

include "dialects/DSV2/IR/DSV2Dialect.td"

class DSV2_Type<string name, string typeMnemonic> : TypeDef<DSV2_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def DSV2_Batch : DSV2_Type<"Batch", "batch"> {
  let summary = "what one step holds";
  let description = [{
    Sequence offsets, positions, cached lengths, the block table and the rows whose logits are
    wanted. Ops that mix rows of a sequence, or depend on where a row stands, take it.
  }];
  let builderCall = "$_builder.getType<::mlir::dsv2::BatchType>()";
}

def DSV2_Cache : DSV2_Type<"Cache", "cache"> {
  let summary = "the cached values of every token of every sequence, by layer";
  let description = [{
    `!dsv2.cache<60 x [512, 64] x bf16>`: for each of 60 layers and each cached token, a part of
    512 values and one of 64 (MLA's latent and its shared rope key). A cache is a linear value:
    exactly one op consumes it (`cache_append`, `layers`, `yield` or a return), and any number of
    reads come before that op in the same block. So updating in place is always legal.
  }];
  let parameters = (ins "int64_t":$layers, ArrayRefParameter<"int64_t">:$widths,
                        "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $layers `x` ` ` `[` $widths `]` `x` $elementType `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Values of one token in one layer: the sum of the parts.
    int64_t getRowWidth() const;
  }];
}

#endif // DSV2_TYPES_TD
