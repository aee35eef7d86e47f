//===- ShapeChecks.cpp - what verifiers and type inference share ---------------===//
//
// Checks of shapes with one form of message, and shared pieces of custom assembly.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/ShapeChecks.h"

#include <charconv>

namespace mlir {
namespace dsv2 {

bool isRowsType(Type type, int64_t rank) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == rank && tensor.isDynamicDim(0) &&
         llvm::none_of(tensor.getShape().drop_front(), ShapedType::isDynamic);
}

bool isWeightType(Type type, int64_t rank) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.hasStaticShape() && (rank < 0 || tensor.getRank() == rank);
}

LogicalResult ShapeChecker::error(const Twine &message) const {
  return emitOptionalError(location, "'dsv2.", opName, "' op ", message);
}

LogicalResult ShapeChecker::equal(const Twine &what, int64_t actual, int64_t expected,
                                  const Twine &why) const {
  if (actual == expected) {
    return success();
  }
  return error(what + " is " + Twine(actual) + ", expected " + Twine(expected) + " (" + why + ")");
}

LogicalResult ShapeChecker::rows(StringRef what, Value value, int64_t rank) const {
  if (isRowsType(value.getType(), rank)) {
    return success();
  }
  return emitOptionalError(location, "'dsv2.", opName, "' op ", what, " is ", value.getType(),
                           ", expected rows of rank ", rank,
                           " (a dynamic dimension, then static ones)");
}

LogicalResult ShapeChecker::weight(StringRef what, Value value, int64_t rank) const {
  if (isWeightType(value.getType(), rank)) {
    return success();
  }
  return emitOptionalError(location, "'dsv2.", opName, "' op ", what, " is ", value.getType(),
                           ", expected a static shape of rank ", rank);
}

RankedTensorType rowsOf(Type element, ArrayRef<int64_t> dims) {
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  shape.append(dims.begin(), dims.end());
  return RankedTensorType::get(shape, element);
}

RankedTensorType rowsOf(MLIRContext *context, ArrayRef<int64_t> dims) {
  return rowsOf(Float32Type::get(context), dims);
}

LogicalResult verifyEps(Operation *op, const APFloat &eps) {
  if (eps.isFinite() && !eps.isNegative() && !eps.isZero()) {
    return success();
  }
  return op->emitOpError("eps is ") << eps.convertToDouble() << ", expected a positive number";
}

LogicalResult verifyCacheLayer(Operation *op, CacheType cache, Value layer) {
  RangeAttr range = getRangeOfLayer(layer);
  if (!range || (range.getBegin() >= 0 && range.getEnd() <= cache.getLayers())) {
    return success();
  }
  return op->emitOpError("layers ") << range.getBegin() << " to " << range.getEnd()
                                    << " index a cache of " << cache.getLayers() << " layers";
}

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

} // namespace dsv2

} // namespace mlir
