//===- DSV2Types.td - batch, cache, elements of quantized weights -*- tablegen -*-===//
//
// What one step holds; the cache, which is a linear value; and the element of a weight that is
// stored in few bits with a scale for each block.
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
    512 values and one of 64 (MLA's latent and its shared rope key; attention of grouped queries
    has the heads' keys, then their values). A cache is a linear value:
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

def DSV2_Scaled : DSV2_Type<"Scaled", "scaled"> {
  let summary = "the element of a quantized weight: a stored number times the scale of its block";
  let description = [{
    `tensor<576x7168x!dsv2.scaled<f8E4M3FN, [128, 128], f32>>`: each element is stored in fp8, and
    each block of 128 x 128 (of the last two dimensions) has a scale in f32. A block of 0 is the
    whole dimension: `[1, 0]` gives each row a scale. Blocks at the end of a dimension may be
    partial. The value of an element is stored * scale, exactly.
  }];
  let parameters = (ins "::mlir::Type":$stored, ArrayRefParameter<"int64_t">:$block,
                        "::mlir::Type":$scale);
  let assemblyFormat = "`<` $stored `,` `[` $block `]` `,` $scale `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Shape of the scales of a weight of `shape` (rank 2 or more): leading dimensions, then the
    /// number of blocks in each of the last two.
    ::llvm::SmallVector<int64_t> getScaleShape(::llvm::ArrayRef<int64_t> shape) const;
    /// The largest magnitude that the stored type holds: 448, 127 or 7.
    double getStoredMax() const;
  }];
}

#endif // DSV2_TYPES_TD
