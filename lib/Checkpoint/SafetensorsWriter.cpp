//===- SafetensorsWriter.cpp - Writing safetensors files ------------------===//
//
// Small outputs (logits, routing records), so the tensors are in memory already.
// The layout is that of the Python package: wide elements first, which keeps all
// data aligned, and a header padded to a multiple of eight bytes.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/Safetensors.h"
#include "lib/Support/AtomicFile.h"
#include "lib/Support/CheckedMath.h"
#include "lib/Support/Json.h"
#include "lib/Support/Utf8.h"

#include <algorithm>

namespace dsv2 {

std::optional<Error> writeSafetensors(const std::string &path,
                                      const std::vector<TensorToWrite> &tensors,
                                      const std::map<std::string, std::string> &metadata) {
  auto refuse = [&](std::string_view name, std::string_view reason) {
    return Error(ErrorKind::Usage, path, ": tensor ", quote(name), " ", reason);
  };
  std::vector<const TensorToWrite *> order;
  order.reserve(tensors.size());
  for (const TensorToWrite &tensor : tensors) {
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const TensorToWrite *a, const TensorToWrite *b) {
    unsigned widthA = dtypeBits(a->dtype);
    unsigned widthB = dtypeBits(b->dtype);
    return widthA != widthB ? widthA > widthB : a->name < b->name;
  });

  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto &[key, value] : metadata) {
      if (findInvalidUtf8(key) != std::string::npos ||
          findInvalidUtf8(value) != std::string::npos) {
        return Error(ErrorKind::Usage, path, ": metadata ", quote(key), " is not valid UTF-8");
      }
      header += concat(header.back() == '{' ? "" : ",", jsonQuote(key), ":", jsonQuote(value));
    }
    header += "}";
  }
  std::vector<uint64_t> sizes;
  std::vector<std::string_view> names;
  uint64_t offset = 0;
  for (const TensorToWrite *tensor : order) {
    if (tensor->name.empty() || tensor->name.size() > SafetensorsLimits::nameBytes ||
        tensor->name == "__metadata__" || findInvalidUtf8(tensor->name) != std::string::npos) {
      return refuse(tensor->name, "has a name that the format cannot hold");
    }
    names.push_back(tensor->name);
    std::optional<uint64_t> elements = checkedProduct(tensor->shape);
    std::optional<uint64_t> bits;
    if (elements) {
      bits = checkedMul(*elements, dtypeBits(tensor->dtype));
    }
    if (!bits || *bits % 8 != 0 || tensor->shape.size() > SafetensorsLimits::rank) {
      return refuse(tensor->name, "has a shape that the format cannot hold");
    }
    std::optional<uint64_t> end = checkedAdd(offset, *bits / 8);
    if (!end) {
      return refuse(tensor->name, "ends past 64 bits");
    }
    header += concat(header.size() == 1 ? "" : ",", jsonQuote(tensor->name), ":{\"dtype\":\"",
                     dtypeName(tensor->dtype), "\",\"shape\":[");
    for (uint64_t size : tensor->shape) {
      header += concat(header.back() == '[' ? "" : ",", size);
    }
    header += concat("],\"data_offsets\":[", offset, ",", *end, "]}");
    sizes.push_back(*bits / 8);
    offset = *end;
  }
  std::sort(names.begin(), names.end());
  auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    return refuse(*twice, "is given twice");
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  if (header.size() > SafetensorsLimits::headerBytes) {
    return Error(ErrorKind::Limit, path, ": header of ", header.size(),
                 " bytes, more than the limit of ", SafetensorsLimits::headerBytes);
  }

  Expected<AtomicFile> file = AtomicFile::create(path);
  if (!file) {
    return file.takeError();
  }
  char prefix[8];
  for (unsigned i = 0; i < 8; ++i) {
    prefix[i] = static_cast<char>(header.size() >> (8 * i));
  }
  if (std::optional<Error> error = file->write(prefix, sizeof(prefix))) {
    return error;
  }
  if (std::optional<Error> error = file->write(header)) {
    return error;
  }
  for (size_t i = 0; i < order.size(); ++i) {
    if (std::optional<Error> error = file->write(order[i]->data, sizes[i])) {
      return error;
    }
  }
  return file->commit();
}

} // namespace dsv2
