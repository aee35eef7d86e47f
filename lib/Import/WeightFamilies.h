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
#include "lib/Checkpoint/QuantizationConfig.h"

#include "llvm/ADT/StringMap.h"

#include <optional>
#include <string>
#include <vector>

namespace mlir::dsv2 {

/// How the tensors of a family may be stored.
enum class Storage {
  Float,       ///< F32 or BF16: norms, biases, gate, embedding, head
  Single,      ///< F32 only: correction biases
  Contraction, ///< F32 or BF16, or FP8 with a scale for each block
};

class WeightFamilies {
public:
  /// Declares at the builder's point; all must outlive this. `quantization`: what FP8 tensors mean.
  WeightFamilies(const ::dsv2::Checkpoint &checkpoint,
                 const std::optional<::dsv2::QuantizationConfig> &quantization, OpBuilder &builder);

  /// Declares `@symbol` for tensors called `pattern` ({l}, {e}: layer and expert), each of `shape`.
  /// `field`: what in the config asks for them, where it is one field. After a failure this and all
  /// further calls do nothing; see `finish`.
  void add(StringRef symbol, StringRef pattern, ArrayRef<uint64_t> shape, Storage storage,
           RangeAttr layers = {}, RangeAttr experts = {}, StringRef field = {});

  /// Declares `@symbol` as a slice of another family's value.
  void addSlice(StringRef symbol, StringRef source, ArrayRef<int64_t> offsets,
                ArrayRef<int64_t> sizes);

  /// Number of the checkpoint's tensors whose names begin with `prefix`.
  int64_t countTensors(StringRef prefix) const;

  /// Takes a tensor that the model does not use, but which must be what another is.
  void addUnused(const std::string &name, ArrayRef<uint64_t> shape);

  bool has(StringRef symbol) const { return families.contains(symbol); }
  /// The value of a declared family, for one layer where it has layers.
  Value use(OpBuilder &at, StringRef symbol, Value layer = {});

  /// Where an op comes from that belongs to the tensors called `pattern` of these layers: printed
  /// as the value `name`, with tensors, layers and file behind it.
  Location locate(StringRef name, StringRef pattern, RangeAttr layers = {});
  /// The same for an op that uses a declared family.
  Location locate(StringRef name, Operation *family);
  Operation *lookup(StringRef symbol) const { return families.lookup(symbol); }

  /// The first failure, or an error that names a tensor of the checkpoint that no family holds.
  std::optional<::dsv2::Error> finish();

  bool failed() const { return failure.has_value(); }

private:
  using Tensor = ::dsv2::CheckpointTensor;

  /// The tensor, if it is there with that shape; a failure otherwise.
  const Tensor *check(const std::string &name, ArrayRef<uint64_t> shape, StringRef field = {});
  /// The element type of one tensor; null after a failure.
  Type elementType(const Tensor &tensor, Storage storage);
  /// Checks the scales of an FP8 tensor.
  void checkScales(const Tensor &tensor, ArrayRef<uint64_t> shape);
  void fail(::dsv2::ErrorKind kind, const Tensor &tensor, const std::string &rest);

  const ::dsv2::Checkpoint &checkpoint;
  const std::optional<::dsv2::QuantizationConfig> &quantization;
  OpBuilder &builder;
  llvm::StringMap<Operation *> families;
  std::vector<bool> used; // by the tensor's place in the checkpoint's list
  bool sawQuantized = false;
  std::optional<::dsv2::Error> failure;
};

} // namespace mlir::dsv2

#endif // DSV2_LIB_IMPORT_WEIGHTFAMILIES_H
