//===- StructureOps.cpp - layers, tokens in, wanted rows out -------------------===//
//
// The loop over layers with its syntax, and the ops at both ends of a step.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/ShapeChecks.h"

namespace mlir {
namespace dsv2 {

//===----------------------------------------------------------------------===//
// LayersOp
//===----------------------------------------------------------------------===//

void LayersOp::build(OpBuilder &builder, OperationState &state, RangeAttr range, ValueRange inits) {
  state.addAttribute(getRangeAttrName(state.name), range);
  state.addOperands(inits);
  state.addTypes(inits.getTypes());
  Block &body = state.addRegion()->emplaceBlock();
  body.addArgument(builder.getIndexType(), state.location);
  for (Value init : inits) {
    body.addArgument(init.getType(), init.getLoc());
  }
}

void LayersOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  setName(getLayer(), "l");
  for (BlockArgument carried : getCarried()) {
    setName(carried, isa<CacheType>(carried.getType()) ? "cache" : "x");
  }
}

ParseResult LayersOp::parse(OpAsmParser &parser, OperationState &state) {
  SmallVector<OpAsmParser::Argument> arguments(1);
  SmallVector<OpAsmParser::UnresolvedOperand> inits;
  arguments[0].type = parser.getBuilder().getIndexType();
  if (parser.parseArgument(arguments[0]) || parser.parseEqual()) {
    return failure();
  }
  RangeAttr range = RangeAttr::parseBare(parser);
  if (!range) {
    return failure();
  }
  state.addAttribute(getRangeAttrName(state.name), range);
  if (succeeded(parser.parseOptionalKeyword("carry"))) {
    SmallVector<OpAsmParser::Argument> carried;
    SmallVector<Type> types;
    SMLoc location = parser.getCurrentLocation();
    if (parser.parseAssignmentList(carried, inits) || parser.parseColonTypeList(types)) {
      return failure();
    }
    if (types.size() != inits.size()) {
      return parser.emitError(location)
             << inits.size() << " carried values but " << types.size() << " types";
    }
    for (auto [argument, type] : llvm::zip(carried, types)) {
      argument.type = type;
      arguments.push_back(argument);
    }
    state.addTypes(types);
    if (parser.resolveOperands(inits, types, location, state.operands)) {
      return failure();
    }
  }
  if (parser.parseOptionalAttrDictWithKeyword(state.attributes)) {
    return failure();
  }
  return parser.parseRegion(*state.addRegion(), arguments);
}

void LayersOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  printer.printRegionArgument(getBody()->getArgument(0), {}, /*omitType=*/true);
  printer << " = ";
  getRange().printBare(printer);
  if (!getInits().empty()) {
    printer << " carry(";
    llvm::interleaveComma(llvm::zip(getCarried(), getInits()), printer, [&](auto pair) {
      printer << std::get<0>(pair) << " = " << std::get<1>(pair);
    });
    printer << ") : ";
    llvm::interleaveComma(getInits().getTypes(), printer, [&](Type type) { printer << type; });
  }
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {getRangeAttrName()});
  printer << ' ';
  printer.printRegion(getRegion(), /*printEntryBlockArgs=*/false);
}

/// Fails unless two lists of types agree; names what each is.
static LogicalResult sameTypes(LayersOp op, StringRef rule, StringRef what, TypeRange actual,
                               TypeRange expected) {
  if (llvm::equal(actual, expected)) {
    return success();
  }
  return op.emitOpError() << what << " of types (" << actual << "), expected (" << expected
                          << ") as the carried values [" << rule << "]";
}

LogicalResult LayersOp::verify() {
  TypeRange arguments = getBody()->getArgumentTypes();
  if (arguments.empty() || !arguments[0].isIndex()) {
    return emitOpError("the body's first argument must be an index, the layer's number [layers.4]");
  }
  if (failed(
          sameTypes(*this, "layers.1", "has results", getResultTypes(), getInits().getTypes()))) {
    return failure();
  }
  return sameTypes(*this, "layers.2", "has a body with arguments", arguments.drop_front(),
                   getInits().getTypes());
}

LogicalResult LayersOp::verifyRegions() {
  auto yield = dyn_cast<YieldOp>(getBody()->back());
  if (!yield) {
    return emitOpError("the body must end with dsv2.yield [layers.5]");
  }
  return sameTypes(*this, "layers.3", "yields values", yield.getOperandTypes(),
                   getInits().getTypes());
}

//===----------------------------------------------------------------------===//
// EmbedOp, SelectRowsOp
//===----------------------------------------------------------------------===//

LogicalResult EmbedOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                        Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "embed");
  if (failed(check.rows("tokens", adaptor.getTokens(), 1)) ||
      failed(check.weight("the embedding", adaptor.getWeight(), 2))) {
    return failure();
  }
  types.push_back(rowsOf(context, {dim(adaptor.getWeight(), 1)}));
  return success();
}

LogicalResult SelectRowsOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                             Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getX().getType());
  return success();
}

} // namespace dsv2
} // namespace mlir
