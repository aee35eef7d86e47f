//===- ExecAttrs.cpp - layers, copies, slots ------------------------------===//
//
// Text and verification of the attributes. Each has a body that also stands alone inside an op.
//
//===----------------------------------------------------------------------===//
#include "dialects/Exec/IR/Exec.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#define GET_ATTRDEF_CLASSES
#include "dialects/Exec/IR/ExecAttrs.cpp.inc"

namespace mlir::dsv2_exec {

void ExecDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Exec/IR/ExecAttrs.cpp.inc"
      >();
}

/// `<` body `>`.
template <typename Attr> static Attribute parseInAngles(AsmParser &parser) {
  if (parser.parseLess()) {
    return {};
  }
  FailureOr<Attr> attr = Attr::parseBody(parser);
  if (failed(attr) || parser.parseGreater()) {
    return {};
  }
  return *attr;
}

template <typename Attr> static void printInAngles(AsmPrinter &printer, Attr attr) {
  printer << "<";
  attr.printBody(printer);
  printer << ">";
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

LogicalResult LayersAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t begin,
                                 int64_t end, int64_t step) {
  if (begin < 0 || end <= begin || step < 1) {
    return emitError() << "layers " << begin << " to " << end << " step " << step
                       << ", expected 0 <= begin < end and a positive step [exec_layers.1]";
  }
  return success();
}

FailureOr<LayersAttr> LayersAttr::parseBody(AsmParser &parser) {
  int64_t begin = 0, end = 0, step = 1;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseInteger(begin) || parser.parseKeyword("to") || parser.parseInteger(end)) {
    return failure();
  }
  if (succeeded(parser.parseOptionalKeyword("step")) && parser.parseInteger(step)) {
    return failure();
  }
  auto emitError = [&] { return parser.emitError(loc); };
  LayersAttr attr = getChecked(emitError, parser.getContext(), begin, end, step);
  if (!attr) {
    return failure();
  }
  return attr;
}

void LayersAttr::printBody(AsmPrinter &printer) const {
  printer << getBegin() << " to " << getEnd();
  if (getStep() != 1) {
    printer << " step " << getStep();
  }
}

Attribute LayersAttr::parse(AsmParser &parser, Type) { return parseInAngles<LayersAttr>(parser); }
void LayersAttr::print(AsmPrinter &printer) const { printInAngles(printer, *this); }

//===----------------------------------------------------------------------===//
// Sources
//===----------------------------------------------------------------------===//

LogicalResult SourceAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringAttr name,
                                 RankedTensorType type, StringAttr scales, int64_t blockRows,
                                 int64_t blockColumns) {
  Type element = type.getElementType();
  bool scaled = isa<Float8E4M3FNType>(element);
  if (!type.hasStaticShape() || !(element.isF32() || element.isBF16() || scaled)) {
    return emitError() << "source " << name << " has type " << type
                       << ", expected a static tensor of f32, bf16 or f8E4M3FN [exec_source.1]";
  }
  if (scaled != bool(scales)) {
    return emitError() << "source " << name << " of type " << type
                       << (scaled ? " needs scales" : " has scales, expected none")
                       << " [exec_source.2]";
  }
  if (scaled && (type.getRank() != 2 || blockRows < 1 || blockRows > type.getDimSize(0) ||
                 blockColumns < 1 || blockColumns > type.getDimSize(1))) {
    return emitError() << "source " << name << " of type " << type << " has scales in blocks of "
                       << blockRows << " x " << blockColumns
                       << ", expected a matrix and blocks within it [exec_source.3]";
  }
  return success();
}

