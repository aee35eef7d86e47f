//===- VerifyWeights.cpp - Rules of weights and their copies --------------===//
//
// Strides are not negative, so the last element of a copy is its farthest: two sums bound all
// accesses. The elements of all copies together may not exceed the weight's, which bounds the time
// (copies that do not overlap cannot).
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/VerifyWeights.h"

#include "lib/Artifact/Limits.h"
#include "lib/Support/Utf8.h"

#include <algorithm>

namespace dsv2 {

bool VerifierBase::name(const char *field, const std::string &text) {
  if (text.empty()) {
    return invalid(field, " is empty");
  }
  if (text.size() > limits::kNameBytes) {
    return fail(Error(ErrorKind::Limit, field, " has ", text.size(), " bytes, at most ",
                      limits::kNameBytes, " are allowed"));
  }
  bool control = std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (control || findInvalidUtf8(text) != std::string_view::npos) {
    return invalid(field, " ", quote(text), " has control characters or is not UTF-8");
  }
  return true;
}

namespace {

/// Adds count * stride to `sum`; false on overflow.
bool addProduct(int64_t &sum, int64_t count, int64_t stride) {
  int64_t product = 0;
  return !__builtin_mul_overflow(count, stride, &product) &&
         !__builtin_add_overflow(sum, product, &sum);
}

bool hasPlaceholder(const std::string &name, const char *placeholder) {
  return name.find(placeholder) != std::string::npos;
}

bool isFloat(ElementType type) { return type == ElementType::F32 || type == ElementType::BF16; }

/// Braces only as {l} and {e}.
bool placeholdersAreKnown(const std::string &name) {
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '}') {
      return false;
    }
    if (name[i] == '{') {
      if (name.compare(i, 3, "{l}") != 0 && name.compare(i, 3, "{e}") != 0) {
        return false;
      }
      i += 2;
    }
  }
  return true;
}

} // namespace

bool WeightVerifier::layers(const Weight &weight) {
  const LayerRange &range = weight.layers;
  if (range.global) {
    if (range.begin != 0 || range.end != 1 || range.step != 1) {
      return invalid("a global weight has layers ", range.begin, " to ", range.end, " step ",
                     range.step, ", expected 0 to 1 step 1");
    }
    return true;
  }
  return inRange("layer begin", range.begin, 0, limits::kLayers - 1) &&
         inRange("layer end", range.end, range.begin + 1, limits::kLayers) &&
         inRange("layer step", range.step, 1, limits::kLayers);
}

bool WeightVerifier::scales(const WeightSource &source) {
  if (source.type != ElementType::F8E4M3) {
    if (!source.scales.empty() || source.blockRows != 0 || source.blockColumns != 0) {
      return invalid("tensor ", quote(source.name), " of type ", elementTypeName(source.type),
                     " has scales ", quote(source.scales), " in blocks of ", source.blockRows,
                     " x ", source.blockColumns, ", expected none");
    }
    return true;
  }
  if (!name("name of scales", source.scales)) {
    return false;
  }
  for (const char *placeholder : {"{l}", "{e}"}) {
    if (hasPlaceholder(source.name, placeholder) != hasPlaceholder(source.scales, placeholder)) {
      return invalid("only one of tensor ", quote(source.name), " and its scales ",
                     quote(source.scales), " has ", placeholder);
    }
  }
  if (!placeholdersAreKnown(source.scales)) {
    return invalid("scales ", quote(source.scales), " have braces that are neither {l} nor {e}");
  }
  if (source.shape.size() != 2) {
    return invalid("tensor ", quote(source.name), " with scales has rank ", source.shape.size(),
                   ", expected 2");
  }
  return inRange("rows of a block", source.blockRows, 1, source.shape[0]) &&
         inRange("columns of a block", source.blockColumns, 1, source.shape[1]);
}

bool WeightVerifier::source(const Weight &weight, const WeightSource &source, int64_t &elements) {
  if (!name("tensor name", source.name)) {
    return false;
  }
  if (!placeholdersAreKnown(source.name)) {
    return invalid("tensor name ", quote(source.name), " has braces that are neither {l} nor {e}");
  }
  if (weight.layers.global && hasPlaceholder(source.name, "{l}")) {
    return invalid("tensor name ", quote(source.name), " has {l} but the weight is global");
  }
  if (!isFloat(source.type) && source.type != ElementType::F8E4M3) {
    return invalid("tensor ", quote(source.name), " has type ", static_cast<unsigned>(source.type),
                   ", expected f32, bf16 or f8e4m3");
  }
  if (!inRange("rank", static_cast<int64_t>(source.shape.size()), 0, limits::kRank)) {
    return false;
  }
  elements = 1;
  for (int64_t size : source.shape) {
    if (!inRange("dimension", size, 1, limits::kWeightElements)) {
      return false;
    }
    if (__builtin_mul_overflow(elements, size, &elements) || elements > limits::kWeightElements) {
      return fail(Error(ErrorKind::Limit, "tensor ", quote(source.name), " has more than ",
                        limits::kWeightElements, " elements"));
    }
  }
  return scales(source);
}

