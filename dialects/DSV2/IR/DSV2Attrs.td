//===- DSV2Attrs.td - rope, attention scale, gate methods ------*- tablegen -*-===//
//
// The numbers that models of this family get wrong silently are typed attributes here, and their
// verifiers recompute what follows from them.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_ATTRS_TD
#define DSV2_ATTRS_TD

include "dialects/DSV2/IR/DSV2Dialect.td"
include "mlir/IR/EnumAttr.td"

class DSV2_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<DSV2_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

// A finite f64, printed in the shortest form that reads back to the same bits.
def DSV2_Real : AttrOrTypeParameter<"::mlir::dsv2::Real", "a finite f64"> {
  let parser = "::mlir::dsv2::parseRealParameter($_parser)";
  let printer = "::mlir::dsv2::printRealParameter($_printer, $_self)";
  let cppAccessorType = "double";
}

//===----------------------------------------------------------------------===//
// Ranges
//===----------------------------------------------------------------------===//

def DSV2_RangeAttr : DSV2_Attr<"Range", "range"> {
  let summary = "numbers of layers or experts: from begin, below end, by step";
  let parameters = (ins "int64_t":$begin, "int64_t":$end, "int64_t":$step);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let builders = [AttrBuilder<(ins "int64_t":$begin, "int64_t":$end), [{
    return $_get($_ctxt, begin, end, 1);
  }]>];
  let extraClassDeclaration = [{
    bool contains(int64_t number) const;
    /// True when every number of `other` is one of this range.
    bool contains(RangeAttr other) const;
    int64_t size() const;
    /// The largest number.
    int64_t getLast() const { return getBegin() + (size() - 1) * getStep(); }

    /// `1 to 60` or `0 to 60 step 2`, without brackets, as ops print it.
    static RangeAttr parseBare(::mlir::AsmParser &parser);
    void printBare(::mlir::AsmPrinter &printer) const;
  }];
}

//===----------------------------------------------------------------------===//
// Rotary position embedding
//===----------------------------------------------------------------------===//

def DSV2_YarnAttr : DSV2_Attr<"Yarn", "yarn"> {
  let summary = "YaRN's stretching of rotary frequencies (arXiv:2309.00071)";
  let description = [{
    Both mscale factors are always spelled out: leaving one to a default is how the softmax scale
    of MLA models is most often lost.
  }];
  let parameters = (ins DSV2_Real:$factor, "int64_t":$original, DSV2_Real:$beta_fast,
                        DSV2_Real:$beta_slow, DSV2_Real:$mscale, DSV2_Real:$mscale_all_dim);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def DSV2_RopeLayout : I32EnumAttr<"RopeLayout", "which two elements rotate together", [
    I32EnumAttrCase<"adjacent_pairs", 0>, I32EnumAttrCase<"halves", 1>]> {
  let cppNamespace = "::mlir::dsv2";
}

def DSV2_RopeAttr : DSV2_Attr<"Rope", "rope"> {
  let summary = "rotary position embedding of one width";
  let description = [{
    `inv_freq` holds the angle of each pair at position 1 in f32 and `magnitude` multiplies cosine
    and sine. Both follow from the other parameters; they are stored because angles are part of the
    meaning (rounded otherwise, far positions move), and the verifier recomputes them and compares
    bits.

    ```mlir
    #dsv2.rope<theta = 10000.0, layout = adjacent_pairs, magnitude = 1.0,
               inv_freq = dense<[1.0, 0.01]> : tensor<2xf32>>
    ```
  }];
  let parameters = (ins DSV2_Real:$theta,
      EnumParameter<DSV2_RopeLayout>:$layout, DSV2_Real:$magnitude,
      "::mlir::DenseFPElementsAttr":$inv_freq, OptionalParameter<"::mlir::dsv2::YarnAttr">:$yarn);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let builders = [AttrBuilder<(ins "int64_t":$width, "double":$theta,
                                   "::mlir::dsv2::RopeLayout":$layout,
                                   CArg<"::mlir::dsv2::YarnAttr", "{}">:$yarn)>];
  let extraClassDeclaration = [{
    /// Elements that rotate: twice the number of frequencies.
    int64_t getWidth() const { return 2 * getInvFreq().getNumElements(); }
  }];
}

def DSV2_AttentionScaleAttr : DSV2_Attr<"AttentionScale", "attention_scale"> {
  let summary = "the factor of attention scores";
  let description = [{
    `head_width`^-0.5, times the square of 0.1 * mscale_all_dim * ln(factor) + 1 where
    `mscale_all_dim` is not 0 (without YaRN: factor 1, mscale_all_dim 0). `head_width` is the width
    of q, nope and rope together, whatever form the attention has.
  }];
  let parameters = (ins "int64_t":$head_width, DSV2_Real:$factor, DSV2_Real:$mscale_all_dim);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    double getValue() const;
  }];
}

