//===- MemoryOps.td - variants, weights, buffers, code ----------*- tablegen -*-===//
//
// The parts of a variant that programs refer to by name.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_EXEC_MEMORY_OPS_TD
#define DSV2_EXEC_MEMORY_OPS_TD

include "dialects/Exec/IR/ExecAttrs.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"

def Exec_VariantOp : Exec_Op<"variant", [Symbol, SymbolTable, IsolatedFromAbove, SingleBlock,
                                         NoTerminator, NoRegionArguments, HasParent<"ModuleOp">]> {
  let summary = "the model compiled for one target";
  let description = [{
    `driver` names the runtime driver, `tier` the instructions that the code needs, `compute` is "f32"
    or "bf16". The caps bound every step: `max_context` cached tokens of a sequence, `max_batch`
    sequences, `max_step_tokens` rows. `rope_inverse_frequencies` (one a rotary pair) and
    `rope_magnitude` give the step tables of cosine and sine.

    ```mlir
    dsv2_exec.variant @"x86-64-v3" attributes {driver = "cpu", tier = "x86-64-v3", compute = "f32",
        max_context = 8192 : i64, max_batch = 8 : i64, max_step_tokens = 512 : i64,
        rope_inverse_frequencies = array<f32: 1.0, 0.5>, rope_magnitude = 1.0 : f32} {
      ...
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$driver, StrAttr:$tier, StrAttr:$compute,
                       ConfinedAttr<I64Attr, [IntPositive]>:$max_context,
                       ConfinedAttr<I64Attr, [IntPositive]>:$max_batch,
                       ConfinedAttr<I64Attr, [IntPositive]>:$max_step_tokens,
                       DenseF32ArrayAttr:$rope_inverse_frequencies, F32Attr:$rope_magnitude);
  let regions = (region SizedRegion<1>:$bodyRegion);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $bodyRegion";
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "StringRef":$name, "StringRef":$driver, "StringRef":$tier,
                                 "StringRef":$compute, "int64_t":$maxContext, "int64_t":$maxBatch,
                                 "int64_t":$maxStepTokens, "ArrayRef<float>":$ropeInverseFrequencies,
                                 "float":$ropeMagnitude)>];
  let hasRegionVerifier = 1;
}

def Exec_WeightOp : Exec_Op<"weight", [Symbol, HasParent<"VariantOp">]> {
  let summary = "a weight to prepare, or one for each of some layers";
  let description = [{
    `elements` zeros of the type for each layer, then the copies, which convert from the source's type.

    ```mlir
    dsv2_exec.weight @q_a layers 1 to 60 : bf16 elements 7864320
        sources ["model.layers.{l}.self_attn.q_a_proj.weight" : tensor<1536x5120xbf16>]
        copies [0 at 0 to 0 dims [24 : 327680 -> 327680, 64 : 5120 -> 2, 2560 : 2 -> 128, 2 : 1 -> 1]]
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<Exec_LayersAttr>:$layers,
                       TypeAttr:$element_type, ConfinedAttr<I64Attr, [IntPositive]>:$elements,
                       TypedArrayAttrBase<Exec_SourceAttr, "sources">:$sources,
                       TypedArrayAttrBase<Exec_CopyAttr, "copies">:$copies);
  let assemblyFormat = [{
    $sym_name (`layers` custom<Layers>($layers)^)? `:` $element_type `elements` $elements
    `sources` custom<Sources>($sources) `copies` custom<Copies>($copies) attr-dict
  }];
  let hasVerifier = 1;
}

def Exec_KernelOp : Exec_Op<"kernel", [Symbol, SymbolTable, IsolatedFromAbove, SingleBlock,
                                       NoTerminator, NoRegionArguments, HasParent<"VariantOp">]> {
  let summary = "the code of one kind of dispatch";
  let description = [{
    Before codegen: a builder of lib/Codegen with its spec, or the builder "generic" with a function in
    the body. `scratch` are the bytes that each worker needs. After codegen: where its code, or the module
    that holds it, lies in the variant's image, beside a module of text perhaps its `binary` for exactly the
    variant's tier, and on devices with workgroups how many `threads` one has
    and how many bytes it shares, and the tensor maps that it gets after the slots; spec and body may stay
    for the reader.

    ```mlir
    dsv2_exec.kernel @matmul_0 builder "matmul" spec {n = 1536 : i64, k = 5120 : i64} scratch 0
    dsv2_exec.kernel @add_0 builder "generic" scratch 0 { func.func @add_0(...) { ... } }
    dsv2_exec.kernel @matmul_0 builder "matmul" scratch 4096 at 128 size 977
    dsv2_exec.kernel @matmul_1 builder "matmul" scratch 0 threads 128 shared 65536 at 0 size 9728
    dsv2_exec.kernel @matmul_3 builder "matmul" scratch 0 threads 128 shared 0 at 0 size 9728 binary at 16384 size 21000
    dsv2_exec.kernel @matmul_2 builder "matmul" scratch 0 threads 384 shared 65536
        maps [slot 0 columns 2048 row_bytes 4096 box_rows 128 rows_slot 3] at 0 size 9728
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$kernel_builder, OptionalAttr<DictionaryAttr>:$spec,
                       ConfinedAttr<I64Attr, [IntNonNegative]>:$scratch,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$threads,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntNonNegative]>>:$shared,
                       OptionalAttr<TypedArrayAttrBase<Exec_TensorMapAttr, "tensor maps">>:$tensor_maps,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntNonNegative]>>:$offset,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$size,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntNonNegative]>>:$binary_offset,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$binary_size);
  let regions = (region SizedRegion<1>:$bodyRegion);
  let assemblyFormat = [{
    $sym_name `builder` $kernel_builder (`spec` $spec^)? `scratch` $scratch
    (`threads` $threads^ `shared` $shared)? (`maps` custom<TensorMaps>($tensor_maps)^)? (`at` $offset^ `size` $size)?
    (`binary` `at` $binary_offset^ `size` $binary_size)?
    attr-dict-with-keyword `` custom<KernelBody>($bodyRegion)
  }];
  let builders = [
    /// A kernel that a builder makes from its spec.
    OpBuilder<(ins "StringRef":$name, "StringRef":$kernelBuilder, "DictionaryAttr":$spec)>,
    /// A generic kernel: its function goes into the body.
    OpBuilder<(ins "StringRef":$name)>
  ];
  let hasVerifier = 1;
}

def Exec_ImageOp : Exec_Op<"image", [HasParent<"VariantOp">]> {
  let summary = "the native code of a variant's kernels";
  let description = [{
    Of flat code, the first `text` bytes are executable, the rest constants; whole pages of 4096 bytes both.
    An image of format "ptx", "cubin" or "hsaco" holds a module for each kernel and has no text.

    ```mlir
    dsv2_exec.image text 4096 code dense<"0x55...C3"> : tensor<8192xi8>
    dsv2_exec.image format "cubin" text 0 code dense<"0x7F...00"> : tensor<8192xi8>
    ```
  }];
  let arguments = (ins DefaultValuedAttr<StrAttr, "\"flat\"">:$format,
                       ConfinedAttr<I64Attr, [IntNonNegative]>:$text_size, ElementsAttr:$code);
  let assemblyFormat = "(`format` $format^)? `text` $text_size `code` $code attr-dict";
  let builders = [OpBuilder<(ins "StringRef":$format, "int64_t":$textSize,
                                 "ArrayRef<uint8_t>":$bytes)>];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The image's bytes.
    std::vector<uint8_t> getBytes();
  }];
}

def Exec_BufferOp : Exec_Op<"buffer", [Symbol, HasParent<"VariantOp">]> {
  let summary = "memory of a step";
  let description = [{
    An arena buffer is live from one dispatch of its entry up to another (excluded; dispatches are
    numbered in the order of the text, those in a `repeat` once). A table is filled by the runtime before
    a step, an output is read after it: lib/Artifact/StepTables.h lists their names, types and shapes.
    The size counts elements and may not fall as a symbol grows.

    ```mlir
    dsv2_exec.buffer @x : f32 size(T * 5120) live 3 to 9
    dsv2_exec.buffer @positions : i32 size(T) table "positions"
    dsv2_exec.buffer @logits : f32 size(W * 102400) output "logits"
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$element_type, AffineMapAttr:$elements,
                       OptionalAttr<StrAttr>:$table, OptionalAttr<StrAttr>:$output,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntNonNegative]>>:$live_begin,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$live_end);
  let assemblyFormat = [{
    $sym_name `:` $element_type `size` `` custom<LaunchMap>($elements) (`table` $table^)?
    (`output` $output^)? (`live` $live_begin^ `to` $live_end)? attr-dict
  }];
  let builders = [
    /// An arena buffer without live interval.
    OpBuilder<(ins "StringRef":$name, "Type":$elementType, "AffineMap":$elements)>
  ];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    bool isArena() { return !getTable() && !getOutput(); }
  }];
}

def Exec_CacheOp : Exec_Op<"cache", [Symbol, HasParent<"VariantOp">]> {
  let summary = "the paged cache: [layers][pages][page_tokens][row_elements]";
  let description = [{
    ```mlir
    dsv2_exec.cache @cache : bf16 layers 60 page_tokens 64 row_elements 576
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$element_type,
                       ConfinedAttr<I64Attr, [IntPositive]>:$layers,
                       ConfinedAttr<I64Attr, [IntPositive]>:$page_tokens,
                       ConfinedAttr<I64Attr, [IntPositive]>:$row_elements);
  let assemblyFormat = [{
    $sym_name `:` $element_type `layers` $layers `page_tokens` $page_tokens `row_elements` $row_elements
    attr-dict
  }];
  let hasVerifier = 1;
}

#endif // DSV2_EXEC_MEMORY_OPS_TD
