//===- Safetensors.h - One safetensors file, read and written ---*- C++ -*-===//
//
// The format: eight bytes of little-endian header length N, N bytes of JSON that
// give each tensor its dtype, shape and byte range, then the data. Opening reads
// the header only and checks all of it; tensors are then read by name and range.
// The writer makes small files (logits, routing) in one atomic step.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_SAFETENSORS_H
#define DSV2_LIB_CHECKPOINT_SAFETENSORS_H

#include "lib/Checkpoint/DType.h"
#include "lib/Support/Error.h"
#include "lib/Support/File.h"
#include "lib/Support/Sha256.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dsv2 {

/// What a file may hold at most.
struct SafetensorsLimits {
  static constexpr uint64_t headerBytes = 100'000'000; // the format's own limit
  static constexpr uint64_t tensors = 1'000'000;
  /// Of all files of a model together; V3's 91,991 tensors take 9 MB.
  static constexpr uint64_t allHeaderBytes = 120'000'000;
  static constexpr uint64_t metadataEntries = 65536;
  static constexpr uint64_t rank = 8;
  static constexpr uint64_t nameBytes = 1024;
};

/// A tensor's place in a file.
struct TensorInfo {
  std::string name;
  DType dtype = DType::F32;
  std::vector<uint64_t> shape;
  /// Bytes from the beginning of the file, and how many.
  uint64_t offset = 0;
  uint64_t bytes = 0;

  uint64_t elements() const;
};

/// "F32 [3, 4]", for messages.
std::string describeTensor(DType dtype, const std::vector<uint64_t> &shape);

/// Checks a header (the JSON text) against the file's size and gives the tensors
/// in the order of their data. `dataBegin` is 8 + header length. A file that ends
/// right after its header is accepted when `allowHeaderOnly`.
Expected<std::vector<TensorInfo>>
parseSafetensorsHeader(std::string_view header, std::string_view fileName, uint64_t fileSize,
                       bool allowHeaderOnly, std::map<std::string, std::string> *metadata);

/// One open file whose header has been checked.
class SafetensorsFile {
public:
  /// Reads and checks the header: length, grammar, duplicate keys, dtypes, ranks,
  /// products of dimensions against byte ranges (in checked arithmetic), ranges
  /// inside the file without overlap, hole or rest. Every error names the file
  /// and the tensor.
  ///
  /// Some checks and planning need headers only: with `allowHeaderOnly` a file
  /// that has its header and no data at all opens too, and reads from it fail.
  static Expected<SafetensorsFile> open(File file, bool allowHeaderOnly = false);
  static Expected<SafetensorsFile> open(const std::string &path);

  /// Sorted by name.
  const std::vector<TensorInfo> &tensors() const { return infos; }
  /// The tensor of that name, or null.
  const TensorInfo *find(std::string_view name) const;
  const std::map<std::string, std::string> &metadata() const { return metadataMap; }

  /// Reads `bytes` of `tensor`, from `offset` within its data, into `into`.
  std::optional<Error> read(const TensorInfo &tensor, uint64_t offset, uint64_t bytes,
                            void *into) const;

  const File &file() const { return source; }
  /// Of the length and the JSON text: what a cache key needs to see.
  const Sha256Digest &headerHash() const { return hash; }
  /// Bytes of the JSON text.
  uint64_t headerBytes() const { return headerLength; }
  bool hasData() const { return dataPresent; }

private:
  explicit SafetensorsFile(File file) : source(std::move(file)) {}

  File source;
  std::vector<TensorInfo> infos;
  std::map<std::string, std::string> metadataMap;
  Sha256Digest hash{};
  uint64_t headerLength = 0;
  bool dataPresent = true;
};

/// A tensor to be written: the bytes are borrowed until the call returns, in
/// little-endian order, row-major.
struct TensorToWrite {
  std::string name;
  DType dtype = DType::F32;
  std::vector<uint64_t> shape;
  const void *data = nullptr;
};

/// Writes a file atomically: tensors sorted by descending element width, then by
/// name, as the Python package does, so equal input gives equal bytes. Duplicate
/// names, bad shapes and names over the limits are Usage errors.
std::optional<Error> writeSafetensors(const std::string &path,
                                      const std::vector<TensorToWrite> &tensors,
                                      const std::map<std::string, std::string> &metadata = {});

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_SAFETENSORS_H
