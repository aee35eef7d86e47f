//===- ExecAssembly.h - custom directives of the ops' assembly ---*- C++ -*-===//
//
// Lists, expressions over launch symbols and layer ranges as a person would write them.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_DIALECTS_EXEC_IR_EXECASSEMBLY_H
#define DSV2_DIALECTS_EXEC_IR_EXECASSEMBLY_H

#include "dialects/Exec/IR/Exec.h"

namespace mlir::dsv2_exec {

/// `1 to 60 step 2`.
ParseResult parseLayers(OpAsmParser &parser, LayersAttr &layers);
void printLayers(OpAsmPrinter &printer, Operation *, LayersAttr layers);

/// `(T * 8)` or `(min(T * 8, 66))`.
ParseResult parseLaunchMap(OpAsmParser &parser, AffineMapAttr &map);
void printLaunchMap(OpAsmPrinter &printer, Operation *, AffineMapAttr map);

/// `(T - 1 >= 0, B - T >= 0)`.
ParseResult parseGuard(OpAsmParser &parser, IntegerSetAttr &guard);
void printGuard(OpAsmPrinter &printer, Operation *, IntegerSetAttr guard);

/// `["name" : tensor<...>, ...]`.
ParseResult parseSources(OpAsmParser &parser, ArrayAttr &sources);
void printSources(OpAsmPrinter &printer, Operation *, ArrayAttr sources);

/// `[0 at 0 to 0 dims [...], ...]`, a line for each.
ParseResult parseCopies(OpAsmParser &parser, ArrayAttr &copies);
void printCopies(OpAsmPrinter &printer, Operation *, ArrayAttr copies);

/// `[slot 0 columns 64 row_bytes 128 box_rows 128, ...]`.
ParseResult parseTensorMaps(OpAsmParser &parser, ArrayAttr &maps);
void printTensorMaps(OpAsmPrinter &printer, Operation *, ArrayAttr maps);

/// The function of a generic kernel in braces; nothing where there is none.
ParseResult parseKernelBody(OpAsmParser &parser, Region &body);
void printKernelBody(OpAsmPrinter &printer, Operation *, Region &body);

/// `(@x, @w[l], sym T, 5)`.
ParseResult parseArgs(OpAsmParser &parser, ArrayAttr &args);
void printArgs(OpAsmPrinter &printer, Operation *, ArrayAttr args);

} // namespace mlir::dsv2_exec

#endif // DSV2_DIALECTS_EXEC_IR_EXECASSEMBLY_H
