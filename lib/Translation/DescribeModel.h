//===- DescribeModel.h - parameters and cache of a model, from its IR ----------===//
//
// Counts what the step of a `dsv2` module reads: the numbers that papers print in their tables.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_TRANSLATION_DESCRIBEMODEL_H
#define DSV2_LIB_TRANSLATION_DESCRIBEMODEL_H

#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace mlir::dsv2 {

struct ModelDescription {
  std::string name;
  int64_t layers = 0, hidden = 0, vocab = 0;
  /// Elements of every checkpoint tensor that the step reads.
  int64_t parameters = 0;
  /// The same with the chosen experts only of every routed family; embedding and head count whole.
  int64_t activated = 0;
  /// Cached values of one token in one layer, and their parts.
  int64_t cachedValues = 0;
  SmallVector<int64_t> cacheParts;
};

/// Fails with a diagnostic where the module has no step function or a count passes int64.
FailureOr<ModelDescription> describeModel(ModuleOp module);

/// As lines of text, or as one JSON object with exact integers.
std::string printModelDescription(const ModelDescription &description, bool json);

} // namespace mlir::dsv2

#endif // DSV2_LIB_TRANSLATION_DESCRIBEMODEL_H