FailureOr<SourceAttr> SourceAttr::parseBody(AsmParser &parser) {
  std::string name;
  RankedTensorType type;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseString(&name) || parser.parseColonType(type)) {
    return failure();
  }
  std::string scaleName;
  int64_t rows = 0, columns = 0;
  StringAttr scales;
  if (succeeded(parser.parseOptionalKeyword("scales"))) {
    if (parser.parseString(&scaleName) || parser.parseLSquare() || parser.parseInteger(rows) ||
        parser.parseComma() || parser.parseInteger(columns) || parser.parseRSquare()) {
      return failure();
    }
    scales = StringAttr::get(parser.getContext(), scaleName);
  }
  auto emitError = [&] { return parser.emitError(loc); };
  SourceAttr attr =
      getChecked(emitError, parser.getContext(), StringAttr::get(parser.getContext(), name), type,
                 scales, rows, columns);
  if (!attr) {
    return failure();
  }
  return attr;
}

void SourceAttr::printBody(AsmPrinter &printer) const {
  printer << getName() << " : " << getType();
  if (getScales()) {
    printer << " scales " << getScales() << " [" << getBlockRows() << ", " << getBlockColumns()
            << "]";
  }
}

Attribute SourceAttr::parse(AsmParser &parser, Type) { return parseInAngles<SourceAttr>(parser); }
void SourceAttr::print(AsmPrinter &printer) const { printInAngles(printer, *this); }

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

LogicalResult CopyAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t source,
                               int64_t srcOffset, int64_t dstOffset, ArrayRef<int64_t> extents,
                               ArrayRef<int64_t> srcStrides, ArrayRef<int64_t> dstStrides,
                               int64_t expertBegin, int64_t expertCount, int64_t expertDstStride) {
  if (extents.size() != srcStrides.size() || extents.size() != dstStrides.size() ||
      extents.size() > 8) {
    return emitError() << "copy has " << extents.size() << " extents, " << srcStrides.size()
                       << " source and " << dstStrides.size()
                       << " destination strides, expected as many of each, at most 8 [exec_copy.1]";
  }
  if (source < 0 || srcOffset < 0 || dstOffset < 0 || expertBegin < 0 || expertCount < 1 ||
      expertDstStride < 0) {
    return emitError() << "copy has a negative number or no expert [exec_copy.2]";
  }
  for (auto [extent, from, to] : llvm::zip_equal(extents, srcStrides, dstStrides)) {
    if (extent < 1 || from < 0 || to < 0) {
      return emitError() << "copy has dimension " << extent << " : " << from << " -> " << to
                         << ", expected a positive extent and strides that are not negative "
                            "[exec_copy.3]";
    }
  }
  return success();
}

FailureOr<CopyAttr> CopyAttr::parseBody(AsmParser &parser) {
  int64_t source = 0, srcOffset = 0, dstOffset = 0, expertBegin = 0, expertEnd = 1, stride = 0;
  SmallVector<int64_t> extents, srcStrides, dstStrides;
  SMLoc loc = parser.getCurrentLocation();
  auto parseDim = [&]() -> ParseResult {
    return failure(parser.parseInteger(extents.emplace_back()) || parser.parseColon() ||
                   parser.parseInteger(srcStrides.emplace_back()) || parser.parseArrow() ||
                   parser.parseInteger(dstStrides.emplace_back()));
  };
  if (parser.parseInteger(source) || parser.parseKeyword("at") || parser.parseInteger(srcOffset) ||
      parser.parseKeyword("to") || parser.parseInteger(dstOffset) || parser.parseKeyword("dims") ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseDim)) {
    return failure();
  }
  if (succeeded(parser.parseOptionalKeyword("experts"))) {
    if (parser.parseInteger(expertBegin) || parser.parseKeyword("to") ||
        parser.parseInteger(expertEnd) || parser.parseKeyword("stride") ||
        parser.parseInteger(stride)) {
      return failure();
    }
  }
  auto emitError = [&] { return parser.emitError(loc); };
  CopyAttr attr = getChecked(emitError, parser.getContext(), source, srcOffset, dstOffset, extents,
                             srcStrides, dstStrides, expertBegin, expertEnd - expertBegin, stride);
  if (!attr) {
    return failure();
  }
  return attr;
}

