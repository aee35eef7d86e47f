//===- RoutingLog.cpp - Which experts were chosen, by layer ---------------===//
//
// Rows are stored by a token's place in its sequence, so chunks and batches of the
// recording and of the replay need not agree.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/RoutingLog.h"

#include "lib/Checkpoint/Safetensors.h"
#include "lib/Support/TokensOptions.h"

#include <algorithm>
#include <charconv>

namespace dsv2 {

void RoutingLog::record(int64_t layer, const IntTensor &ids, const Step &step) {
  int64_t topK = ids.dim(1);
  for (int64_t t = 0; t < step.rowCount(); ++t) {
    const StepRow &row = step.rows[t];
    IntTensor &log = choices[{layer, row.sequence}];
    if (log.shape.empty()) {
      log.shape = {0, topK};
    }
    log.shape[0] = std::max(log.shape[0], row.index + 1);
    log.values.resize(elementCount(log.shape));
    std::copy_n(ids.row(t), topK, log.row(row.index));
  }
}

Expected<IntTensor> RoutingLog::replay(int64_t layer, int64_t topK, int64_t experts,
                                       const Step &step) const {
  IntTensor ids({step.rowCount(), topK});
  for (int64_t t = 0; t < step.rowCount(); ++t) {
    const StepRow &row = step.rows[t];
    std::string name = routingTensorName(layer, row.sequence);
    auto found = choices.find({layer, row.sequence});
    if (found == choices.end()) {
      return Error(ErrorKind::Mismatch, "routing to replay: no tensor ", quote(name));
    }
    const IntTensor &log = found->second;
    if (log.dim(1) != topK || row.index >= log.rows()) {
      return Error(ErrorKind::Mismatch, "routing to replay: tensor ", quote(name), " is [",
                   log.rows(), ", ", log.dim(1), "], expected at least ", row.index + 1,
                   " rows of ", topK);
    }
    for (int64_t k = 0; k < topK; ++k) {
      int64_t id = log.row(row.index)[k];
      if (id < 0 || id >= experts) {
        return Error(ErrorKind::Mismatch, "routing to replay: tensor ", quote(name), " row ",
                     row.index, " names expert ", id, ", expected a number below ", experts);
      }
      ids.row(t)[k] = id;
    }
  }
  return ids;
}

std::optional<Error> RoutingLog::write(const std::string &path) const {
  std::vector<std::vector<int32_t>> data;
  std::vector<TensorToWrite> tensors;
  data.reserve(choices.size());
  for (const auto &[key, ids] : choices) {
    data.emplace_back(ids.values.begin(), ids.values.end());
    tensors.push_back({routingTensorName(uint64_t(key.first), uint64_t(key.second)),
                       DType::I32,
                       {uint64_t(ids.rows()), uint64_t(ids.dim(1))},
                       data.back().data()});
  }
  return writeSafetensors(path, tensors);
}

/// Takes "PREFIX" and a number off the front of `text`.
static bool takeNumber(std::string_view &text, std::string_view prefix, int64_t &number) {
  if (text.substr(0, prefix.size()) != prefix) {
    return false;
  }
  const char *begin = text.data() + prefix.size(), *end = text.data() + text.size();
  std::from_chars_result parsed = std::from_chars(begin, end, number);
  if (parsed.ec != std::errc() || number < 0) {
    return false;
  }
  text.remove_prefix(parsed.ptr - text.data());
  return true;
}

/// Splits "layers.L.experts" or "layers.L.experts.S".
static bool parseName(std::string_view name, int64_t &layer, int64_t &sequence) {
  sequence = 0;
  constexpr std::string_view middle = ".experts";
  if (!takeNumber(name, "layers.", layer) || name.substr(0, middle.size()) != middle) {
    return false;
  }
  name.remove_prefix(middle.size());
  return name.empty() || (takeNumber(name, ".", sequence) && name.empty());
}

Expected<RoutingLog> RoutingLog::read(const std::string &path) {
  Expected<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file) {
    return file.takeError();
  }
  RoutingLog log;
  for (const TensorInfo &tensor : file->tensors()) {
    std::pair<int64_t, int64_t> key;
    bool isWide = tensor.dtype == DType::I64;
    if (!parseName(tensor.name, key.first, key.second) || tensor.shape.size() != 2 ||
        (!isWide && tensor.dtype != DType::I32)) {
      return Error(ErrorKind::InvalidFile, path, ": tensor ", quote(tensor.name), " is ",
                   describeTensor(tensor.dtype, tensor.shape),
                   ", expected 'layers.L.experts' or 'layers.L.experts.S', I32 or I64 [T, top_k]");
    }
    IntTensor ids({int64_t(tensor.shape[0]), int64_t(tensor.shape[1])});
    std::optional<Error> error;
    if (isWide) {
      error = file->read(tensor, 0, tensor.bytes, ids.values.data());
    } else {
      std::vector<int32_t> narrow(ids.values.size());
      error = file->read(tensor, 0, tensor.bytes, narrow.data());
      std::copy(narrow.begin(), narrow.end(), ids.values.begin());
    }
    if (error) {
      return std::move(*error);
    }
    log.choices[key] = std::move(ids);
  }
  return log;
}

} // namespace dsv2
