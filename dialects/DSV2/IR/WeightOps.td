//===- WeightOps.td - families of weights ----------------------*- tablegen -*-===//
//
// Weights are symbols. `weights` names tensors of the checkpoint, `prepare` derives weights from
// them once, before any step, and `weight` is the value of either in a function.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_WEIGHT_OPS_TD
#define DSV2_WEIGHT_OPS_TD

include "dialects/DSV2/IR/DSV2Types.td"
include "dialects/DSV2/IR/DSV2Attrs.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"

def DSV2_WeightsOp : DSV2_Op<"weights", [Symbol]> {
  let summary = "a family of checkpoint tensors of one type";
  let description = [{
    One tensor for each layer of the range (or a single one, without `layers`), and for each expert
    where there is a range of experts. `{l}` and `{e}` in the name stand for layer and expert. The
    type is that of one tensor; the value of a family with experts has a leading dimension for
    them.

    A quantized family (`!dsv2.scaled`) also names the tensor of scales, which has an element for
    each block.

    ```mlir
    dsv2.weights @moe.kv_a layers 1 to 60 : tensor<576x5120xbf16>
        = "model.layers.{l}.self_attn.kv_a_proj_with_mqa.weight"
    dsv2.weights @moe.experts_gate layers 1 to 60 experts 0 to 160 : tensor<1536x5120xbf16>
        = "model.layers.{l}.mlp.experts.{e}.gate_proj.weight"
    dsv2.weights @moe.o layers 1 to 60 : tensor<5120x16384x!dsv2.scaled<f8E4M3FN, [128, 128], f32>>
        = "model.layers.{l}.self_attn.o_proj.weight"
        scales "model.layers.{l}.self_attn.o_proj.weight_scale_inv"
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<DSV2_RangeAttr>:$layers,
                       OptionalAttr<DSV2_RangeAttr>:$experts, TypeAttrOf<DSV2_WeightAny>:$type,
                       StrAttr:$source, OptionalAttr<StrAttr>:$scales);
  let assemblyFormat = [{
    $sym_name (`layers` custom<Range>($layers)^)? (`experts` custom<Range>($experts)^)? `:` $type
    `=` $source (`scales` $scales^)? attr-dict
  }];
  let builders = [OpBuilder<(ins "::mlir::StringAttr":$sym_name, "RangeAttr":$layers,
                                 "RangeAttr":$experts, "::mlir::TypeAttr":$type,
                                 "::mlir::StringAttr":$source), [{
    build($_builder, $_state, sym_name, layers, experts, type, source, ::mlir::StringAttr());
  }]>];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Type of the value: with the experts' dimension in front where the family has experts.
    ::mlir::RankedTensorType getValueType();
    ::mlir::RankedTensorType getTensorType();
    /// Name of the tensor of one layer and expert (each ignored where the family has none).
    std::string getTensorName(int64_t layer, int64_t expert);
    /// The same for the tensor of scales; only a quantized family has one.
    std::string getScalesName(int64_t layer, int64_t expert);
  }];
}

def DSV2_PrepareOp : DSV2_Op<"prepare", [
    Symbol, IsolatedFromAbove, SingleBlock,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "weights derived from checkpoint tensors, once";
  let description = [{
    Data movement and roundings: the body may hold `dsv2.weight` of checkpoint families,
    `tensor.extract_slice`, `tensor.concat`, `tensor.expand_shape`, `tensor.collapse_shape` (static,
    unit strides), `dsv2.transpose`, `dsv2.cast`, `dsv2.dequantize` and `dsv2.quantize`. Quantized
    values do not move: they are read, dequantized, made and yielded. With `layers` the body runs
    once for each.

    ```mlir
    dsv2.prepare @moe.v_up layers %l = 1 to 60 : tensor<128x128x512xbf16> {
      %kv_b = dsv2.weight @moe.kv_b[%l] : tensor<32768x512xbf16>
      %heads = tensor.expand_shape %kv_b [[0, 1], [2]] output_shape [128, 256, 512]
          : tensor<32768x512xbf16> into tensor<128x256x512xbf16>
      %v = tensor.extract_slice %heads[0, 128, 0] [128, 128, 512] [1, 1, 1]
          : tensor<128x256x512xbf16> to tensor<128x128x512xbf16>
      dsv2.yield %v : tensor<128x128x512xbf16>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<DSV2_RangeAttr>:$layers,
                       TypeAttrOf<DSV2_WeightAny>:$type);
  let regions = (region SizedRegion<1>:$region);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::dsv2::RangeAttr":$layers,
                                 "::mlir::RankedTensorType":$type)>];
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getValueType();
    /// Number of the layer; null where the function has no layers.
    ::mlir::Value getLayer();
    /// What the body yields.
    ::mlir::Value getYielded();
  }];
}

def DSV2_WeightOp : DSV2_Op<"weight", [
    Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "the weights of one layer of a family";
  let description = [{
    ```mlir
    %w = dsv2.weight @moe.kv_a[%l] : tensor<576x5120xbf16>
    %e = dsv2.weight @embed : tensor<102400x5120xbf16>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$family, Optional<Index>:$layer);
  let results = (outs DSV2_WeightAny:$result);
  let assemblyFormat = "$family (`[` $layer^ `]`)? attr-dict `:` type($result)";
}

def DSV2_TransposeOp : DSV2_Op<"transpose", [Pure, InferTypeOpAdaptor]> {
  let summary = "dimensions of a weight in another order";
  let description = [{
    Dimension i of the result is dimension permutation[i] of the source.

    ```mlir
    %t = dsv2.transpose %w [0, 2, 1] : tensor<128x128x512xbf16>
    ```
  }];
  let arguments = (ins DSV2_WeightFloat:$source, DenseI64ArrayAttr:$permutation);
  let results = (outs DSV2_WeightFloat:$result);
  let assemblyFormat = "$source custom<Integers>($permutation) attr-dict `:` type($source)";
  let hasFolder = 1;
}

#endif // DSV2_WEIGHT_OPS_TD