void CopyAttr::printBody(AsmPrinter &printer) const {
  printer << getSource() << " at " << getSrcOffset() << " to " << getDstOffset() << " dims [";
  llvm::interleaveComma(llvm::zip_equal(getExtents(), getSrcStrides(), getDstStrides()),
                        printer.getStream(), [&](auto dim) {
                          auto [extent, from, to] = dim;
                          printer << extent << " : " << from << " -> " << to;
                        });
  printer << "]";
  if (getExpertBegin() != 0 || getExpertCount() != 1 || getExpertDstStride() != 0) {
    printer << " experts " << getExpertBegin() << " to " << getExpertBegin() + getExpertCount()
            << " stride " << getExpertDstStride();
  }
}

Attribute CopyAttr::parse(AsmParser &parser, Type) { return parseInAngles<CopyAttr>(parser); }
void CopyAttr::print(AsmPrinter &printer) const { printInAngles(printer, *this); }

//===----------------------------------------------------------------------===//
// Tensor maps
//===----------------------------------------------------------------------===//

LogicalResult TensorMapAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t slot,
                                    int64_t columns, int64_t rowBytes, int64_t boxRows,
                                    int64_t rowsSlot) {
  if (slot < 0 || rowsSlot < -1) {
    return emitError() << "tensor map has the slots " << slot << " and " << rowsSlot
                       << ", expected numbers of slots [exec_map.1]";
  }
  if (columns < 1 || rowBytes % 16 != 0 || rowBytes / 2 < columns) {
    return emitError() << "tensor map has " << columns << " columns in rows of " << rowBytes
                       << " bytes, expected a multiple of 16 that holds them as bf16 [exec_map.2]";
  }
  if (boxRows < 1 || boxRows > 256) {
    return emitError() << "tensor map has boxes of " << boxRows
                       << " rows, expected 1 to 256 [exec_map.3]";
  }
  return success();
}

FailureOr<TensorMapAttr> TensorMapAttr::parseBody(AsmParser &parser) {
  int64_t slot = 0, columns = 0, rowBytes = 0, boxRows = 0, rowsSlot = -1;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword("slot") || parser.parseInteger(slot) || parser.parseKeyword("columns") ||
      parser.parseInteger(columns) || parser.parseKeyword("row_bytes") ||
      parser.parseInteger(rowBytes) || parser.parseKeyword("box_rows") ||
      parser.parseInteger(boxRows)) {
    return failure();
  }
  if (succeeded(parser.parseOptionalKeyword("rows_slot")) && parser.parseInteger(rowsSlot)) {
    return failure();
  }
  auto emitError = [&] { return parser.emitError(loc); };
  TensorMapAttr attr =
      getChecked(emitError, parser.getContext(), slot, columns, rowBytes, boxRows, rowsSlot);
  if (!attr) {
    return failure();
  }
  return attr;
}

void TensorMapAttr::printBody(AsmPrinter &printer) const {
  printer << "slot " << getSlot() << " columns " << getColumns() << " row_bytes " << getRowBytes()
          << " box_rows " << getBoxRows();
  if (getRowsSlot() != -1) {
    printer << " rows_slot " << getRowsSlot();
  }
}

Attribute TensorMapAttr::parse(AsmParser &parser, Type) {
  return parseInAngles<TensorMapAttr>(parser);
}
void TensorMapAttr::print(AsmPrinter &printer) const { printInAngles(printer, *this); }

//===----------------------------------------------------------------------===//
// Slots
//===----------------------------------------------------------------------===//

LogicalResult ArgAttr::verify(function_ref<InFlightDiagnostic()> emitError, FlatSymbolRefAttr ref,
                              int64_t scale, int64_t offset, int64_t launchSymbol, int64_t value) {
  if (launchSymbol < -1 || launchSymbol >= int64_t(kLaunchSymbolCount)) {
    return emitError() << "slot names launch symbol " << launchSymbol;
  }
  bool kinds = (ref ? launchSymbol == -1 && value == 0 : scale == 0 && offset == 0) &&
               (launchSymbol == -1 || value == 0);
  if (!kinds) {
    return emitError() << "slot mixes a reference, a launch symbol and a constant";
  }
  return success();
}

