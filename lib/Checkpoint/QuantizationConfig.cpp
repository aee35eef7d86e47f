//===- QuantizationConfig.cpp - quantization_config -----------------------===//
//
// One method is known, and in it every key, since a key that is ignored could change
// what the stored numbers mean.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/QuantizationConfig.h"
#include "lib/Checkpoint/Config.h"

#include <algorithm>
#include <iterator>

namespace dsv2 {
namespace {

/// Of these, `dequantize` and `modules_to_not_convert` are for a loader: what is FP8 is
/// seen from the tensors.
constexpr std::string_view knownKeys[] = {
    "activation_scheme", "dequantize",        "fmt", "modules_to_not_convert", "quant_method",
    "scale_fmt",         "weight_block_size",
};

/// A string field that may be absent and has few values.
void checkChoice(FieldReader &reader, std::string_view key,
                 std::initializer_list<std::string_view> allowed) {
  std::string found = reader.stringOr(key, std::string(*allowed.begin()));
  if (std::find(allowed.begin(), allowed.end(), found) == allowed.end()) {
    std::string list;
    for (std::string_view name : allowed) {
      list += concat(list.empty() ? "" : " or ", quote(name));
    }
    reader.fail(ErrorKind::Unsupported, key, "must be ", list, ", found ", quote(found));
  }
}

void readBlockSize(FieldReader &reader, QuantizationConfig &result) {
  const Json *value = reader.value("weight_block_size");
  if (!value) {
    reader.fail(ErrorKind::Unsupported, "weight_block_size",
                "is missing, expected [rows, columns] of a block: one scale for a whole tensor is "
                "not supported");
    return;
  }
  uint64_t sizes[2] = {0, 0};
  bool good = value->array() && value->array()->size() == 2;
  for (size_t i = 0; good && i < 2; ++i) {
    sizes[i] = (*value->array())[i].natural().value_or(0);
    good = sizes[i] >= 1 && sizes[i] <= ConfigLimits::width;
  }
  if (!good) {
    reader.fail(ErrorKind::InvalidFile, "weight_block_size", "must be two integers from 1 to ",
                ConfigLimits::width, ", found ",
                value->array() && value->array()->size() == 2 ? "others" : value->describe());
    return;
  }
  result = {sizes[0], sizes[1]};
}

} // namespace

std::optional<QuantizationConfig> readQuantizationConfig(FieldReader &config) {
  if (!config.has("quantization_config")) {
    return std::nullopt;
  }
  const Json &object = config.object("quantization_config");
  FieldReader reader(object, config.file(), concat(config.prefix(), "quantization_config."));
  QuantizationConfig result;
  // The method first: a config of another one should hear of that, not of its keys.
  std::string method = reader.string("quant_method");
  if (!reader.failed() && method != "fp8") {
    reader.fail(ErrorKind::Unsupported, "quant_method", "must be 'fp8', found ", quote(method));
  }
  if (object.object()) {
    for (const auto &[key, value] : object.object()->members) {
      if (std::find(std::begin(knownKeys), std::end(knownKeys), key) == std::end(knownKeys) &&
          !value.isNull()) {
        reader.fail(ErrorKind::Unsupported, key, "is not supported");
      }
    }
  }
  checkChoice(reader, "fmt", {"e4m3"});
  checkChoice(reader, "activation_scheme", {"dynamic"});
  checkChoice(reader, "scale_fmt", {"float", "ue8m0"});
  readBlockSize(reader, result);
  if (reader.failed()) {
    config.fail(*reader.error());
    return std::nullopt;
  }
  return result;
}

} // namespace dsv2
