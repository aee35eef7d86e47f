//===- BpeModel.h - Byte-pair encoding over bytes ---------------*- C++ -*-===//
//
// The `model` of tokenizer.json: a vocabulary and ranked merges. A word becomes
// its bytes, and the pair of lowest rank is merged until none is left (Sennrich et
// al., 2016), leftmost first among equals.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_BPEMODEL_H
#define DSV2_LIB_CHECKPOINT_BPEMODEL_H

#include "lib/Support/Error.h"
#include "lib/Support/Json.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsv2 {

class BpeModel {
public:
  static constexpr uint64_t maxTokenId = (uint64_t(1) << 22) - 1;
  static constexpr uint64_t maxTokenBytes = 4096;

  /// Reads a model of type BPE; `file` begins messages. Options that change the
  /// result (dropout, byte_fallback, prefixes and suffixes, an unknown token that
  /// could occur) are refused by name.
  static Expected<BpeModel> parse(const Json &model, const std::string &file);

  /// Appends the ids of one word in O(n log n). Fails on a byte that the
  /// vocabulary lacks.
  std::optional<Error> encode(std::string_view word, std::vector<int32_t> &ids) const;

  /// The token as tokenizer.json spells it, in the byte-level alphabet.
  std::optional<int32_t> idOfSpelling(std::string_view spelling) const;
  /// The bytes of a token; null if the vocabulary has no such id.
  const std::string *bytesOf(uint64_t id) const;
  /// One more than the largest id.
  uint64_t idEnd() const { return tokens.size(); }

private:
  struct Token {
    bool present = false;
    /// Spelled in the alphabet, so that text can become this token.
    bool reachable = false;
    std::string bytes;
  };
  struct Merge {
    uint64_t pair; // left id in the upper half, right id in the lower
    uint32_t rank;
    int32_t result;
  };

  std::optional<Error> readVocabulary(const Json &vocabulary, const std::string &file);
  std::optional<Error> readMerges(const Json &merges, const std::string &file);
  std::optional<int32_t> idOfBytes(std::string_view bytes) const;
  const Merge *findMerge(int32_t left, int32_t right) const;

  std::vector<Token> tokens;    // by id
  std::vector<int32_t> byBytes; // reachable ids, in the order of their bytes
  std::vector<Merge> merges;    // in the order of the pairs
  std::array<int32_t, 256> byteIds{};
  bool ignoreMerges = false;
};

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_BPEMODEL_H