/// `[2 * l + 1]` after a reference.
static ParseResult parseLayerIndex(AsmParser &parser, int64_t &scale, int64_t &offset) {
  AffineExpr expr;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseAffineExpr({{"l", getAffineDimExpr(0, parser.getContext())}}, expr) ||
      parser.parseRSquare()) {
    return failure();
  }
  // The simplified form is one of c, l, l * a, l + c, l * a + c.
  if (auto sum = dyn_cast<AffineBinaryOpExpr>(expr); sum && sum.getKind() == AffineExprKind::Add) {
    if (auto constant = dyn_cast<AffineConstantExpr>(sum.getRHS())) {
      offset = constant.getValue();
      expr = sum.getLHS();
    }
  } else if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    offset = constant.getValue();
    return success();
  }
  scale = 1;
  if (auto product = dyn_cast<AffineBinaryOpExpr>(expr);
      product && product.getKind() == AffineExprKind::Mul) {
    if (auto constant = dyn_cast<AffineConstantExpr>(product.getRHS())) {
      scale = constant.getValue();
      expr = product.getLHS();
    }
  }
  return isa<AffineDimExpr>(expr)
             ? success()
             : parser.emitError(loc) << "expected an index of the form a * l + c [exec_arg.2]";
}

FailureOr<ArgAttr> ArgAttr::parseBody(AsmParser &parser) {
  MLIRContext *context = parser.getContext();
  StringAttr name;
  if (succeeded(parser.parseOptionalSymbolName(name))) {
    int64_t scale = 0, offset = 0;
    if (succeeded(parser.parseOptionalLSquare()) && parseLayerIndex(parser, scale, offset)) {
      return failure();
    }
    return ref(FlatSymbolRefAttr::get(name), scale, offset);
  }
  SMLoc loc = parser.getCurrentLocation();
  if (succeeded(parser.parseOptionalKeyword("sym"))) {
    StringRef letter;
    if (parser.parseKeyword(&letter)) {
      return failure();
    }
    for (unsigned i = 0; i < kLaunchSymbolCount; ++i) {
      if (letter == getLaunchSymbolName(i)) {
        return launch(context, static_cast<LaunchSymbol>(i));
      }
    }
    parser.emitError(loc) << "'" << letter
                          << "' is no launch symbol, expected T, B, W, C, P or R [exec_arg.1]";
    return failure();
  }
  int64_t value = 0;
  if (parser.parseInteger(value)) {
    return failure();
  }
  return constant(context, value);
}

void ArgAttr::printBody(AsmPrinter &printer) const {
  if (isLaunchSymbol()) {
    printer << "sym " << getLaunchSymbolName(static_cast<unsigned>(getLaunchSymbol()));
    return;
  }
  if (isConstant()) {
    printer << getValue();
    return;
  }
  printer << getRef();
  if (getScale() == 0 && getOffset() == 0) {
    return;
  }
  printer << "[";
  if (getScale() == 0) {
    printer << getOffset() << "]";
    return;
  }
  if (getScale() != 1) {
    printer << getScale() << " * ";
  }
  printer << "l";
  if (getOffset() < 0 && getOffset() != INT64_MIN) {
    printer << " - " << -getOffset();
  } else if (getOffset() != 0) {
    printer << " + " << getOffset();
  }
  printer << "]";
}

Attribute ArgAttr::parse(AsmParser &parser, Type) { return parseInAngles<ArgAttr>(parser); }
void ArgAttr::print(AsmPrinter &printer) const { printInAngles(printer, *this); }

} // namespace mlir::dsv2_exec
