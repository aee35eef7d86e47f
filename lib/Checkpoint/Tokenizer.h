//===- Tokenizer.h - Text to token ids and back -----------------*- C++ -*-===//
//
// tokenizer.json of the Hugging Face tokenizers library, as far as byte-level BPE
// uses it, with the same ids. What is not supported is refused by name on loading.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_TOKENIZER_H
#define DSV2_LIB_CHECKPOINT_TOKENIZER_H

#include "lib/Checkpoint/AddedTokens.h"
#include "lib/Checkpoint/BpeModel.h"
#include "lib/Checkpoint/PreTokenizer.h"
#include "lib/Support/Error.h"
#include "lib/Support/Json.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsv2 {

/// Immutable after loading, so several threads may use one.
class Tokenizer {
public:
  static constexpr uint64_t maxTextBytes = 16u << 20;
  /// Tokens that post_processor may put around a text.
  static constexpr uint64_t maxTemplateTokens = 4096;

  /// Reads `directory`/tokenizer.json and, where there is one,
  /// tokenizer_config.json, whose add_bos_token and add_eos_token add those tokens
  /// where the template of tokenizer.json does not.
  static Expected<Tokenizer> load(const std::string &directory);

  /// From texts; `config` may be empty. The names begin messages.
  static Expected<Tokenizer> parse(std::string_view json, const std::string &name,
                                   std::string_view config, const std::string &configName);

  /// The ids of `text`; with `addSpecial` also the tokens that the template puts
  /// around it (BOS). Fails on invalid UTF-8, on texts past maxTextBytes, and when
  /// a pattern passes its limits or needs more than `patience` and 4 us a byte.
  Expected<std::vector<int32_t>>
  encode(std::string_view text, bool addSpecial = true,
         std::chrono::milliseconds patience = std::chrono::seconds(10)) const;

  /// The bytes that a token stands for, which may be a part of a character. Null
  /// for an id that no token has.
  const std::string *bytesOf(int32_t id) const;
  bool isSpecial(int32_t id) const;

  /// The whole text; bytes that are not UTF-8 become U+FFFD. Fails on an id that
  /// no token has.
  Expected<std::string> decode(const std::vector<int32_t> &ids, bool skipSpecial = true) const;

  /// The id of a token as tokenizer.json spells it.
  std::optional<int32_t> idOf(std::string_view spelling) const;
  /// One more than the largest id.
  uint64_t idEnd() const { return tokenBytes.size(); }

private:
  explicit Tokenizer(BpeModel model, AddedTokens added, PreTokenizer preTokenizer);
  std::optional<Error> readPostProcessor(const Json *json, const std::string &file,
                                         const std::string &prefix);
  std::optional<Error> readTemplate(const Json &json, const std::string &file,
                                    const std::string &prefix);
  std::optional<Error> readConfig(const Json &config, const std::string &file);
  std::optional<Error> checkTokens(const std::string &file);

  BpeModel model;
  AddedTokens added;
  PreTokenizer preTokenizer;
  std::vector<int32_t> prefixIds;
  std::vector<int32_t> suffixIds;
  /// By id, added tokens included.
  std::vector<std::optional<std::string>> tokenBytes;
};

/// Turns ids into text as they come, in whole characters only.
class StreamDecoder {
public:
  explicit StreamDecoder(const Tokenizer &tokenizer, bool skipSpecial = true)
      : tokenizer(tokenizer), skipSpecial(skipSpecial) {}

  /// The text that `id` completes, often empty inside a character. An unknown id
  /// shows as U+FFFD.
  std::string push(int32_t id);
  /// What is left at the end: U+FFFD for a cut character.
  std::string finish();

private:
  std::string takeWhole(bool atEnd);

  const Tokenizer &tokenizer;
  bool skipSpecial;
  std::string pending;
};

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_TOKENIZER_H