def DSV2_ContextAttr : DSV2_Attr<"Context", "context"> {
  let summary = "a part of each sequence's cached tokens: from begin, below end (absent: open)";
  let description = [{
    Tokens are counted in the order of the cache, from 0 in each sequence. A row sees those of the
    part that are not behind it; there may be none.

    ```mlir
    #dsv2.context<begin = 256>
    #dsv2.context<begin = 0, end = 256>
    ```
  }];
  let parameters = (ins "int64_t":$begin, OptionalParameter<"std::optional<int64_t>">:$end);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Rounding of activations
//===----------------------------------------------------------------------===//

def DSV2_ScaleRule : I32EnumAttr<"ScaleRule", "how a group's scale follows from its amax", [
    I32EnumAttrCase<"amax", 0>, I32EnumAttrCase<"ue8m0", 1>]> {
  let cppNamespace = "::mlir::dsv2";
}

def DSV2_ActivationAttr : DSV2_Attr<"Activation", "activation"> {
  let summary = "the rounding of the first operand of a contraction, group by group";
  let description = [{
    Each row is cut into groups of `group` elements (0: the whole row; the last may be short). A
    group has the scale s = max(amax, 1e-4) / M, where amax is its largest magnitude and M the
    largest of the stored type (448 for f8E4M3FN, 127 for i8); with `ue8m0`, s is 2^ceil(log2 s) of
    that. Each element x becomes s * round(x / s), to nearest even. An MLP rounds its input and the
    product that meets `down`.

    The oracle rounds only when it is asked to round (`--round`).

    ```mlir
    #dsv2.activation<f8E4M3FN, group = 128, scale = amax>
    ```
  }];
  let parameters = (ins "::mlir::Type":$stored, "int64_t":$group,
                        EnumParameter<DSV2_ScaleRule>:$scale);
  let assemblyFormat = "`<` $stored `,` struct($group, $scale) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The largest magnitude that the stored type holds: 448 or 127.
    double getStoredMax() const;
  }];
}

//===----------------------------------------------------------------------===//
// Gate methods
//===----------------------------------------------------------------------===//

def DSV2_GateMethodInterface : AttrInterface<"GateMethodInterface"> {
  let cppNamespace = "::mlir::dsv2";
  let description = "How a gate picks experts from its scores.";
  let methods = [
    InterfaceMethod<"experts chosen for each token", "int64_t", "getTopK">,
    InterfaceMethod<"groups that the experts are divided into (1: none)", "int64_t", "getGroups">,
    InterfaceMethod<"groups kept before experts are chosen", "int64_t", "getKeep">,
    InterfaceMethod<"scores are sigmoids, and choices are corrected by the gate's bias; otherwise "
                    "scores are a softmax and there is no bias", "bool", "correctsByBias", (ins), "",
                    "return false;">,
    InterfaceMethod<"checks the method against the number of experts", "::llvm::LogicalResult",
      "verifyExperts", (ins "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emitError,
                            "int64_t":$experts)>,
  ];
}

def DSV2_GreedyAttr : DSV2_Attr<"Greedy", "greedy",
                             [DSV2_GateMethodInterface]> {
  let summary = "softmax over all experts, then the top_k largest";
  let parameters = (ins "int64_t":$top_k);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getGroups() const { return 1; }
    int64_t getKeep() const { return 1; }
    ::llvm::LogicalResult
    verifyExperts(::llvm::function_ref<::mlir::InFlightDiagnostic()> emitError, int64_t experts) const;
  }];
}

def DSV2_GroupLimitedAttr : DSV2_Attr<"GroupLimited", "group_limited",
                                   [DSV2_GateMethodInterface]> {
  let summary = "softmax, the best `keep` of `groups` by largest score, then top_k within them";
  let description = "DeepSeek-V2's device-limited routing (arXiv:2405.04434, section 2.2.2).";
  let parameters = (ins "int64_t":$groups, "int64_t":$keep, "int64_t":$top_k);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    ::llvm::LogicalResult
    verifyExperts(::llvm::function_ref<::mlir::InFlightDiagnostic()> emitError, int64_t experts) const;
  }];
}

def DSV2_NoauxTCAttr : DSV2_Attr<"NoauxTC", "noaux_tc",
                                 [DSV2_GateMethodInterface]> {
  let summary = "sigmoid, the best `keep` of `groups` by their two largest, then top_k within them";
  let description = [{
    DeepSeek-V3's routing without an auxiliary loss (arXiv:2412.19437, section 2.1.2). Groups and
    experts are compared by score + bias; a group counts the sum of its two largest, so it has at
    least two experts.
  }];
  let parameters = (ins "int64_t":$groups, "int64_t":$keep, "int64_t":$top_k);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    bool correctsByBias() const { return true; }
    ::llvm::LogicalResult
    verifyExperts(::llvm::function_ref<::mlir::InFlightDiagnostic()> emitError, int64_t experts) const;
  }];
}

#endif // DSV2_ATTRS_TD
