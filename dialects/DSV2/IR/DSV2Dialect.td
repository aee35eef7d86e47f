//===- DSV2Dialect.td - the dsv2 dialect and what its ops share -*- tablegen -*-===//
//
// The dialect itself, the kinds of tensors that its ops take, and the base class of the ops.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_DIALECT_TD
#define DSV2_DIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/OpAsmInterface.td"
include "dialects/DSV2/IR/CostInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def DSV2_Dialect : Dialect {
  let name = "dsv2";
  let cppNamespace = "::mlir::dsv2";
  let summary = "what a DeepSeek-V2 model computes";
  let description = [{
    Tensors and value semantics, no target: no op has a memory effect (all are `Pure`; `layers` has
    those of its body). What is written, the cache, is a value that one op consumes and makes anew.
    A value whose leading dimension is `?` has one row for each token of the step (or of the
    cache). Weights are symbols: a family names one tensor of each layer of a range, and its bytes
    never enter the IR.

    A module that holds a model carries `dsv2.stage`, the stage of the pipeline
    that it has reached, and `dsv2.model`, the facts about the model that no op carries
    (`name`, `max_context`, `vocab`, `bos`, `eos`). Once it is chosen, `dsv2.compute` names the
    compute type.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::tensor::TensorDialect"];
  let extraClassDeclaration = [{
    /// Names of the module attributes.
    static constexpr ::llvm::StringLiteral kStageAttr = "dsv2.stage";
    static constexpr ::llvm::StringLiteral kModelAttr = "dsv2.model";
    static constexpr ::llvm::StringLiteral kComputeAttr = "dsv2.compute";

    void registerAttributes();
    void registerTypes();
  }];
}

// A tensor with a row for each token: tensor<?x...xT>, all other dimensions static.
class DSV2_Rows<list<Type> elements, int rank, string name> : Type<
    And<[CPred<"::mlir::dsv2::isRowsType($_self, " # rank # ")">,
         SubstLeaves<"$_self", "::llvm::cast<::mlir::ShapedType>($_self).getElementType()",
                     AnyTypeOf<elements>.predicate>]>,
    name, "::mlir::RankedTensorType">;

def DSV2_Float : Type<AnyTypeOf<[F32, BF16]>.predicate, "f32 or bf16 [type.19]">;
def DSV2_Rows2 : DSV2_Rows<[F32, BF16], 2, "rows of values (tensor<?xWxf32> or bf16) [type.1]">;
def DSV2_Rows3 : DSV2_Rows<[F32, BF16], 3, "rows of heads (tensor<?xAxWxf32> or bf16) [type.2]">;
def DSV2_RowsAny : Type<Or<[DSV2_Rows2.predicate, DSV2_Rows3.predicate]>,
    "rows of values or of heads (tensor<?xWxf32>, tensor<?xAxWxf32> or bf16) [type.3]",
    "::mlir::RankedTensorType">;
def DSV2_Rows2F32 : DSV2_Rows<[F32], 2, "rows of f32 values (tensor<?xWxf32>) [type.4]">;
def DSV2_Rows3F32 : DSV2_Rows<[F32], 3, "rows of f32 heads (tensor<?xAxWxf32>) [type.5]">;
def DSV2_Ids : DSV2_Rows<[I32], 2, "rows of expert numbers (tensor<?xKxi32>) [type.6]">;
def DSV2_Tokens : DSV2_Rows<[I32], 1, "token ids (tensor<?xi32>) [type.7]">;

// A weight: every dimension static. Where it may be quantized, its last two dimensions hold blocks,
// so it has at least two.
class DSV2_WeightOf<int rank, list<Type> elements, string name> : Type<
    And<[CPred<"::mlir::dsv2::isWeightType($_self, " # rank # ")">,
         SubstLeaves<"$_self", "::llvm::cast<::mlir::ShapedType>($_self).getElementType()",
                     AnyTypeOf<elements>.predicate>]>,
    name, "::mlir::RankedTensorType">;

def DSV2_ScaledElement : Type<CPred<"::llvm::isa<::mlir::dsv2::ScaledType>($_self)">,
                              "a quantized element", "::mlir::dsv2::ScaledType">;
def DSV2_Weight1 : DSV2_WeightOf<1, [F32, BF16], 
    "a weight of rank 1 (static shape, f32 or bf16) [type.8]">;
def DSV2_Weight1F32 : DSV2_WeightOf<1, [F32], "a weight of rank 1 (static shape, f32) [type.9]">;
def DSV2_Weight2 : DSV2_WeightOf<2, [F32, BF16, DSV2_ScaledElement],
    "a weight of rank 2 (static shape, f32, bf16 or !dsv2.scaled) [type.10]">;
def DSV2_Weight2Float : DSV2_WeightOf<2, [F32, BF16],
    "a weight of rank 2 (static shape, f32 or bf16) [type.11]">;
def DSV2_Weight3 : DSV2_WeightOf<3, [F32, BF16, DSV2_ScaledElement],
    "a weight of rank 3 (static shape, f32, bf16 or !dsv2.scaled) [type.12]">;
// Rank -1: any rank.
def DSV2_WeightFloat : DSV2_WeightOf<-1, [F32, BF16], 
    "a weight (static shape, f32 or bf16) [type.13]">;
def DSV2_WeightScaled : DSV2_WeightOf<-1, [DSV2_ScaledElement],
    "a quantized weight (static shape of rank 2 or more, !dsv2.scaled) [type.14]">;
def DSV2_WeightAny : DSV2_WeightOf<-1, [F32, BF16, DSV2_ScaledElement],
    "a weight (static shape, f32, bf16 or !dsv2.scaled) [type.15]">;

// What a cast takes and makes: rows or weights.
def DSV2_FloatTensor : Type<RankedTensorOf<[F32, BF16]>.predicate,
    "a tensor of f32 or bf16 [type.16]", "::mlir::RankedTensorType">;

// Holds for every op that may touch a cache: each cache value is consumed once, and reads of it
// come before that, in the same block.
def DSV2_LinearCache : NativeOpTrait<"LinearCache"> {
  let cppNamespace = "::mlir::dsv2";
}

class DSV2_Op<string mnemonic, list<Trait> traits = []> : Op<DSV2_Dialect, mnemonic, traits>;

// An op of the step function whose result types follow from its operands.
class DSV2_StepOp<string mnemonic, list<Trait> traits = []>
    : DSV2_Op<mnemonic, !listconcat(traits, [Pure, DSV2_LinearCache, InferTypeOpAdaptor,
                                          DeclareOpInterfaceMethods<DSV2_CostOpInterface>])>;

#endif // DSV2_DIALECT_TD
