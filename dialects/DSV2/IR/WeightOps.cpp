//===- WeightOps.cpp - families of weights -------------------------------------===//
//
// A family is a symbol with a type and a range of layers; a use must fit both.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/ShapeChecks.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

namespace mlir {
namespace dsv2 {

RankedTensorType getFamilyType(Operation *family) {
  if (auto weights = dyn_cast<WeightsOp>(family)) {
    return weights.getValueType();
  }
  return cast<PrepareOp>(family).getValueType();
}

RangeAttr getFamilyLayers(Operation *family) {
  if (auto weights = dyn_cast<WeightsOp>(family)) {
    return weights.getLayersAttr();
  }
  return cast<PrepareOp>(family).getLayersAttr();
}

//===----------------------------------------------------------------------===//
// WeightsOp
//===----------------------------------------------------------------------===//

RankedTensorType WeightsOp::getTensorType() { return cast<RankedTensorType>(getType()); }

RankedTensorType WeightsOp::getValueType() {
  RankedTensorType type = getTensorType();
  if (!getExpertsAttr()) {
    return type;
  }
  SmallVector<int64_t> shape{getExpertsAttr().size()};
  shape.append(type.getShape().begin(), type.getShape().end());
  return RankedTensorType::get(shape, type.getElementType());
}

static void replaceAll(std::string &text, StringRef pattern, int64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = text.find(pattern.str()); at != std::string::npos;
       at = text.find(pattern.str(), at + digits.size())) {
    text.replace(at, pattern.size(), digits);
  }
}

/// The name of one tensor of the family, from the pattern of all.
static std::string nameOf(WeightsOp family, StringRef pattern, int64_t layer, int64_t expert) {
  std::string name = pattern.str();
  if (family.getLayersAttr()) {
    replaceAll(name, "{l}", layer);
  }
  if (family.getExpertsAttr()) {
    replaceAll(name, "{e}", expert);
  }
  return name;
}

std::string WeightsOp::getTensorName(int64_t layer, int64_t expert) {
  return nameOf(*this, getSource(), layer, expert);
}

std::string WeightsOp::getScalesName(int64_t layer, int64_t expert) {
  return nameOf(*this, *getScales(), layer, expert);
}

/// A pattern has a place for each range of the family, and for no other.
static LogicalResult verifyPattern(WeightsOp family, StringRef pattern) {
  for (auto [place, range, what] : {std::tuple("{l}", family.getLayersAttr(), "layers"),
                                    std::tuple("{e}", family.getExpertsAttr(), "experts")}) {
    bool named = pattern.contains(place);
    if (named && !range) {
      return family.emitOpError("the name \"")
             << pattern << "\" has " << place << ", expected a range of " << what << " [weights.1]";
    }
    if (!named && range) {
      return family.emitOpError("has a range of ")
             << what << ", expected " << place << " in the name \"" << pattern << "\" [weights.2]";
    }
  }
  return success();
}

LogicalResult WeightsOp::verify() {
  bool scaled = isa<ScaledType>(getTensorType().getElementType());
  if (scaled && !getScales()) {
    return emitOpError("is quantized, expected `scales` and the name of its tensor of scales "
                       "[weights.3]");
  }
  if (!scaled && getScales()) {
    return emitOpError("has scales \"") << *getScales() << "\", expected none with elements of "
                                        << getTensorType().getElementType() << " [weights.4]";
  }
  if (failed(verifyPattern(*this, getSource()))) {
    return failure();
  }
  return scaled ? verifyPattern(*this, *getScales()) : success();
}

//===----------------------------------------------------------------------===//
// PrepareOp
//===----------------------------------------------------------------------===//

void PrepareOp::build(OpBuilder &builder, OperationState &state, StringRef name, RangeAttr layers,
                      RankedTensorType type) {
  state.addAttribute(getSymNameAttrName(state.name), builder.getStringAttr(name));
  state.addAttribute(getTypeAttrName(state.name), TypeAttr::get(type));
  Block &body = state.addRegion()->emplaceBlock();
  if (layers) {
    state.addAttribute(getLayersAttrName(state.name), layers);
    body.addArgument(builder.getIndexType(), NameLoc::get(builder.getStringAttr("l")));
  }
}

void PrepareOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  if (Value layer = getLayer()) {
    setName(layer, "l");
  }
}

