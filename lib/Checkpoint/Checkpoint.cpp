//===- Checkpoint.cpp - A Hugging Face model directory --------------------===//
//
// Finds the weight files, opens their headers, and holds them against the index.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/Checkpoint.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>

namespace dsv2 {
namespace {

constexpr std::string_view singleName = "model.safetensors";
constexpr std::string_view indexName = "model.safetensors.index.json";
constexpr std::string_view goldenName = "golden.safetensors";
constexpr uint64_t maxShards = 4096;

bool endsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

/// Names in `directory` that end in .safetensors, sorted.
Expected<std::vector<std::string>> listWeightFiles(const std::string &directory) {
  DIR *stream = ::opendir(directory.c_str());
  if (!stream) {
    return systemError("cannot list", directory, errno);
  }
  std::vector<std::string> names;
  while (const dirent *entry = ::readdir(stream)) {
    std::string_view name = entry->d_name;
    if (endsWith(name, ".safetensors") && name != goldenName && name.front() != '.') {
      names.emplace_back(name);
    }
  }
  ::closedir(stream);
  std::sort(names.begin(), names.end());
  return names;
}

/// eos_token_id or bos_token_id: absent, a number or a list of numbers.
std::optional<Error> readIds(const Json &object, const std::string &path, std::string_view key,
                             std::vector<int64_t> &ids) {
  const Json *value = object.find(key);
  if (!value || value->isNull()) {
    return std::nullopt;
  }
  Json::Array one;
  const Json::Array *list = value->array();
  if (!list) {
    one.push_back(*value);
    list = &one;
  }
  ids.clear();
  for (const Json &element : *list) {
    std::optional<int64_t> id = element.integer();
    if (!id || *id < 0) {
      return Error(ErrorKind::InvalidFile, path, ": field '", key,
                   "' must be a token id or a list of them, found ", element.describe());
    }
    ids.push_back(*id);
  }
  return std::nullopt;
}

} // namespace

std::string Checkpoint::configPath() const { return joinPath(root, "config.json"); }

std::string Checkpoint::modelType() const {
  const Json *type = configJson.find("model_type");
  return type && type->string() ? *type->string() : std::string();
}

Expected<Checkpoint> Checkpoint::open(const std::string &directory, WeightData data) {
  Checkpoint result;
  result.root = directory;
  if (!pathExists(directory)) {
    return Error(ErrorKind::Io, "model directory ", quote(directory, 4096), " does not exist");
  }
  if (!isDirectory(directory)) {
    return Error(ErrorKind::Io, quote(directory, 4096), " is not a directory");
  }
  JsonLimits limits;
  limits.maxBytes = 4u << 20;
  limits.maxValues = 1u << 18;
  Expected<Json> config = Json::read(result.configPath(), limits);
  if (!config) {
    return config.takeError();
  }
  if (!config->object()) {
    return Error(ErrorKind::InvalidFile, result.configPath(), ": expected an object, found ",
                 config->describe());
  }
  result.configJson = std::move(*config);
  if (std::optional<Error> error = result.openWeights(data)) {
    return *error;
  }
  if (std::optional<Error> error = result.readTokenIds()) {
    return *error;
  }
  return result;
}

std::optional<Error> Checkpoint::openWeights(WeightData data) {
  std::string indexPath = joinPath(root, indexName);
  if (pathExists(indexPath)) {
    JsonLimits limits;
    limits.maxBytes = 256u << 20;
    Expected<Json> index = Json::read(indexPath, limits);
    if (!index) {
      return index.takeError();
    }
    FieldReader reader(*index, indexPath);
    const Json &weightMap = reader.object("weight_map");
    if (reader.failed()) {
      return reader.error();
    }
    std::vector<std::string> names;
    for (const auto &[tensor, value] : weightMap.object()->members) {
      const std::string *file = value.string();
      if (!file || !endsWith(*file, ".safetensors")) {
        return Error(ErrorKind::InvalidFile, indexPath, ": weight_map field ", quote(tensor),
                     " must be the name of a .safetensors file, found ", value.describe());
      }
      if (std::optional<Error> error = checkRelativeName(*file, "file name")) {
        return error->within(concat(indexPath, ": weight_map field ", quote(tensor)));
      }
      names.push_back(*file);
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    bool onlySingle = names.size() == 1 && names.front() == singleName;
    if (pathExists(joinPath(root, singleName)) && !onlySingle) {
      return Error(ErrorKind::Mismatch, root, ": holds both ", singleName, " and ", indexName,
                   ", which names other files");
    }
    for (const std::string &name : names) {
      if (!pathExists(joinPath(root, name))) {
        return Error(ErrorKind::Mismatch, indexPath, ": weight_map names the shard ", quote(name),
                     ", which does not exist");
      }
    }
    if (std::optional<Error> error = openShards(names, data)) {
      return error;
    }
    return checkIndex(weightMap, indexPath, names);
  }

  std::vector<std::string> names;
  if (pathExists(joinPath(root, singleName))) {
    names.emplace_back(singleName);
  } else {
    Expected<std::vector<std::string>> found = listWeightFiles(root);
    if (!found) {
      return found.takeError();
    }
    names = std::move(*found);
  }
  if (names.empty()) {
    return Error(ErrorKind::Io, root, ": holds no weights, expected ", singleName, ", ", indexName,
                 " or another *.safetensors");
  }
  return openShards(names, data);
}

std::optional<Error> Checkpoint::openShards(const std::vector<std::string> &names,
                                            WeightData data) {
  if (names.size() > maxShards) {
    return Error(ErrorKind::Limit, root, ": ", names.size(),
                 " weight files, more than the limit of ", maxShards);
  }
  shards.reserve(names.size());
  // Counted on the way: thousands of links to one large header cost nothing to make.
  uint64_t tensors = 0, headerBytes = 0;
  for (const std::string &name : names) {
    Expected<File> file = File::openBeneath(root, name);
    if (!file) {
      return file.takeError();
    }
    Expected<SafetensorsFile> shard =
        SafetensorsFile::open(std::move(*file), data == WeightData::Optional);
    if (!shard) {
      return shard.takeError();
    }
    identities.push_back(
        {name, shard->file().size(), shard->file().mtimeNs(), shard->headerHash()});
    tensors += shard->tensors().size();
    headerBytes += shard->headerBytes();
    if (tensors > SafetensorsLimits::tensors) {
      return Error(ErrorKind::Limit, root, ": ", tensors, " tensors up to ", quote(name),
                   ", more than the limit of ", SafetensorsLimits::tensors);
    }
    if (headerBytes > SafetensorsLimits::allHeaderBytes) {
      return Error(ErrorKind::Limit, root, ": ", headerBytes, " bytes of headers up to ",
                   quote(name), ", more than the limit of ", SafetensorsLimits::allHeaderBytes);
    }
    shards.push_back(std::move(*shard));
  }
  for (uint32_t i = 0; i < shards.size(); ++i) {
    for (const TensorInfo &info : shards[i].tensors()) {
      allTensors.push_back({&info, i});
    }
  }
  std::sort(allTensors.begin(), allTensors.end(),
            [](const CheckpointTensor &a, const CheckpointTensor &b) {
              return a.name() != b.name() ? a.name() < b.name() : a.shard < b.shard;
            });
  for (size_t i = 1; i < allTensors.size(); ++i) {
    if (allTensors[i].name() == allTensors[i - 1].name()) {
      return Error(ErrorKind::Mismatch, root, ": tensor ", quote(allTensors[i].name()),
                   " is in two files, ", quote(names[allTensors[i - 1].shard]), " and ",
                   quote(names[allTensors[i].shard]));
    }
  }
  return std::nullopt;
}

std::optional<Error> Checkpoint::checkIndex(const Json &weightMap, const std::string &indexPath,
                                            const std::vector<std::string> &names) {
  for (const auto &[name, value] : weightMap.object()->members) {
    const CheckpointTensor *tensor = find(name);
    const std::string &file = *value.string();
    if (!tensor || names[tensor->shard] != file) {
      return Error(ErrorKind::Mismatch, indexPath, ": weight_map places tensor ", quote(name),
                   " in ", quote(file), ", which does not hold it",
                   tensor ? concat("; ", quote(names[tensor->shard]), " does") : "");
    }
  }
  for (const CheckpointTensor &tensor : allTensors) {
    if (!weightMap.find(tensor.name())) {
      return Error(ErrorKind::Mismatch, indexPath, ": weight_map lacks tensor ",
                   quote(tensor.name()), ", which ", quote(names[tensor.shard]), " holds");
    }
  }
  return std::nullopt;
}

std::optional<Error> Checkpoint::readTokenIds() {
  std::vector<int64_t> bosIds;
  auto readBoth = [&](const Json &object, const std::string &path) {
    std::optional<Error> error = readIds(object, path, "eos_token_id", eosIds);
    return error ? error : readIds(object, path, "bos_token_id", bosIds);
  };
  if (std::optional<Error> error = readBoth(configJson, configPath())) {
    return error;
  }
  std::string path = joinPath(root, "generation_config.json");
  if (pathExists(path)) {
    Expected<Json> generation = Json::read(path, {1u << 20, 1u << 16, 64});
    if (!generation) {
      return generation.takeError();
    }
    if (!generation->object()) {
      return Error(ErrorKind::InvalidFile, path, ": expected an object, found ",
                   generation->describe());
    }
    if (std::optional<Error> error = readBoth(*generation, path)) {
      return error;
    }
  }
  if (bosIds.size() > 1) {
    return Error(ErrorKind::InvalidFile, path, ": field 'bos_token_id' must be one token id");
  }
  if (!bosIds.empty()) {
    bosId = bosIds.front();
  }
  return std::nullopt;
}

const CheckpointTensor *Checkpoint::find(std::string_view name) const {
  auto at = std::lower_bound(allTensors.begin(), allTensors.end(), name,
                             [](const CheckpointTensor &tensor, std::string_view wanted) {
                               return tensor.name() < wanted;
                             });
  return at != allTensors.end() && at->name() == name ? &*at : nullptr;
}

std::optional<Error> Checkpoint::read(const CheckpointTensor &tensor, uint64_t offset,
                                      uint64_t bytes, void *into) const {
  return shards[tensor.shard].read(*tensor.info, offset, bytes, into);
}

const std::string &Checkpoint::fileOf(const CheckpointTensor &tensor) const {
  return shards[tensor.shard].file().path();
}

} // namespace dsv2
