//===- Tokenizer.cpp - Text to token ids and back -------------------------===//
//
// Puts the parts together in the order of the tokenizers library: added tokens,
// pre-tokenizer, model, template; and decodes.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/Tokenizer.h"

#include "lib/Checkpoint/ByteLevel.h"
#include "lib/Support/File.h"
#include "lib/Support/Utf8.h"

#include <algorithm>

namespace dsv2 {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd"; // U+FFFD

JsonLimits tokenizerLimits() {
  JsonLimits limits;
  limits.maxBytes = 64u << 20;
  limits.maxValues = 8u << 20;
  return limits;
}

/// Only an absent normalizer, or a sequence of none, leaves text as it is.
std::optional<Error> checkNormalizer(const Json *json, const std::string &file) {
  if (!json || json->isNull()) {
    return std::nullopt;
  }
  FieldReader reader(*json, file, "normalizer.");
  std::string type = reader.string("type");
  const Json *list = reader.value("normalizers");
  if (reader.failed()) {
    return reader.error();
  }
  if (type == "Sequence" && list && list->array() && list->array()->empty()) {
    return std::nullopt;
  }
  return Error(ErrorKind::Unsupported, file,
               ": field 'normalizer' must be null or an empty Sequence, found ", quote(type));
}

/// The decoder must be ByteLevel, alone or in a sequence of one.
std::optional<Error> checkDecoder(const Json *json, const std::string &file) {
  if (json && json->object()) {
    const Json *type = json->find("type");
    const Json *list = json->find("decoders");
    if (type && type->string() && *type->string() == "Sequence" && list && list->array() &&
        list->array()->size() == 1) {
      json = &list->array()->front();
      type = json->find("type");
    }
    if (type && type->string() && *type->string() == "ByteLevel") {
      return std::nullopt;
    }
    if (type) {
      return Error(ErrorKind::Unsupported, file, ": field 'decoder' must be ByteLevel, found ",
                   type->describe());
    }
  }
  return Error(ErrorKind::Unsupported, file, ": field 'decoder' must be ByteLevel, found ",
               json ? json->describe() : "nothing");
}

} // namespace

Tokenizer::Tokenizer(BpeModel model, AddedTokens added, PreTokenizer preTokenizer)
    : model(std::move(model)), added(std::move(added)), preTokenizer(std::move(preTokenizer)) {}

Expected<Tokenizer> Tokenizer::load(const std::string &directory) {
  std::string path = joinPath(directory, "tokenizer.json");
  std::string configPath = joinPath(directory, "tokenizer_config.json");
  Expected<std::string> text = readFile(path, tokenizerLimits().maxBytes);
  if (!text) {
    return text.takeError();
  }
  std::string config;
  if (pathExists(configPath)) {
    Expected<std::string> found = readFile(configPath, 16u << 20);
    if (!found) {
      return found.takeError();
    }
    config = std::move(*found);
  }
  return parse(*text, path, config, configPath);
}

Expected<Tokenizer> Tokenizer::parse(std::string_view text, const std::string &name,
                                     std::string_view config, const std::string &configName) {
  Expected<Json> json = Json::parse(text, name, tokenizerLimits());
  if (!json) {
    return json.takeError();
  }
  FieldReader reader(*json, name);
  const Json &modelJson = reader.object("model");
  const Json &splitJson = reader.object("pre_tokenizer");
  if (reader.failed()) {
    return *reader.error();
  }
  if (std::optional<Error> error = checkNormalizer(json->find("normalizer"), name)) {
    return *error;
  }
  if (std::optional<Error> error = checkDecoder(json->find("decoder"), name)) {
    return *error;
  }
  Expected<PreTokenizer> preTokenizer = PreTokenizer::parse(splitJson, name);
  if (!preTokenizer) {
    return preTokenizer.takeError();
  }
  Expected<AddedTokens> added = AddedTokens::parse(json->find("added_tokens"), name);
  if (!added) {
    return added.takeError();
  }
  Expected<BpeModel> model = BpeModel::parse(modelJson, name);
  if (!model) {
    return model.takeError();
  }
  Tokenizer result(std::move(*model), std::move(*added), std::move(*preTokenizer));
  if (std::optional<Error> error = result.checkTokens(name)) {
    return *error;
  }
  if (std::optional<Error> error =
          result.readPostProcessor(json->find("post_processor"), name, "post_processor.")) {
    return *error;
  }
  if (!config.empty()) {
    Expected<Json> configJson = Json::parse(config, configName);
    if (!configJson) {
      return configJson.takeError();
    }
    if (std::optional<Error> error = result.readConfig(*configJson, configName)) {
      return *error;
    }
  }
  return result;
}

