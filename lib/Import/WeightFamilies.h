//===- WeightFamilies.h - families of tensors, checked against headers ---------===//
//
// An importer says which tensors its config implies; this checks that each is there with the
// implied shape and a type that all of its family share, and makes the `dsv2.weights` ops.
//
//===----------------------------------------------------------------------===//

#ifndef DSV2_LIB_IMPORT_WEIGHTFAMILIES_H
#define DSV2_LIB_IMPORT_WEIGHTFAMILIES_H

#include "dialects/DSV2/IR/DSV2.h"
#include "lib/Checkpoint/Checkpoint.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <optional>

namespace mlir::dsv2 {

class WeightFamilies {
public:
  /// Declares at the builder's point; both must outlive this.
  WeightFamilies(const ::dsv2::Checkpoint &checkpoint, OpBuilder &builder)
      : checkpoint(checkpoint), builder(builder) {}

  /// Declares `@symbol` for tensors called `pattern` ({l}, {e}: layer and expert), each of `shape`.
  /// After a failure this and all further calls do nothing; see `failure`.
  void add(StringRef symbol, StringRef pattern, ArrayRef<uint64_t> shape, RangeAttr layers = {},
           RangeAttr experts = {});

  /// The same for tensors that must be F32.
  void addF32(StringRef symbol, StringRef pattern, ArrayRef<uint64_t> shape, RangeAttr layers);

  /// Counts the tensors whose names begin with `prefix` as parts of the model that are left out;
  /// how many there are.
  int64_t leaveOut(StringRef prefix);

  /// Declares `@symbol` as a slice of another family's value.
  void addSlice(StringRef symbol, StringRef source, ArrayRef<int64_t> offsets,
                ArrayRef<int64_t> sizes);

  /// The value of a declared family, for one layer where it has layers.
  Value use(OpBuilder &at, StringRef symbol, Value layer = {});

  /// The first failure, or an error that names a tensor of the checkpoint that no family holds.
  std::optional<::dsv2::Error> finish();

  bool failed() const { return failure.has_value(); }

private:
  /// Checks one tensor; gives its element type.
  Type check(const std::string &name, ArrayRef<uint64_t> shape);

  const ::dsv2::Checkpoint &checkpoint;
  OpBuilder &builder;
  llvm::StringMap<Operation *> families;
  llvm::StringSet<> used;
  std::optional<::dsv2::Error> failure;
};

} // namespace mlir::dsv2

#endif // DSV2_LIB_IMPORT_WEIGHTFAMILIES_H
