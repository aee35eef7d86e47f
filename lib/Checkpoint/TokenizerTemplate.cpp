//===- TokenizerTemplate.cpp - Tokens around a text -----------------------===//
//
// Which tokens stand before and after a text: the `post_processor` of
// tokenizer.json says so, and tokenizer_config.json may add BOS and EOS by flags.
// DeepSeek-V2 ships no template and add_bos_token true. A flag that is false takes
// nothing away, since readers differ on that (transformers 4 by class, 5 never).
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/Tokenizer.h"

#include <algorithm>

namespace dsv2 {

std::optional<Error> Tokenizer::readPostProcessor(const Json *json, const std::string &file,
                                                  const std::string &prefix) {
  if (!json || json->isNull()) {
    return std::nullopt;
  }
  FieldReader reader(*json, file, prefix);
  std::string type = reader.string("type");
  if (reader.failed()) {
    return reader.error();
  }
  if (type == "ByteLevel") {
    return std::nullopt; // moves offsets only
  }
  if (type == "TemplateProcessing") {
    return readTemplate(*json, file, prefix);
  }
  if (type == "Sequence") {
    const Json *list = reader.value("processors");
    if (!list || !list->array()) {
      return Error(ErrorKind::InvalidFile, file, ": field '", prefix,
                   "processors' must be an array");
    }
    for (size_t i = 0; i < list->array()->size(); ++i) {
      if (std::optional<Error> error = readPostProcessor(&(*list->array())[i], file,
                                                         concat(prefix, "processors[", i, "]."))) {
        return error;
      }
    }
    return std::nullopt;
  }
  return Error(ErrorKind::Unsupported, file, ": field '", prefix,
               "type' must be Sequence, TemplateProcessing or ByteLevel, found ", quote(type));
}

std::optional<Error> Tokenizer::readTemplate(const Json &json, const std::string &file,
                                             const std::string &prefix) {
  auto refuse = [&](const auto &...parts) {
    return Error(ErrorKind::InvalidFile, file, ": field '", prefix, "single' ", parts...);
  };
  // A short name may stand for many ids and be named often.
  size_t room = maxTemplateTokens - prefixIds.size() - suffixIds.size();
  const Json *single = json.find("single");
  if (!single || !single->array()) {
    return refuse("must be an array");
  }
  const Json *special = json.find("special_tokens");
  std::vector<int32_t> before;
  std::vector<int32_t> after;
  bool seenText = false;
  for (const Json &piece : *single->array()) {
    if (piece.find("Sequence")) {
      if (seenText) {
        return refuse("holds the text twice");
      }
      seenText = true;
      continue;
    }
    const Json *token = piece.find("SpecialToken");
    const Json *id = token ? token->find("id") : nullptr;
    if (!id || !id->string()) {
      return refuse("must hold SpecialToken and Sequence entries, found ", piece.describe());
    }
    const Json *entry = special ? special->find(*id->string()) : nullptr;
    const Json *ids = entry ? entry->find("ids") : nullptr;
    if (!ids || !ids->array()) {
      return refuse("names ", quote(*id->string()), ", for which special_tokens has no ids");
    }
    if (ids->array()->size() > room) {
      return refuse("puts more tokens around a text than the limit of ", maxTemplateTokens);
    }
    room -= ids->array()->size();
    for (const Json &value : *ids->array()) {
      std::optional<uint64_t> number = value.natural();
      if (!number || *number > BpeModel::maxTokenId || !bytesOf(static_cast<int32_t>(*number))) {
        return refuse("names ", quote(*id->string()), ", whose id ", value.describe(),
                      " no token has");
      }
      (seenText ? after : before).push_back(static_cast<int32_t>(*number));
    }
  }
  if (!seenText) {
    return refuse("does not hold the text");
  }
  // A later template goes around an earlier one.
  prefixIds.insert(prefixIds.begin(), before.begin(), before.end());
  suffixIds.insert(suffixIds.end(), after.begin(), after.end());
  return std::nullopt;
}

std::optional<Error> Tokenizer::readConfig(const Json &config, const std::string &file) {
  FieldReader reader(config, file);
  if (reader.failed()) {
    return reader.error();
  }
  // A token is written as text or as an object with its content.
  auto readToken = [&](std::string_view flag, std::string_view key, std::vector<int32_t> &ids,
                       bool before) {
    const Json *value = reader.value(key);
    if (!reader.booleanOr(flag, false) || !value) {
      return;
    }
    const Json *content = value->object() ? value->find("content") : value;
    if (!content || !content->string()) {
      reader.fail(ErrorKind::InvalidFile, key, "must be a text or an object with content, found ",
                  value->describe());
      return;
    }
    std::optional<int32_t> id = idOf(*content->string());
    if (!id) {
      reader.fail(ErrorKind::Mismatch, key, "is ", quote(*content->string()),
                  ", which tokenizer.json lacks");
      return;
    }
    if (std::find(ids.begin(), ids.end(), *id) == ids.end()) {
      ids.insert(before ? ids.begin() : ids.end(), *id);
    }
  };
  readToken("add_bos_token", "bos_token", prefixIds, true);
  readToken("add_eos_token", "eos_token", suffixIds, false);
  return reader.error();
}

} // namespace dsv2