std::optional<Error> Tokenizer::checkTokens(const std::string &file) {
  uint64_t end = model.idEnd();
  for (const AddedToken &token : added.tokens()) {
    end = std::max<uint64_t>(end, static_cast<uint64_t>(token.id) + 1);
  }
  tokenBytes.resize(end);
  for (uint64_t id = 0; id < model.idEnd(); ++id) {
    if (const std::string *bytes = model.bytesOf(id)) {
      tokenBytes[id] = *bytes;
    }
  }
  for (const AddedToken &token : added.tokens()) {
    // The decoder reads an added token in the byte-level alphabet too, where it can.
    std::string bytes = decodeByteLevel(token.content).value_or(token.content);
    std::optional<std::string> &slot = tokenBytes[token.id];
    if (slot && *slot != bytes) {
      return Error(ErrorKind::Mismatch, file, ": added_tokens gives the id ", token.id, " to ",
                   quote(token.content), ", vocab to another token");
    }
    slot = std::move(bytes);
  }
  return std::nullopt;
}

std::optional<int32_t> Tokenizer::idOf(std::string_view spelling) const {
  if (const AddedToken *token = added.byContent(spelling)) {
    return token->id;
  }
  return model.idOfSpelling(spelling);
}

const std::string *Tokenizer::bytesOf(int32_t id) const {
  if (id < 0 || static_cast<uint64_t>(id) >= tokenBytes.size() || !tokenBytes[id]) {
    return nullptr;
  }
  return &*tokenBytes[id];
}

bool Tokenizer::isSpecial(int32_t id) const {
  const AddedToken *token = added.byId(id);
  return token && token->special;
}

Expected<std::vector<int32_t>> Tokenizer::encode(std::string_view text, bool addSpecial,
                                                 std::chrono::milliseconds patience) const {
  if (text.size() > maxTextBytes) {
    return Error(ErrorKind::Limit, "text of ", text.size(), " bytes, more than the limit of ",
                 maxTextBytes);
  }
  size_t invalid = findInvalidUtf8(text);
  if (invalid != std::string_view::npos) {
    return Error(ErrorKind::Usage, "text is not valid UTF-8 at byte ", invalid);
  }
  std::vector<int32_t> ids;
  if (addSpecial) {
    ids = prefixIds;
  }
  // A long text may take its time, at a small part of the usual speed.
  PreTokenizer::Session session(preTokenizer,
                                patience + std::chrono::milliseconds(text.size() / 250));
  std::vector<std::string_view> words;
  for (const TextPart &part : added.split(text)) {
    if (part.id >= 0) {
      ids.push_back(part.id);
      continue;
    }
    if (std::optional<Error> error = session.split(part.text, words)) {
      return *error;
    }
    for (std::string_view word : words) {
      if (std::optional<Error> error = model.encode(word, ids)) {
        return *error;
      }
    }
  }
  if (addSpecial) {
    ids.insert(ids.end(), suffixIds.begin(), suffixIds.end());
  }
  return ids;
}

Expected<std::string> Tokenizer::decode(const std::vector<int32_t> &ids, bool skipSpecial) const {
  StreamDecoder decoder(*this, skipSpecial);
  std::string text;
  for (int32_t id : ids) {
    if (!bytesOf(id)) {
      return Error(ErrorKind::Usage, "token id ", id, " is not in the tokenizer's vocabulary");
    }
    text += decoder.push(id);
  }
  return text + decoder.finish();
}

std::string StreamDecoder::push(int32_t id) {
  if (skipSpecial && tokenizer.isSpecial(id)) {
    return {};
  }
  const std::string *bytes = tokenizer.bytesOf(id);
  pending += bytes ? std::string_view(*bytes) : replacement;
  return takeWhole(/*atEnd=*/false);
}

std::string StreamDecoder::finish() { return takeWhole(/*atEnd=*/true); }

std::string StreamDecoder::takeWhole(bool atEnd) {
  std::string out;
  size_t at = 0;
  while (at < pending.size()) {
    if (size_t length = utf8Length(pending, at)) {
      out.append(pending, at, length);
      at += length;
      continue;
    }
    size_t cut = utf8CutLength(pending, at);
    if (cut != 0 && !atEnd) {
      break;
    }
    out += replacement;
    at += cut != 0 ? cut : utf8InvalidLength(pending, at);
  }
  pending.erase(0, at);
  return out;
}

} // namespace dsv2
