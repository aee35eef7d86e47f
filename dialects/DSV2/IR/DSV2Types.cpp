//===- DSV2Types.cpp - the step's batch and the latent cache -------------------===//
//
// Verification of the cache type.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/DSV2.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

#define GET_TYPEDEF_CLASSES
#include "dialects/DSV2/IR/DSV2Types.cpp.inc"

namespace mlir {
namespace dsv2 {

void DSV2Dialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/DSV2/IR/DSV2Types.cpp.inc"
      >();
}

LogicalResult CacheType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t layers,
                                ArrayRef<int64_t> widths, Type elementType) {
  if (layers < 1) {
    return emitError() << "a cache of " << layers << " layers, expected at least 1 [cache.1]";
  }
  for (int64_t width : widths) {
    if (width < 0) {
      return emitError() << "a cache part of width " << width << ", expected at least 0 [cache.2]";
    }
  }
  if (!elementType.isF32() && !elementType.isBF16()) {
    return emitError() << "a cache of " << elementType << ", expected f32 or bf16 [cache.3]";
  }
  return success();
}

int64_t CacheType::getRowWidth() const {
  int64_t sum = 0;
  for (int64_t width : getWidths()) {
    sum += width;
  }
  return sum;
}

} // namespace dsv2
} // namespace mlir
