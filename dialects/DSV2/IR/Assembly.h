//===- Assembly.h - pieces of custom assembly ----------------------*- C++ -*-===//
//
// What the declarative formats of several ops call. Types that follow from others are not printed,
// and those of optional operands are printed where the operands are.
//
//===----------------------------------------------------------------------===//

#ifndef DIALECTS_DSV2_IR_ASSEMBLY_H
#define DIALECTS_DSV2_IR_ASSEMBLY_H

#include "dialects/DSV2/IR/DSV2.h"

namespace mlir {
namespace dsv2 {

/// `[128, 64]`.
ParseResult parseIntegers(OpAsmParser &parser, DenseI64ArrayAttr &values);
void printIntegers(OpAsmPrinter &printer, Operation *op, DenseI64ArrayAttr values);
/// `1 to 60 step 2`.
ParseResult parseRange(OpAsmParser &parser, RangeAttr &range);
void printRange(OpAsmPrinter &printer, Operation *op, RangeAttr range);
/// `1.0e-06`: an f64 in its shortest form.
ParseResult parseReal(OpAsmParser &parser, FloatAttr &value);
void printReal(OpAsmPrinter &printer, Operation *op, FloatAttr value);
/// `#rope` and `#scale`: the module's aliases.
ParseResult parseRope(OpAsmParser &parser, RopeAttr &rope);
void printRope(OpAsmPrinter &printer, Operation *op, RopeAttr rope);
ParseResult parseScale(OpAsmParser &parser, AttentionScaleAttr &scale);
void printScale(OpAsmPrinter &printer, Operation *op, AttentionScaleAttr scale);

/// `<begin = 0, end = 256>`: in full, but without the name (which MLIR would read a type behind).
ParseResult parseContext(OpAsmParser &parser, ContextAttr &context);
void printContext(OpAsmPrinter &printer, Operation *op, ContextAttr context);
ParseResult parseActivation(OpAsmParser &parser, ActivationAttr &activation);
void printActivation(OpAsmPrinter &printer, Operation *op, ActivationAttr activation);

using OptionalOperand = std::optional<OpAsmParser::UnresolvedOperand>;

/// Types of x and weight, then those of bias and add where they are.
ParseResult parseLinearTypes(OpAsmParser &parser, OptionalOperand bias, OptionalOperand add,
                             Type &xType, Type &weightType, Type &biasType, Type &addType);
void printLinearTypes(OpAsmPrinter &printer, Operation *op, Value bias, Value add, Type xType,
                      Type weightType, Type biasType, Type addType);
/// Types of q_nope, q_rope, k_nope, k_rope and v, without those of absent operands.
ParseResult parseAttentionTypes(OpAsmParser &parser, OptionalOperand qRope, OptionalOperand kRope,
                                Type &qNopeType, Type &qRopeType, Type &kNopeType, Type &kRopeType,
                                Type &vType);
void printAttentionTypes(OpAsmPrinter &printer, Operation *op, Value qRope, Value kRope,
                         Type qNopeType, Type qRopeType, Type kNopeType, Type kRopeType,
                         Type vType);
/// The type of every part [?,A,v]; each lse is [?,A] f32.
ParseResult parsePartTypes(OpAsmParser &parser, ArrayRef<OpAsmParser::UnresolvedOperand> parts,
                           ArrayRef<OpAsmParser::UnresolvedOperand> lses,
                           SmallVectorImpl<Type> &partTypes, SmallVectorImpl<Type> &lseTypes);
void printPartTypes(OpAsmPrinter &printer, Operation *op, OperandRange parts, OperandRange lses,
                    TypeRange partTypes, TypeRange lseTypes);

} // namespace dsv2
} // namespace mlir

#endif // DIALECTS_DSV2_IR_ASSEMBLY_H
