//===- Assembly.cpp - pieces of custom assembly --------------------------------===//
//
// Parsers and printers that the formats of several ops call.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/Assembly.h"
#include "dialects/DSV2/IR/ShapeChecks.h"

#include <charconv>

namespace mlir {
namespace dsv2 {

ParseResult parseIntegers(OpAsmParser &parser, DenseI64ArrayAttr &values) {
  SmallVector<int64_t> numbers;
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                     [&] { return parser.parseInteger(numbers.emplace_back()); })) {
    return failure();
  }
  values = parser.getBuilder().getDenseI64ArrayAttr(numbers);
  return success();
}

void printIntegers(OpAsmPrinter &printer, Operation *, DenseI64ArrayAttr values) {
  printer << '[';
  llvm::interleaveComma(values.asArrayRef(), printer);
  printer << ']';
}

ParseResult parseRange(OpAsmParser &parser, RangeAttr &range) {
  range = RangeAttr::parseBare(parser);
  return success(static_cast<bool>(range));
}

void printRange(OpAsmPrinter &printer, Operation *, RangeAttr range) { range.printBare(printer); }

ParseResult parseReal(OpAsmParser &parser, FloatAttr &value) {
  FailureOr<Real> real = parseRealParameter(parser);
  if (failed(real)) {
    return failure();
  }
  value = parser.getBuilder().getF64FloatAttr(real->value);
  return success();
}

void printReal(OpAsmPrinter &printer, Operation *, FloatAttr value) {
  printRealParameter(printer, value.getValueAsDouble());
}

ParseResult parseRope(OpAsmParser &parser, RopeAttr &rope) { return parser.parseAttribute(rope); }

void printRope(OpAsmPrinter &printer, Operation *, RopeAttr rope) { printer.printAttribute(rope); }

ParseResult parseScale(OpAsmParser &parser, AttentionScaleAttr &scale) {
  return parser.parseAttribute(scale);
}

void printScale(OpAsmPrinter &printer, Operation *, AttentionScaleAttr scale) {
  printer.printAttribute(scale);
}

ParseResult parseContext(OpAsmParser &parser, ContextAttr &context) {
  context = dyn_cast_or_null<ContextAttr>(ContextAttr::parse(parser, Type()));
  return success(static_cast<bool>(context));
}

void printContext(OpAsmPrinter &printer, Operation *, ContextAttr context) {
  context.print(printer);
}

ParseResult parseActivation(OpAsmParser &parser, ActivationAttr &activation) {
  activation = dyn_cast_or_null<ActivationAttr>(ActivationAttr::parse(parser, Type()));
  return success(static_cast<bool>(activation));
}

void printActivation(OpAsmPrinter &printer, Operation *, ActivationAttr activation) {
  activation.print(printer);
}

FailureOr<Real> parseRealParameter(AsmParser &parser) {
  double value = 0;
  if (parser.parseFloat(value)) {
    return failure();
  }
  return Real(value);
}

void printRealParameter(AsmPrinter &printer, Real real) {
  char digits[64];
  std::to_chars_result end = std::to_chars(digits, digits + sizeof(digits), real.value);
  StringRef text(digits, end.ptr - digits);
  // MLIR reads a number as a float only if it has a point.
  if (!text.contains('.')) {
    auto [mantissa, exponent] = text.split('e');
    printer << mantissa << ".0";
    if (!exponent.empty()) {
      printer << 'e' << exponent;
    }
    return;
  }
  printer << text;
}

//===----------------------------------------------------------------------===//
// Lists of types
//===----------------------------------------------------------------------===//

/// `, TYPE` where the operand is there.
static ParseResult parseTypeOf(OpAsmParser &parser, const OptionalOperand &operand, Type &type) {
  return operand ? failure(parser.parseComma() || parser.parseType(type)) : ParseResult(success());
}

static void printTypeOf(OpAsmPrinter &printer, Value operand, Type type) {
  if (operand) {
    printer << ", " << type;
  }
}

ParseResult parseLinearTypes(OpAsmParser &parser, OptionalOperand bias, OptionalOperand add,
                             Type &xType, Type &weightType, Type &biasType, Type &addType) {
  return failure(parser.parseType(xType) || parser.parseComma() || parser.parseType(weightType) ||
                 parseTypeOf(parser, bias, biasType) || parseTypeOf(parser, add, addType));
}

void printLinearTypes(OpAsmPrinter &printer, Operation *, Value bias, Value add, Type xType,
                      Type weightType, Type biasType, Type addType) {
  printer << xType << ", " << weightType;
  printTypeOf(printer, bias, biasType);
  printTypeOf(printer, add, addType);
}

ParseResult parseAttentionTypes(OpAsmParser &parser, OptionalOperand qRope, OptionalOperand kRope,
                                Type &qNopeType, Type &qRopeType, Type &kNopeType, Type &kRopeType,
                                Type &vType) {
  return failure(parser.parseType(qNopeType) || parseTypeOf(parser, qRope, qRopeType) ||
                 parser.parseComma() || parser.parseType(kNopeType) ||
                 parseTypeOf(parser, kRope, kRopeType) || parser.parseComma() ||
                 parser.parseType(vType));
}

void printAttentionTypes(OpAsmPrinter &printer, Operation *, Value qRope, Value kRope,
                         Type qNopeType, Type qRopeType, Type kNopeType, Type kRopeType,
                         Type vType) {
  printer << qNopeType;
  printTypeOf(printer, qRope, qRopeType);
  printer << ", " << kNopeType;
  printTypeOf(printer, kRope, kRopeType);
  printer << ", " << vType;
}

ParseResult parsePartTypes(OpAsmParser &parser, ArrayRef<OpAsmParser::UnresolvedOperand> parts,
                           ArrayRef<OpAsmParser::UnresolvedOperand> lses,
                           SmallVectorImpl<Type> &partTypes, SmallVectorImpl<Type> &lseTypes) {
  RankedTensorType type;
  SMLoc location = parser.getCurrentLocation();
  if (parser.parseType(type)) {
    return failure();
  }
  if (!isRowsType(type, 3)) {
    return parser.emitError(location)
           << "the type of a part is " << type << ", expected tensor<?xAxvxf32>";
  }
  partTypes.assign(parts.size(), type);
  lseTypes.assign(lses.size(), rowsOf(parser.getContext(), {type.getDimSize(1)}));
  return success();
}

void printPartTypes(OpAsmPrinter &printer, Operation *, OperandRange, OperandRange,
                    TypeRange partTypes, TypeRange) {
  printer << partTypes.front();
}

} // namespace dsv2
} // namespace mlir
