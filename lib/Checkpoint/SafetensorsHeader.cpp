//===- SafetensorsHeader.cpp - The JSON header of a safetensors file ------===//
//
// A state machine over JSON events fills the table of tensors without building a
// tree, since V2's shards name 58,000 tensors and an import has to take less than
// a second. Ranges are checked afterwards, in the order of the data.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/Safetensors.h"
#include "lib/Support/CheckedMath.h"
#include "lib/Support/Json.h"

#include <algorithm>

namespace dsv2 {
namespace {

/// Where in the header the next event belongs.
enum class Place { Start, Top, Metadata, Tensor, Dtype, Shape, Offsets, End };

class HeaderEvents final : public JsonEvents {
public:
  HeaderEvents(std::vector<TensorInfo> &tensors, std::map<std::string, std::string> *metadata)
      : tensors(tensors), metadata(metadata) {}

  bool null() override { return unexpected("null"); }
  bool boolean(bool value) override { return unexpected(value ? "true" : "false"); }
  bool negative(int64_t value) override { return unexpected(concat(value)); }
  bool real(double value) override { return unexpected(concat(value)); }

  bool natural(uint64_t value) override {
    if (place == Place::Shape && inArray) {
      if (tensors.back().shape.size() == SafetensorsLimits::rank) {
        return failTensor(ErrorKind::Limit, "has a rank above the limit of ",
                          SafetensorsLimits::rank);
      }
      tensors.back().shape.push_back(value);
      return true;
    }
    if (place == Place::Offsets && inArray) {
      if (offsetCount == 2) {
        return failTensor(ErrorKind::InvalidFile, "has more than two data_offsets");
      }
      (offsetCount++ == 0 ? tensors.back().offset : end) = value;
      return true;
    }
    return unexpected(concat(value));
  }

  bool string(std::string &&value) override {
    if (place == Place::Dtype) {
      std::optional<DType> type = dtypeFromName(value);
      if (!type) {
        return failTensor(ErrorKind::InvalidFile, "has the unknown dtype ", quote(value));
      }
      tensors.back().dtype = *type;
      seenDtype = true;
      place = Place::Tensor;
      return true;
    }
    if (place == Place::Metadata) {
      if (metadata) {
        (*metadata)[metadataKey] = std::move(value);
      }
      return true;
    }
    return unexpected(quote(value));
  }

  bool beginObject() override {
    switch (place) {
    case Place::Start:
      place = Place::Top;
      return true;
    case Place::Top:
      place = topIsMetadata ? Place::Metadata : Place::Tensor;
      seenDtype = seenShape = seenOffsets = false;
      return true;
    default:
      return unexpected("an object");
    }
  }

  bool key(std::string &&value) override {
    if (place == Place::Top) {
      topIsMetadata = value == "__metadata__";
      return topIsMetadata || beginTensor(std::move(value));
    }
    if (place == Place::Metadata) {
      if (++metadataEntries > SafetensorsLimits::metadataEntries) {
        return fail(ErrorKind::Limit, "__metadata__ has more entries than the limit of ",
                    SafetensorsLimits::metadataEntries);
      }
      metadataKey = std::move(value);
      return true;
    }
    if (value == "dtype") {
      place = Place::Dtype;
    } else if (value == "shape") {
      place = Place::Shape;
    } else if (value == "data_offsets") {
      place = Place::Offsets;
    } else {
      return failTensor(ErrorKind::InvalidFile, "has the unknown field ", quote(value));
    }
    return true;
  }

  bool endObject() override {
    if (place == Place::Tensor && !endTensor()) {
      return false;
    }
    place = place == Place::Top ? Place::End : Place::Top;
    return true;
  }

  bool beginArray() override {
    if ((place != Place::Shape && place != Place::Offsets) || inArray) {
      return unexpected("an array");
    }
    inArray = true;
    offsetCount = place == Place::Offsets ? 0 : offsetCount;
    return true;
  }

  bool endArray() override {
    inArray = false;
    (place == Place::Shape ? seenShape : seenOffsets) = true;
    place = Place::Tensor;
    return true;
  }

private:
  bool beginTensor(std::string &&name) {
    if (tensors.size() == SafetensorsLimits::tensors) {
      return fail(ErrorKind::Limit, "more tensors than the limit of ", SafetensorsLimits::tensors);
    }
    if (name.empty() || name.size() > SafetensorsLimits::nameBytes) {
      return fail(ErrorKind::Limit, "tensor name ", quote(name), " of ", name.size(),
                  " bytes, expected 1 to ", SafetensorsLimits::nameBytes);
    }
    tensors.emplace_back();
    tensors.back().name = std::move(name);
    return true;
  }