bool WeightVerifier::copy(const Weight &weight, const WeightCopy &copy, int64_t sourceElements,
                          int64_t &written) {
  if (!inRange("source offset", copy.srcOffset, 0, limits::kWeightElements) ||
      !inRange("destination offset", copy.dstOffset, 0, limits::kWeightElements) ||
      !inRange("rank", static_cast<int64_t>(copy.dims.size()), 0, limits::kRank)) {
    return false;
  }
  if (hasPlaceholder(weight.sources[copy.source].name, "{e}")) {
    if (!inRange("first expert", copy.expertBegin, 0, limits::kExperts - 1) ||
        !inRange("number of experts", copy.expertCount, 1, limits::kExperts - copy.expertBegin) ||
        !inRange("stride of experts", copy.expertDstStride, 0, limits::kWeightElements)) {
      return false;
    }
  } else if (copy.expertBegin != 0 || copy.expertCount != 1 || copy.expertDstStride != 0) {
    return invalid("experts from ", copy.expertBegin, ", ", copy.expertCount, ", stride ",
                   copy.expertDstStride, ": expected 0, 1, 0 for a source without {e}");
  }
  int64_t lastSource = copy.srcOffset;
  int64_t lastTarget = copy.dstOffset;
  int64_t volume = copy.expertCount;
  bool fits = addProduct(lastTarget, copy.expertCount - 1, copy.expertDstStride);
  for (const CopyDim &dim : copy.dims) {
    if (!inRange("extent", dim.extent, 1, limits::kWeightElements) ||
        !inRange("source stride", dim.srcStride, 0, limits::kWeightElements) ||
        !inRange("destination stride", dim.dstStride, 0, limits::kWeightElements)) {
      return false;
    }
    fits = fits && addProduct(lastSource, dim.extent - 1, dim.srcStride) &&
           addProduct(lastTarget, dim.extent - 1, dim.dstStride) &&
           !__builtin_mul_overflow(volume, dim.extent, &volume);
  }
  if (!fits || lastSource >= sourceElements) {
    return invalid("reads past the source: element ", lastSource, " of ", sourceElements);
  }
  if (lastTarget >= weight.elements) {
    return invalid("writes past the weight: element ", lastTarget, " of ", weight.elements);
  }
  if (__builtin_add_overflow(written, volume, &written) || written > weight.elements) {
    return invalid("the copies together write ", written, " elements, the weight has only ",
                   weight.elements);
  }
  return true;
}

bool WeightVerifier::verify(const Weight &weight, uint64_t &tensors) {
  if (!isFloat(weight.type)) {
    return invalid("type is ", static_cast<unsigned>(weight.type), ", expected f32 or bf16");
  }
  if (!layers(weight) || !inRange("elements", weight.elements, 1, limits::kWeightElements) ||
      !atMost("sources", weight.sources.size(), limits::kSources) ||
      !atMost("copies", weight.copies.size(), limits::kCopies)) {
    return false;
  }
  std::vector<int64_t> sourceElements(weight.sources.size());
  for (size_t i = 0; i < weight.sources.size(); ++i) {
    Place place(*this, concat("source ", i));
    if (!source(weight, weight.sources[i], sourceElements[i])) {
      return false;
    }
  }
  std::vector<int64_t> experts(weight.sources.size(), 1);
  int64_t written = 0;
  for (size_t i = 0; i < weight.copies.size(); ++i) {
    const WeightCopy &each = weight.copies[i];
    Place place(*this, concat("copy ", i));
    if (each.source >= weight.sources.size()) {
      return invalid("source is ", each.source, ", the weight has ", weight.sources.size());
    }
    if (!copy(weight, each, sourceElements[each.source], written)) {
      return false;
    }
    experts[each.source] = std::max(experts[each.source], each.expertCount);
  }
  const LayerRange &range = weight.layers;
  int64_t layerCount = (range.end - range.begin + range.step - 1) / range.step;
  for (size_t i = 0; i < weight.sources.size(); ++i) {
    bool layered = hasPlaceholder(weight.sources[i].name, "{l}");
    int64_t files = weight.sources[i].scales.empty() ? 1 : 2;
    tensors += static_cast<uint64_t>(files * experts[i] * (layered ? layerCount : 1));
  }
  return true;
}

} // namespace dsv2
