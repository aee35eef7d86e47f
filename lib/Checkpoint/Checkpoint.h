//===- Checkpoint.h - A Hugging Face model directory ------------*- C++ -*-===//
//
// config.json, the weights in one file or in shards with an index, and the
// optional generation_config.json, checked against each other. Opening reads
// headers only; weights are read tensor by tensor.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_CHECKPOINT_H
#define DSV2_LIB_CHECKPOINT_CHECKPOINT_H

#include "lib/Checkpoint/Safetensors.h"
#include "lib/Support/Error.h"
#include "lib/Support/Json.h"
#include "lib/Support/Sha256.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsv2 {

/// A tensor of a checkpoint: what it is and which shard holds it.
struct CheckpointTensor {
  const TensorInfo *info = nullptr;
  uint32_t shard = 0;

  const std::string &name() const { return info->name; }
  DType dtype() const { return info->dtype; }
  const std::vector<uint64_t> &shape() const { return info->shape; }
  uint64_t bytes() const { return info->bytes; }
};

/// What a cache of prepared weights remembers of a file, to notice a change.
struct SourceIdentity {
  std::string name; // relative to the directory
  uint64_t size = 0;
  int64_t mtimeNs = 0;
  Sha256Digest headerHash{};
};

/// Whether a shard may end after its header. Import needs headers only, so that a
/// model can be planned on a machine that could never hold its weights.
enum class WeightData { Required, Optional };

/// An open model directory. Move-only; reading from several threads is safe.
class Checkpoint {
public:
  /// Opens `directory`: config.json must be there, and weights as
  /// model.safetensors, as model.safetensors.index.json with its shards, or as
  /// any *.safetensors (golden.safetensors, which is no weight, left out). Two
  /// shards with one tensor, an index that names an absent tensor or shard, and a
  /// tensor of a shard that the index does not name are errors (Mismatch).
  static Expected<Checkpoint> open(const std::string &directory,
                                   WeightData data = WeightData::Optional);

  Checkpoint(Checkpoint &&) = default;
  Checkpoint &operator=(Checkpoint &&) = default;

  const std::string &directory() const { return root; }
  /// config.json, an object; and the path to name in messages about it.
  const Json &config() const { return configJson; }
  std::string configPath() const;
  /// The config's model_type, "" if it has none.
  std::string modelType() const;

  /// Sorted by name.
  const std::vector<CheckpointTensor> &tensors() const { return allTensors; }
  /// The tensor of that name, or null.
  const CheckpointTensor *find(std::string_view name) const;

  /// Reads `bytes` of a tensor, from `offset` within its data.
  std::optional<Error> read(const CheckpointTensor &tensor, uint64_t offset, uint64_t bytes,
                            void *into) const;
  /// The path of the file that holds `tensor`.
  const std::string &fileOf(const CheckpointTensor &tensor) const;

  /// The weight files in the order of their names.
  const std::vector<SourceIdentity> &sources() const { return identities; }

  /// Ids that end a text: generation_config.json's eos_token_id, else that of
  /// config.json; a number or a list. Empty if neither has one.
  const std::vector<int64_t> &eosTokenIds() const { return eosIds; }
  /// The same for bos_token_id.
  std::optional<int64_t> bosTokenId() const { return bosId; }

private:
  Checkpoint() = default;
  std::optional<Error> openWeights(WeightData data);
  std::optional<Error> openShards(const std::vector<std::string> &names, WeightData data);
  std::optional<Error> checkIndex(const Json &weightMap, const std::string &indexPath,
                                  const std::vector<std::string> &names);
  std::optional<Error> readTokenIds();

  std::string root;
  Json configJson;
  std::vector<SafetensorsFile> shards;
  std::vector<SourceIdentity> identities;
  std::vector<CheckpointTensor> allTensors;
  std::vector<int64_t> eosIds;
  std::optional<int64_t> bosId;
};

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_CHECKPOINT_H