  /// All fields are there: compares the product of the dimensions with the range.
  bool endTensor() {
    TensorInfo &tensor = tensors.back();
    if (!seenDtype || !seenShape || !seenOffsets) {
      return failTensor(ErrorKind::InvalidFile, "lacks ",
                        !seenDtype   ? "dtype"
                        : !seenShape ? "shape"
                                     : "data_offsets");
    }
    if (offsetCount != 2) {
      return failTensor(ErrorKind::InvalidFile, "has ", offsetCount,
                        " data_offsets, expected [begin, end]");
    }
    if (end < tensor.offset) {
      return failTensor(ErrorKind::InvalidFile, "has data_offsets [", tensor.offset, ", ", end,
                        "], expected begin <= end");
    }
    tensor.bytes = end - tensor.offset;
    std::optional<uint64_t> elements = checkedProduct(tensor.shape);
    std::optional<uint64_t> bits;
    if (elements) {
      bits = checkedMul(*elements, dtypeBits(tensor.dtype));
    }
    if (!bits) {
      return failTensor(ErrorKind::InvalidFile,
                        "has a size past 64 bits: ", describeTensor(tensor.dtype, tensor.shape));
    }
    if (*bits % 8 != 0 || *bits / 8 != tensor.bytes) {
      return failTensor(ErrorKind::InvalidFile, "has ", tensor.bytes, " bytes in data_offsets, ",
                        describeTensor(tensor.dtype, tensor.shape), " needs ", *bits / 8,
                        *bits % 8 != 0 ? " and a part of one" : "");
    }
    return true;
  }

  template <typename... Parts> bool failTensor(ErrorKind kind, const Parts &...parts) {
    return fail(kind, "tensor ", quote(tensors.back().name), " ", parts...);
  }

  bool unexpected(std::string_view found) {
    switch (place) {
    case Place::Start:
    case Place::End:
      return fail(ErrorKind::InvalidFile, "header must be an object, found ", found);
    case Place::Top:
      return fail(ErrorKind::InvalidFile, "field ",
                  topIsMetadata ? "'__metadata__'" : quote(tensors.back().name),
                  " must be an object, found ", found);
    case Place::Metadata:
      return fail(ErrorKind::InvalidFile, "__metadata__ field ", quote(metadataKey),
                  " must be a string, found ", found);
    case Place::Dtype:
      return failTensor(ErrorKind::InvalidFile, "must have a string as dtype, found ", found);
    case Place::Shape:
      return failTensor(ErrorKind::InvalidFile,
                        "must have an array of whole numbers as shape, found ", found);
    case Place::Offsets:
    case Place::Tensor:
      return failTensor(ErrorKind::InvalidFile,
                        "must have two whole numbers as data_offsets, found ", found);
    }
    return fail(ErrorKind::InvalidFile, "unexpected ", found);
  }

  std::vector<TensorInfo> &tensors;
  std::map<std::string, std::string> *metadata;
  Place place = Place::Start;
  bool topIsMetadata = false;
  bool inArray = false;
  bool seenDtype = false;
  bool seenShape = false;
  bool seenOffsets = false;
  unsigned offsetCount = 0;
  uint64_t end = 0;
  uint64_t metadataEntries = 0;
  std::string metadataKey;
};

} // namespace

Expected<std::vector<TensorInfo>>
parseSafetensorsHeader(std::string_view header, std::string_view fileName, uint64_t fileSize,
                       bool allowHeaderOnly, std::map<std::string, std::string> *metadata) {
  auto refuse = [&](const auto &...parts) {
    return Error(ErrorKind::InvalidFile, fileName, ": ", parts...);
  };
  if (header.empty() || header.front() != '{') {
    return refuse("header must begin with '{', found ",
                  header.empty() ? "nothing" : quote(header.substr(0, 1)));
  }
  std::vector<TensorInfo> tensors;
  HeaderEvents events(tensors, metadata);
  JsonLimits limits;
  limits.maxBytes = SafetensorsLimits::headerBytes;
  limits.maxValues = 32 * SafetensorsLimits::tensors;
  limits.maxDepth = 3;
  if (std::optional<Error> error = parseJsonEvents(header, fileName, events, limits)) {
    return *error;
  }

  // Data must tile the rest of the file: what no tensor names could hide
  // something, and what two name can be changed under one of them.
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo &a, const TensorInfo &b) {
    return std::tie(a.offset, a.bytes, a.name) < std::tie(b.offset, b.bytes, b.name);
  });
  uint64_t dataBegin = 8 + header.size();
  uint64_t dataBytes = fileSize - dataBegin;
  uint64_t expected = 0;
  for (const TensorInfo &tensor : tensors) {
    if (tensor.offset != expected) {
      return refuse("tensor ", quote(tensor.name), " begins at ", tensor.offset,
                    tensor.offset < expected ? " and overlaps another, which ends at "
                                             : " after a hole, the data before it ends at ",
                    expected);
    }
    expected += tensor.bytes; // cannot wrap: offset + bytes is the checked end
  }
  bool headerOnly = allowHeaderOnly && dataBytes == 0;
  if (expected != dataBytes && !headerOnly) {
    return refuse(expected > dataBytes ? "truncated, " : "has a rest that no tensor names, ",
                  "tensors need ", expected, " bytes of data, found ", dataBytes);
  }
  for (TensorInfo &tensor : tensors) {
    std::optional<uint64_t> place = checkedAdd(tensor.offset, dataBegin);
    if (!place || !checkedAdd(*place, tensor.bytes)) {
      return refuse("tensor ", quote(tensor.name), " ends past 64 bits");
    }
    tensor.offset = *place;
  }
  return tensors;
}

} // namespace dsv2
