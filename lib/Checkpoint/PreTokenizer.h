//===- PreTokenizer.h - Cutting text into words -----------------*- C++ -*-===//
//
// The `pre_tokenizer` of tokenizer.json: Split, Digits and ByteLevel in a Sequence,
// as GPT-2, DeepSeek and LLaMA 3 use them. Words come out as bytes; the byte-level
// alphabet is the vocabulary's affair.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_PRETOKENIZER_H
#define DSV2_LIB_CHECKPOINT_PRETOKENIZER_H

#include "lib/Checkpoint/SplitRegex.h"
#include "lib/Support/Error.h"
#include "lib/Support/Json.h"

#include <chrono>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace dsv2 {

class PreTokenizer {
public:
  /// Reads the steps; the last one must be ByteLevel. `file` begins messages.
  static Expected<PreTokenizer> parse(const Json &json, const std::string &file);

  /// Working memory of one text. Words point into the text or into the session.
  class Session {
  public:
    Session(const PreTokenizer &owner, std::chrono::milliseconds patience);
    /// Cuts `text` (valid UTF-8) and replaces `words`; empty ones are left out.
    std::optional<Error> split(std::string_view text, std::vector<std::string_view> &words);

  private:
    const PreTokenizer &owner;
    std::vector<SplitRegex::Matcher> matchers;
    std::deque<std::string> prefixed;
  };

private:
  /// What happens to the parts that a pattern matches.
  enum class Behavior { Isolated, Removed };
  struct Step {
    /// Puts a space before each word that has none; no pattern then.
    bool prefixSpace = false;
    /// Index into `regexes`.
    size_t regex = 0;
    Behavior behavior = Behavior::Isolated;
    bool invert = false;
  };

  std::optional<Error> addStep(const Json &json, const std::string &file,
                               const std::string &prefix);
  std::optional<Error> addRegex(Expected<SplitRegex> regex, const std::string &where, Step step);

  std::vector<Step> steps;
  std::vector<SplitRegex> regexes;
  bool complete = false; // ByteLevel has been seen
};

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_PRETOKENIZER_H
