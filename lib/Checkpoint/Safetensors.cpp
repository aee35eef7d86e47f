//===- Safetensors.cpp - One safetensors file, read -----------------------===//
//
// Opening and reading; the header's grammar is in SafetensorsHeader.cpp.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/Safetensors.h"

#include <algorithm>

namespace dsv2 {

uint64_t TensorInfo::elements() const {
  uint64_t count = 1;
  for (uint64_t size : shape) {
    count *= size; // checked when the header was read
  }
  return count;
}

std::string describeTensor(DType dtype, const std::vector<uint64_t> &shape) {
  std::string text = concat(dtypeName(dtype), " [");
  for (size_t i = 0; i < shape.size(); ++i) {
    text += concat(i == 0 ? "" : ", ", shape[i]);
  }
  return text + "]";
}

Expected<SafetensorsFile> SafetensorsFile::open(const std::string &path) {
  Expected<File> file = File::open(path);
  if (!file) {
    return file.takeError();
  }
  return open(std::move(*file));
}

Expected<SafetensorsFile> SafetensorsFile::open(File source, bool allowHeaderOnly) {
  SafetensorsFile result(std::move(source));
  const File &file = result.source;
  const std::string &path = file.path();
  if (file.size() < 8) {
    return Error(ErrorKind::InvalidFile, path, ": truncated, expected at least 8 bytes, found ",
                 file.size());
  }
  uint8_t prefix[8];
  if (std::optional<Error> error = file.read(0, prefix, sizeof(prefix))) {
    return *error;
  }
  uint64_t length = 0;
  for (unsigned i = 0; i < 8; ++i) {
    length |= static_cast<uint64_t>(prefix[i]) << (8 * i);
  }
  if (length > SafetensorsLimits::headerBytes) {
    return Error(ErrorKind::Limit, path, ": header length ", length, " is more than the limit of ",
                 SafetensorsLimits::headerBytes);
  }
  if (length > file.size() - 8) {
    return Error(ErrorKind::InvalidFile, path, ": truncated, header length is ", length, " but ",
                 file.size() - 8, " bytes follow");
  }
  result.headerLength = length;
  std::string header(length, '\0');
  if (std::optional<Error> error = file.read(8, header.data(), length)) {
    return *error;
  }
  Expected<std::vector<TensorInfo>> infos =
      parseSafetensorsHeader(header, path, file.size(), allowHeaderOnly, &result.metadataMap);
  if (!infos) {
    return infos.takeError();
  }
  result.infos = std::move(*infos);
  result.dataPresent =
      result.infos.empty() || result.infos.back().offset + result.infos.back().bytes <= file.size();
  std::sort(result.infos.begin(), result.infos.end(),
            [](const TensorInfo &a, const TensorInfo &b) { return a.name < b.name; });
  result.hash = Sha256().update(prefix, sizeof(prefix)).update(header).finish();
  return result;
}

const TensorInfo *SafetensorsFile::find(std::string_view name) const {
  auto at = std::lower_bound(
      infos.begin(), infos.end(), name,
      [](const TensorInfo &info, std::string_view wanted) { return info.name < wanted; });
  return at != infos.end() && at->name == name ? &*at : nullptr;
}

std::optional<Error> SafetensorsFile::read(const TensorInfo &tensor, uint64_t offset,
                                           uint64_t bytes, void *into) const {
  if (offset > tensor.bytes || bytes > tensor.bytes - offset) {
    return Error(ErrorKind::Usage, source.path(), ": tensor ", quote(tensor.name), ": bytes from ",
                 offset, " on, ", bytes, " of them, do not lie within its ", tensor.bytes);
  }
  if (!dataPresent) {
    return Error(ErrorKind::InvalidFile, source.path(), ": tensor ", quote(tensor.name),
                 ": the file holds a header only, no data");
  }
  if (std::optional<Error> error = source.read(tensor.offset + offset, into, bytes)) {
    return error->within(concat("tensor ", quote(tensor.name)));
  }
  return std::nullopt;
}

} // namespace dsv2