RankedTensorType PrepareOp::getValueType() { return cast<RankedTensorType>(getType()); }

Value PrepareOp::getLayer() {
  return getBody()->getNumArguments() == 0 ? Value() : Value(getBody()->getArgument(0));
}

Value PrepareOp::getYielded() { return getBody()->getTerminator()->getOperand(0); }

ParseResult PrepareOp::parse(OpAsmParser &parser, OperationState &state) {
  StringAttr name;
  if (parser.parseSymbolName(name, getSymNameAttrName(state.name), state.attributes)) {
    return failure();
  }
  SmallVector<OpAsmParser::Argument> arguments;
  if (succeeded(parser.parseOptionalKeyword("layers"))) {
    OpAsmParser::Argument &layer = arguments.emplace_back();
    if (parser.parseArgument(layer) || parser.parseEqual()) {
      return failure();
    }
    layer.type = parser.getBuilder().getIndexType();
    RangeAttr range = RangeAttr::parseBare(parser);
    if (!range) {
      return failure();
    }
    state.addAttribute(getLayersAttrName(state.name), range);
  }
  RankedTensorType type;
  if (parser.parseColonType(type) || parser.parseOptionalAttrDictWithKeyword(state.attributes)) {
    return failure();
  }
  state.addAttribute(getTypeAttrName(state.name), TypeAttr::get(type));
  return parser.parseRegion(*state.addRegion(), arguments);
}

void PrepareOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  printer.printSymbolName(getSymName());
  if (getLayersAttr()) {
    printer << " layers ";
    printer.printRegionArgument(getBody()->getArgument(0), {}, /*omitType=*/true);
    printer << " = ";
    getLayersAttr().printBare(printer);
  }
  printer << " : " << getType();
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(), {getSymNameAttrName(), getLayersAttrName(), getTypeAttrName()});
  printer << ' ';
  printer.printRegion(getRegion(), /*printEntryBlockArgs=*/false);
}

LogicalResult PrepareOp::verify() {
  TypeRange arguments = getBody()->getArgumentTypes();
  if (getLayersAttr() && (arguments.size() != 1 || !arguments[0].isIndex())) {
    return emitOpError("a body with layers takes one index, the layer's number [prepare.1]");
  }
  if (!getLayersAttr() && !arguments.empty()) {
    return emitOpError("a body without layers takes no argument [prepare.2]");
  }
  return success();
}

static bool isUnit(ArrayRef<int64_t> strides) {
  return llvm::all_of(strides, [](int64_t stride) { return stride == 1; });
}

/// Data movement and roundings only: what the tables of a weight preparation can express.
static LogicalResult verifyPrepareOp(Operation &op) {
  if (isa<WeightOp, DequantizeOp, QuantizeOp, YieldOp>(op)) {
    return success();
  }
  for (Value operand : op.getOperands()) {
    if (isa<ScaledType>(getElementTypeOrSelf(operand.getType()))) {
      return op.emitOpError("in a dsv2.prepare takes ")
             << operand.getType() << ", expected a dsv2.dequantize before it [prepare.3]";
    }
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    if (!slice.getType().hasStaticShape() || !slice.getOperands().drop_front().empty()) {
      return slice.emitOpError(
          "in a dsv2.prepare takes static offsets, sizes and strides [prepare.4]");
    }
    if (!isUnit(slice.getStaticStrides())) {
      return slice.emitOpError("in a dsv2.prepare takes unit strides [prepare.5]");
    }
    return success();
  }
  if (isa<TransposeOp, CastOp, tensor::ConcatOp, tensor::ExpandShapeOp, tensor::CollapseShapeOp>(
          op)) {
    return success();
  }
  return op.emitOpError(
      "is not one of the ops that a dsv2.prepare may hold: dsv2.weight, dsv2.cast, "
      "dsv2.dequantize, dsv2.quantize, dsv2.transpose, tensor.extract_slice, tensor.concat, "
      "tensor.expand_shape, "
      "tensor.collapse_shape [prepare.6]");
}

