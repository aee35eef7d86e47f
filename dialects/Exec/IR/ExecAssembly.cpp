//===- ExecAssembly.cpp - custom directives of the ops' assembly ----------===//
//
// Expressions print with the launch symbols' letters instead of s0 .. s5; lists print their
// attributes without the dialect's prefix.
//
//===----------------------------------------------------------------------===//
#include "dialects/Exec/IR/ExecAssembly.h"

namespace mlir::dsv2_exec {

StringRef getLaunchSymbolName(unsigned number) {
  static constexpr llvm::StringLiteral names[kLaunchSymbolCount] = {"T", "B", "W", "C", "P", "R"};
  return number < kLaunchSymbolCount ? StringRef(names[number]) : "?";
}

AffineExpr getLaunchExpr(MLIRContext *context, LaunchSymbol symbol) {
  return getAffineSymbolExpr(static_cast<unsigned>(symbol), context);
}

AffineMap getLaunchMap(MLIRContext *context, ArrayRef<AffineExpr> results) {
  return AffineMap::get(0, kLaunchSymbolCount, results, context);
}

AffineMap getLaunchMap(AffineExpr result) { return getLaunchMap(result.getContext(), result); }

AffineMap getConstantLaunchMap(MLIRContext *context, int64_t value) {
  return getLaunchMap(getAffineConstantExpr(value, context));
}

IntegerSetAttr getGuard(MLIRContext *context, ArrayRef<AffineExpr> nonNegative) {
  if (nonNegative.empty()) {
    return {};
  }
  SmallVector<bool> equalities(nonNegative.size(), false);
  return IntegerSetAttr::get(IntegerSet::get(0, kLaunchSymbolCount, nonNegative, equalities));
}

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

/// x where `expr` is x * -1, else null.
static AffineExpr getNegated(AffineExpr expr) {
  auto product = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!product || expr.getKind() != AffineExprKind::Mul) {
    return {};
  }
  auto factor = dyn_cast<AffineConstantExpr>(product.getRHS());
  return factor && factor.getValue() == -1 ? product.getLHS() : AffineExpr();
}

/// Prints with the symbols' letters; `isFactor` asks for parentheses around a sum or a division.
static void printExpr(AsmPrinter &printer, AffineExpr expr, bool isFactor = false) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    printer << constant.getValue();
    return;
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    printer << getLaunchSymbolName(symbol.getPosition());
    return;
  }
  if (isa<AffineDimExpr>(expr)) {
    printer << "l";
    return;
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  if (isFactor) {
    printer << "(";
  }
  AffineExpr right = binary.getRHS();
  switch (expr.getKind()) {
  case AffineExprKind::Add: {
    auto constant = dyn_cast<AffineConstantExpr>(right);
    AffineExpr leftNegated = getNegated(binary.getLHS());
    AffineExpr rightNegated = getNegated(right);
    if (leftNegated && constant) {
      printer << constant.getValue() << " - ";
      printExpr(printer, leftNegated, /*isFactor=*/true);
      break;
    }
    printExpr(printer, binary.getLHS());
    if (constant && constant.getValue() < 0 && constant.getValue() != INT64_MIN) {
      printer << " - " << -constant.getValue();
    } else if (rightNegated) {
      printer << " - ";
      printExpr(printer, rightNegated, /*isFactor=*/true);
    } else {
      printer << " + ";
      printExpr(printer, right);
    }
    break;
  }
  case AffineExprKind::Mul:
    printExpr(printer, binary.getLHS(), true);
    printer << " * ";
    printExpr(printer, right, true);
    break;
  case AffineExprKind::Mod:
    printExpr(printer, binary.getLHS(), true);
    printer << " mod ";
    printExpr(printer, right, true);
    break;
  case AffineExprKind::FloorDiv:
    printExpr(printer, binary.getLHS(), true);
    printer << " floordiv ";
    printExpr(printer, right, true);
    break;
  default:
    printExpr(printer, binary.getLHS(), true);
    printer << " ceildiv ";
    printExpr(printer, right, true);
    break;
  }
  if (isFactor) {
    printer << ")";
  }
}

static ParseResult parseLaunchExpr(AsmParser &parser, AffineExpr &expr) {
  MLIRContext *context = parser.getContext();
  std::pair<StringRef, AffineExpr> symbols[kLaunchSymbolCount];
  for (unsigned i = 0; i < kLaunchSymbolCount; ++i) {
    symbols[i] = {getLaunchSymbolName(i), getAffineSymbolExpr(i, context)};
  }
  return parser.parseAffineExpr(symbols, expr);
}

ParseResult parseLaunchMap(OpAsmParser &parser, AffineMapAttr &map) {
  SmallVector<AffineExpr> results;
  auto parseOne = [&] { return parseLaunchExpr(parser, results.emplace_back()); };
  if (parser.parseLParen()) {
    return failure();
  }
  if (succeeded(parser.parseOptionalKeyword("min"))) {
    if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseOne)) {
      return failure();
    }
  } else if (parseOne()) {
    return failure();
  }
  map = AffineMapAttr::get(getLaunchMap(parser.getContext(), results));
  return parser.parseRParen();
}

