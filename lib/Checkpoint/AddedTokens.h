//===- AddedTokens.h - Tokens that are found before splitting ---*- C++ -*-===//
//
// The `added_tokens` of tokenizer.json (<|begin of sentence|> and the like) are
// looked up in the text as they are spelled, the longest at the leftmost place;
// the rest goes through the pre-tokenizer and the model.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_ADDEDTOKENS_H
#define DSV2_LIB_CHECKPOINT_ADDEDTOKENS_H

#include "lib/Support/Error.h"
#include "lib/Support/Json.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsv2 {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  /// Hidden when text is shown; has no other effect.
  bool special = false;
  /// Whether white space before or after belongs to the token.
  bool stripLeft = false;
  bool stripRight = false;
  /// Looked up after those that are not.
  bool normalized = false;
};

/// A part of a text: a token, or text between tokens (id -1).
struct TextPart {
  int32_t id;
  std::string_view text;
};

class AddedTokens {
public:
  static constexpr uint64_t maxContentBytes = 256;
  static constexpr uint64_t maxTokens = 1 << 20;

  /// Reads the list; null means none. `single_word` is refused by name.
  static Expected<AddedTokens> parse(const Json *json, const std::string &file);

  /// Cuts `text`; parts point into it. Empty text between tokens is left out.
  std::vector<TextPart> split(std::string_view text) const;

  const std::vector<AddedToken> &tokens() const { return list; }
  /// The token of that id, or of that content; null if there is none.
  const AddedToken *byId(int32_t id) const;
  const AddedToken *byContent(std::string_view content) const;

private:
  /// Indices into `list`, sorted by content, and where each first byte begins. A
  /// tree over bytes would find as fast, but takes 60 times the file's memory.
  struct Round {
    std::vector<uint32_t> sorted;
    std::array<uint32_t, 257> first{};
  };

  Round makeRound(bool normalized) const;
  const AddedToken *longestAt(const Round &round, std::string_view text, size_t at) const;
  void splitBy(const Round &round, std::string_view text, std::vector<TextPart> &parts) const;

  std::vector<AddedToken> list; // sorted by id
  std::vector<uint32_t> byName; // indices sorted by content
  Round raw;                    // normalized: false
  Round normalized;
};

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_ADDEDTOKENS_H