LogicalResult PrepareOp::verifyRegions() {
  for (Operation &op : *getBody()) {
    if (failed(verifyPrepareOp(op))) {
      return failure();
    }
  }
  auto yield = dyn_cast<YieldOp>(getBody()->back());
  if (!yield || yield.getNumOperands() != 1 || yield.getOperand(0).getType() != getType()) {
    return emitOpError("must yield one value of its type ") << getType() << " [prepare.7]";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// WeightOp, TransposeOp
//===----------------------------------------------------------------------===//

void WeightOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  // @moe.kv_a is %w.kv_a within its layers.
  StringRef name = getFamily().contains('.') ? getFamily().rsplit('.').second : getFamily();
  setName(getResult(), ("w." + name).str());
}

LogicalResult WeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  Operation *family = symbols.lookupNearestSymbolFrom(*this, getFamilyAttr());
  if (!isa_and_nonnull<WeightsOp, PrepareOp>(family)) {
    return emitOpError("@") << getFamily() << " names no dsv2.weights or dsv2.prepare [weight.1]";
  }
  if (isa<PrepareOp>(family) && (*this)->getParentOfType<PrepareOp>()) {
    return emitOpError("@")
           << getFamily()
           << " is a dsv2.prepare, expected a checkpoint family in a prepare body [weight.2]";
  }
  RankedTensorType type = getFamilyType(family);
  if (getResult().getType() != type) {
    InFlightDiagnostic error = emitOpError("is of ")
                               << getResult().getType() << ", expected " << type << " [weight.3]";
    error.attachNote(family->getLoc()) << "the family stands here";
    return error;
  }
  RangeAttr layers = getFamilyLayers(family);
  if (static_cast<bool>(layers) != static_cast<bool>(getLayer())) {
    return emitOpError("@") << getFamily()
                            << (layers ? " has layers, expected an index"
                                       : " has no layers, expected no index")
                            << " [weight.4]";
  }
  if (layers && failed(verifyLayerNumbers(*this, getLayer()))) {
    return failure();
  }
  RangeAttr used = layers ? getRangeOfLayer(getLayer()) : RangeAttr();
  if (used && !layers.contains(used)) {
    return emitOpError("layers ") << used.getBegin() << " to " << used.getEnd() << " index @"
                                  << getFamily() << " of layers " << layers.getBegin() << " to "
                                  << layers.getEnd() << " [weight.5]";
  }
  return success();
}

LogicalResult TransposeOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  ShapeChecker check(location, "transpose");
  auto source = cast<RankedTensorType>(adaptor.getSource().getType());
  ArrayRef<int64_t> permutation = adaptor.getPermutation();
  if (failed(check.equal("transpose.1", "the permutation's length", permutation.size(),
                         source.getRank(), "the source's rank"))) {
    return failure();
  }
  SmallVector<bool> seen(permutation.size(), false);
  SmallVector<int64_t> shape;
  for (int64_t from : permutation) {
    if (from < 0 || from >= source.getRank() || seen[from]) {
      return check.error("transpose.2", "the permutation must name each dimension once");
    }
    seen[from] = true;
    shape.push_back(source.getDimSize(from));
  }
  types.push_back(RankedTensorType::get(shape, source.getElementType()));
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  ArrayRef<int64_t> permutation = getPermutation();
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, permutation.size()))) {
    return getSource();
  }
  auto inner = getSource().getDefiningOp<TransposeOp>();
  if (!inner) {
    return {};
  }
  // Two in a row are one: dimension i is dimension inner[outer[i]] of the first source.
  auto joined =
      llvm::map_to_vector(permutation, [&](int64_t i) { return inner.getPermutation()[i]; });
  setPermutation(joined);
  setOperand(inner.getSource());
  return getResult();
}

} // namespace dsv2
} // namespace mlir