void printLaunchMap(OpAsmPrinter &printer, Operation *, AffineMapAttr attr) {
  ArrayRef<AffineExpr> results = attr.getValue().getResults();
  printer << "(" << (results.size() == 1 ? "" : "min(");
  llvm::interleaveComma(results, printer.getStream(),
                        [&](AffineExpr expr) { printExpr(printer, expr); });
  printer << (results.size() == 1 ? ")" : "))");
}

ParseResult parseGuard(OpAsmParser &parser, IntegerSetAttr &guard) {
  SmallVector<AffineExpr> expressions;
  auto parseOne = [&]() -> ParseResult {
    int64_t zero = 0;
    SMLoc loc = parser.getCurrentLocation();
    if (parseLaunchExpr(parser, expressions.emplace_back()) || parser.parseGreater() ||
        parser.parseEqual() || parser.parseInteger(zero)) {
      return failure();
    }
    return zero == 0 ? success()
                     : parser.emitError(loc) << "compares with " << zero << ", expected 0";
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseOne)) {
    return failure();
  }
  guard = getGuard(parser.getContext(), expressions);
  return success();
}

void printGuard(OpAsmPrinter &printer, Operation *, IntegerSetAttr guard) {
  printer << "(";
  llvm::interleaveComma(guard.getValue().getConstraints(), printer.getStream(),
                        [&](AffineExpr expr) {
                          printExpr(printer, expr);
                          printer << " >= 0";
                        });
  printer << ")";
}

//===----------------------------------------------------------------------===//
// Lists
//===----------------------------------------------------------------------===//

ParseResult parseLayers(OpAsmParser &parser, LayersAttr &layers) {
  FailureOr<LayersAttr> parsed = LayersAttr::parseBody(parser);
  if (failed(parsed)) {
    return failure();
  }
  layers = *parsed;
  return success();
}

void printLayers(OpAsmPrinter &printer, Operation *, LayersAttr layers) {
  layers.printBody(printer);
}

/// Parses a delimited list of attributes without their names.
template <typename Attr>
static ParseResult parseList(OpAsmParser &parser, ArrayAttr &list, AsmParser::Delimiter delimiter) {
  SmallVector<Attribute> items;
  auto parseOne = [&]() -> ParseResult {
    FailureOr<Attr> item = Attr::parseBody(parser);
    if (failed(item)) {
      return failure();
    }
    items.push_back(*item);
    return success();
  };
  if (parser.parseCommaSeparatedList(delimiter, parseOne)) {
    return failure();
  }
  list = parser.getBuilder().getArrayAttr(items);
  return success();
}

template <typename Attr>
static void printList(OpAsmPrinter &printer, ArrayAttr list, StringRef open, StringRef close,
                      bool lines) {
  printer << open;
  if (lines) {
    printer.increaseIndent();
  }
  llvm::interleave(
      list.getAsRange<Attr>(),
      [&](Attr item) {
        if (lines) {
          printer.printNewline();
        }
        item.printBody(printer);
      },
      [&] { printer << (lines ? "," : ", "); });
  if (lines) {
    printer.decreaseIndent();
  }
  printer << close;
}

ParseResult parseSources(OpAsmParser &parser, ArrayAttr &sources) {
  return parseList<SourceAttr>(parser, sources, AsmParser::Delimiter::Square);
}

void printSources(OpAsmPrinter &printer, Operation *, ArrayAttr sources) {
  printList<SourceAttr>(printer, sources, "[", "]", !sources.empty());
}

ParseResult parseCopies(OpAsmParser &parser, ArrayAttr &copies) {
  return parseList<CopyAttr>(parser, copies, AsmParser::Delimiter::Square);
}

void printCopies(OpAsmPrinter &printer, Operation *, ArrayAttr copies) {
  printList<CopyAttr>(printer, copies, "[", "]", !copies.empty());
}

ParseResult parseKernelBody(OpAsmParser &parser, Region &body) {
  OptionalParseResult result = parser.parseOptionalRegion(body);
  if (result.has_value() && failed(*result)) {
    return failure();
  }
  if (body.empty()) {
    body.emplaceBlock(); // a symbol table always has a block
  }
  return success();
}

void printKernelBody(OpAsmPrinter &printer, Operation *, Region &body) {
  if (!body.front().empty()) {
    printer << " ";
    printer.printRegion(body);
  }
}

ParseResult parseTensorMaps(OpAsmParser &parser, ArrayAttr &maps) {
  return parseList<TensorMapAttr>(parser, maps, AsmParser::Delimiter::Square);
}

void printTensorMaps(OpAsmPrinter &printer, Operation *, ArrayAttr maps) {
  printList<TensorMapAttr>(printer, maps, "[", "]", false);
}

ParseResult parseArgs(OpAsmParser &parser, ArrayAttr &args) {
  return parseList<ArgAttr>(parser, args, AsmParser::Delimiter::Paren);
}

void printArgs(OpAsmPrinter &printer, Operation *, ArrayAttr args) {
  printList<ArgAttr>(printer, args, "(", ")", false);
}

} // namespace mlir::dsv2_exec
