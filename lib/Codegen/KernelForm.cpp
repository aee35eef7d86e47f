//===- KernelForm.cpp - the form of every kernel function -----------------===//
//
// The check that targets make before they lower a function, and the attribute of tensor maps.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/KernelForm.h"

#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;

namespace dsv2 {
namespace {

constexpr int64_t kElementBytes = 2, kRowAlignment = 16, kMostBoxRows = 256,
                  kMostColumns = int64_t(1) << 31, kMostRowBytes = int64_t(1) << 39;

InFlightDiagnostic refuse(func::FuncOp kernel, unsigned argument) {
  return kernel.emitError() << "kernel '" << kernel.getName() << "': argument " << argument << " ";
}

/// Reads the dictionary; what its numbers say is checked by the caller.
FailureOr<KernelTensorMap> readTensorMap(func::FuncOp kernel, unsigned argument) {
  auto fields = kernel.getArgAttrOfType<DictionaryAttr>(argument, kTensorMapAttr);
  if (!fields) {
    refuse(kernel, argument) << "is a pointer without " << kTensorMapAttr;
    return failure();
  }
  KernelTensorMap map;
  std::pair<StringRef, int64_t *> known[] = {{"slot", &map.slot},
                                             {"columns", &map.columns},
                                             {"row_bytes", &map.rowBytes},
                                             {"rows_slot", &map.rowsSlot},
                                             {"box_rows", &map.boxRows}};
  size_t found = 0;
  for (auto [name, number] : known) {
    if (auto value = fields.getAs<IntegerAttr>(name)) {
      *number = value.getValue().getSExtValue();
      ++found;
    } else if (number != &map.rowsSlot) {
      refuse(kernel, argument) << "has a tensor map without " << name;
      return failure();
    }
  }
  if (found != fields.size()) {
    refuse(kernel, argument) << "has a tensor map with unknown fields: " << fields;
    return failure();
  }
  return map;
}

LogicalResult checkTensorMap(func::FuncOp kernel, unsigned argument, unsigned slots) {
  FailureOr<KernelTensorMap> map = readTensorMap(kernel, argument);
  if (failed(map)) {
    return failure();
  }
  ArrayRef<Type> types = kernel.getArgumentTypes();
  if (map->slot < 0 || map->slot >= int64_t(slots) || !isa<MemRefType>(types[map->slot])) {
    return refuse(kernel, argument)
           << "is a tensor map of slot " << map->slot << ", expected one of memory";
  }
  if (map->rowsSlot != -1 &&
      (map->rowsSlot < 0 || map->rowsSlot >= int64_t(slots) || !types[map->rowsSlot].isIndex())) {
    return refuse(kernel, argument)
           << "is a tensor map of as many rows as slot " << map->rowsSlot << ", expected a number";
  }
  if (map->columns < 1 || map->columns > kMostColumns || map->rowBytes % kRowAlignment != 0 ||
      map->rowBytes < map->columns * kElementBytes || map->rowBytes > kMostRowBytes ||
      map->boxRows < 1 || map->boxRows > kMostBoxRows) {
    return refuse(kernel, argument)
           << "is a tensor map of " << map->columns << " columns in rows of " << map->rowBytes
           << " bytes and boxes of " << map->boxRows
           << " rows, expected rows of a multiple of 16 bytes that hold the columns, and 1 to "
           << kMostBoxRows << " rows";
  }
  return success();
}

} // namespace

DictionaryAttr tensorMapAttr(MLIRContext *context, const KernelTensorMap &map) {
  Builder b(context);
  NamedAttrList fields;
  fields.set("slot", b.getI64IntegerAttr(map.slot));
  fields.set("columns", b.getI64IntegerAttr(map.columns));
  fields.set("row_bytes", b.getI64IntegerAttr(map.rowBytes));
  if (map.rowsSlot != -1) {
    fields.set("rows_slot", b.getI64IntegerAttr(map.rowsSlot));
  }
  fields.set("box_rows", b.getI64IntegerAttr(map.boxRows));
  return fields.getDictionary(context);
}

FailureOr<SmallVector<KernelTensorMap>> tensorMapsOf(func::FuncOp kernel) {
  SmallVector<KernelTensorMap> out;
  for (auto [number, type] : llvm::enumerate(kernel.getArgumentTypes())) {
    if (isa<LLVM::LLVMPointerType>(type)) {
      FailureOr<KernelTensorMap> map = readTensorMap(kernel, unsigned(number));
      if (failed(map)) {
        return failure();
      }
      out.push_back(*map);
    }
  }
  return out;
}

LogicalResult checkKernelForm(func::FuncOp kernel, bool takesTensorMaps) {
  FunctionType type = kernel.getFunctionType();
  unsigned count = type.getNumInputs();
  if (type.getNumResults() != 0 || count < kTrailingArguments || kernel.isExternal()) {
    return kernel.emitError()
           << "kernel '" << kernel.getName()
           << "' must have a body, no results, and arguments that end in begin, end, scratch";
  }
  // Tensor maps stand between the slots and what comes after them.
  unsigned slots = count - kTrailingArguments;
  while (slots > 0 && isa<LLVM::LLVMPointerType>(type.getInput(slots - 1))) {
    --slots;
  }
  for (auto [number, input] : llvm::enumerate(type.getInputs())) {
    bool last = number + 1 == count;
    bool symbol = number + kTrailingArguments >= count && !last;
    if (number >= slots && number + kTrailingArguments < count) {
      if (!takesTensorMaps) {
        return refuse(kernel, unsigned(number)) << "is a tensor map, which this target has not";
      }
      if (failed(checkTensorMap(kernel, unsigned(number), slots))) {
        return failure();
      }
      continue;
    }
    auto memory = dyn_cast<MemRefType>(input);
    bool address = memory && memory.hasStaticShape() && memory.getLayout().isIdentity();
    if ((last && !address) || (symbol && !input.isIndex()) || (!address && !input.isIndex())) {
      return refuse(kernel, unsigned(number)) << "has type " << input << ", expected "
                                              << (last     ? "a memref"
                                                  : symbol ? "index"
                                                           : "index or memref")
                                              << " (static shape, identity layout)";
    }
  }
  return success();
}

} // namespace dsv2
