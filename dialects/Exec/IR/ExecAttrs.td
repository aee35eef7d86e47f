//===- ExecAttrs.td - layers, copies, slots ---------------------*- tablegen -*-===//
//
// Attributes of the dsv2_exec ops. Inside an op they print without their name.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_EXEC_ATTRS_TD
#define DSV2_EXEC_ATTRS_TD

include "dialects/Exec/IR/ExecDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"

class Exec_Attr<string name, string attrMnemonic> : AttrDef<Exec_Dialect, name> {
  let mnemonic = attrMnemonic;
  let genVerifyDecl = 1;
  let hasCustomAssemblyFormat = 1;
}

def Exec_LayersAttr : Exec_Attr<"Layers", "layers"> {
  let summary = "layers begin, begin + step, ... below end";
  let description = "`#dsv2_exec.layers<1 to 60 step 2>`; a step of 1 is not printed.";
  let parameters = (ins "int64_t":$begin, "int64_t":$end, "int64_t":$step);
  let extraClassDeclaration = [{
    /// The last layer.
    int64_t getLast() const { return getBegin() + (getEnd() - 1 - getBegin()) / getStep() * getStep(); }
    /// Whether `layer` is one of them.
    bool contains(int64_t layer) const {
      return layer >= getBegin() && layer < getEnd() && (layer - getBegin()) % getStep() == 0;
    }
    /// `1 to 60 step 2`, without the attribute's name.
    static FailureOr<LayersAttr> parseBody(AsmParser &parser);
    void printBody(AsmPrinter &printer) const;
  }];
}

def Exec_SourceAttr : Exec_Attr<"Source", "source"> {
  let summary = "a checkpoint tensor (or family) that copies read";
  let description = [{
    `#dsv2_exec.source<"model.layers.{l}.mlp.experts.{e}.up_proj.weight" : tensor<1536x5120xbf16>>`.
    `{l}` stands for the layer, `{e}` for the expert. The type must be the checkpoint's: f32, bf16, or
    f8E4M3FN with scales, `#dsv2_exec.source<"a.weight" : tensor<576x512xf8E4M3FN> scales
    "a.weight_scale_inv" [128, 128]>`: the f32 tensor of one scale for each block of so many rows and
    columns. Copies read the products in f32.
  }];
  let parameters = (ins "::mlir::StringAttr":$name, "::mlir::RankedTensorType":$type,
                        OptionalParameter<"::mlir::StringAttr">:$scales, "int64_t":$blockRows,
                        "int64_t":$blockColumns);
  let extraClassDeclaration = [{
    static FailureOr<SourceAttr> parseBody(AsmParser &parser);
    void printBody(AsmPrinter &printer) const;
  }];
}

def Exec_CopyAttr : Exec_Attr<"Copy", "copy"> {
  let summary = "one strided copy from a source into a prepared weight";
  let description = [{
    `#dsv2_exec.copy<0 at 64 to 0 dims [512 : 5120 -> 1, 8 : 1 -> 512] experts 0 to 160 stride 48>`:
    of source 0, from element 64 on, to element 0 on; each dimension is
    `extent : source stride -> destination stride`, in elements, outermost first, at most 8. For each
    expert the copy is repeated `stride` elements further (without `experts`: once).
  }];
  let parameters = (ins "int64_t":$source, "int64_t":$srcOffset, "int64_t":$dstOffset,
                        ArrayRefParameter<"int64_t">:$extents, ArrayRefParameter<"int64_t">:$srcStrides,
                        ArrayRefParameter<"int64_t">:$dstStrides, "int64_t":$expertBegin,
                        "int64_t":$expertCount, "int64_t":$expertDstStride);
  let extraClassDeclaration = [{
    static FailureOr<CopyAttr> parseBody(AsmParser &parser);
    void printBody(AsmPrinter &printer) const;
  }];
}

def Exec_TensorMapAttr : Exec_Attr<"TensorMap", "tensor_map"> {
  let summary = "a matrix of bf16 of which a kernel copies boxes";
  let description = [{
    `#dsv2_exec.tensor_map<slot 0 columns 2048 row_bytes 4096 box_rows 128 rows_slot 3>`: the matrix at
    the address in slot 0, with 2,048 columns that exist, rows 4,096 bytes apart and as many of them as
    the launch symbol in slot 3 says (without `rows_slot`, or -1: no bound), is copied by boxes of 128 rows and
    64 columns in the 128-byte swizzle. What lies past the last row or column is zero in a box.
  }];
  let parameters = (ins "int64_t":$slot, "int64_t":$columns, "int64_t":$rowBytes, "int64_t":$boxRows,
                        "int64_t":$rowsSlot);
  let extraClassDeclaration = [{
    static FailureOr<TensorMapAttr> parseBody(AsmParser &parser);
    void printBody(AsmPrinter &printer) const;
  }];
}

def Exec_ArgAttr : Exec_Attr<"Arg", "arg"> {
  let summary = "one 8-byte slot of a dispatch";
  let description = [{
    `@x` (a buffer, weight or cache), `@q_a[l]` or `@q_a[2 * l + 1]` (the weight or cache of a layer,
    where `l` is the layer of the enclosing `repeat`; of a buffer: that many elements further),
    `sym T` (a launch symbol), `42` (a constant).
  }];
  let parameters = (ins OptionalParameter<"::mlir::FlatSymbolRefAttr">:$ref, "int64_t":$scale,
                        "int64_t":$offset, "int64_t":$launchSymbol, "int64_t":$value);
  let extraClassDeclaration = [{
    bool isRef() const { return static_cast<bool>(getRef()); }
    bool isLaunchSymbol() const { return getLaunchSymbol() >= 0; }
    bool isConstant() const { return !isRef() && !isLaunchSymbol(); }

    /// `@ref[scale * l + offset]`.
    static ArgAttr ref(FlatSymbolRefAttr ref, int64_t scale = 0, int64_t offset = 0) {
      return get(ref.getContext(), ref, scale, offset, -1, 0);
    }
    static ArgAttr ref(MLIRContext *context, StringRef name, int64_t scale = 0, int64_t offset = 0) {
      return ref(FlatSymbolRefAttr::get(context, name), scale, offset);
    }
    static ArgAttr launch(MLIRContext *context, LaunchSymbol symbol) {
      return get(context, {}, 0, 0, static_cast<int64_t>(symbol), 0);
    }
    static ArgAttr constant(MLIRContext *context, int64_t value) {
      return get(context, {}, 0, 0, -1, value);
    }
    static FailureOr<ArgAttr> parseBody(AsmParser &parser);
    void printBody(AsmPrinter &printer) const;
  }];
}

#endif // DSV2_EXEC_ATTRS_TD
