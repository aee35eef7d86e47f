//===- AddedTokens.cpp - Tokens that are found before splitting -----------===//
//
// Two rounds, as in the tokenizers library: tokens that no normalizer touches cut
// the text first, the others cut what is left.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/AddedTokens.h"

#include "lib/Checkpoint/BpeModel.h"
#include "lib/Support/Utf8.h"

#include <algorithm>
#include <numeric>

namespace dsv2 {
namespace {

/// Unicode's White_Space.
bool isWhiteSpace(uint32_t c) {
  return (c >= 0x9 && c <= 0xd) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

size_t skipSpaceForward(std::string_view text, size_t at) {
  while (at < text.size()) {
    size_t length = utf8Length(text, at);
    if (length == 0 || !isWhiteSpace(decodeUtf8(text, at, length))) {
      break;
    }
    at += length;
  }
  return at;
}

size_t skipSpaceBackward(std::string_view text, size_t at, size_t stop) {
  while (at > stop) {
    size_t begin = at - 1;
    while (begin > stop && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) {
      --begin;
    }
    size_t length = utf8Length(text, begin);
    if (length != at - begin || !isWhiteSpace(decodeUtf8(text, begin, length))) {
      break;
    }
    at = begin;
  }
  return at;
}

} // namespace

Expected<AddedTokens> AddedTokens::parse(const Json *json, const std::string &file) {
  AddedTokens result;
  if (!json || json->isNull()) {
    return result;
  }
  const Json::Array *entries = json->array();
  if (!entries || entries->size() > maxTokens) {
    return Error(ErrorKind::InvalidFile, file,
                 ": field 'added_tokens' must be an array of at most ", maxTokens, ", found ",
                 json->describe());
  }
  for (size_t i = 0; i < entries->size(); ++i) {
    FieldReader reader((*entries)[i], file, concat("added_tokens[", i, "]."));
    AddedToken token;
    token.id = static_cast<int32_t>(reader.natural("id", 0, BpeModel::maxTokenId));
    token.content = reader.string("content");
    token.special = reader.booleanOr("special", false);
    token.stripLeft = reader.booleanOr("lstrip", false);
    token.stripRight = reader.booleanOr("rstrip", false);
    token.normalized = reader.booleanOr("normalized", !token.special);
    if (reader.booleanOr("single_word", false)) {
      reader.fail(ErrorKind::Unsupported, "single_word", "is true, which is not supported");
    }
    if (token.content.empty() || token.content.size() > maxContentBytes) {
      reader.fail(ErrorKind::Limit, "content", "must have 1 to ", maxContentBytes, " bytes, found ",
                  token.content.size());
    }
    if (reader.failed()) {
      return *reader.error();
    }
    result.list.push_back(std::move(token));
  }

  std::vector<AddedToken> &list = result.list;
  std::sort(list.begin(), list.end(),
            [](const AddedToken &a, const AddedToken &b) { return a.id < b.id; });
  result.byName.resize(list.size());
  std::iota(result.byName.begin(), result.byName.end(), 0u);
  std::sort(result.byName.begin(), result.byName.end(),
            [&](uint32_t a, uint32_t b) { return list[a].content < list[b].content; });
  for (size_t i = 1; i < list.size(); ++i) {
    if (list[i].id == list[i - 1].id) {
      return Error(ErrorKind::InvalidFile, file, ": added_tokens gives the id ", list[i].id, " to ",
                   quote(list[i - 1].content), " and to ", quote(list[i].content));
    }
    const std::string &content = list[result.byName[i]].content;
    if (content == list[result.byName[i - 1]].content) {
      return Error(ErrorKind::InvalidFile, file, ": added_tokens has ", quote(content), " twice");
    }
  }
  result.raw = result.makeRound(false);
  result.normalized = result.makeRound(true);
  return result;
}

AddedTokens::Round AddedTokens::makeRound(bool normalized) const {
  Round round;
  for (uint32_t index : byName) {
    if (list[index].normalized == normalized) {
      round.sorted.push_back(index);
      ++round.first[static_cast<unsigned char>(list[index].content.front()) + 1];
    }
  }
  std::partial_sum(round.first.begin(), round.first.end(), round.first.begin());
  return round;
}

const AddedToken *AddedTokens::longestAt(const Round &round, std::string_view text,
                                         size_t at) const {
  // The tokens that begin with what has been read; the one that ends here is the
  // first of them.
  unsigned char byte = static_cast<unsigned char>(text[at]);
  auto begin = round.sorted.begin() + round.first[byte];
  auto end = round.sorted.begin() + round.first[byte + 1];
  const AddedToken *longest = nullptr;
  for (size_t length = 1; begin != end; ++length) {
    if (list[*begin].content.size() == length) {
      longest = &list[*begin++];
    }
    if (at + length == text.size()) {
      break;
    }
    auto byteOf = [&](uint32_t index) {
      return static_cast<unsigned char>(list[index].content[length]);
    };
    byte = static_cast<unsigned char>(text[at + length]);
    begin = std::partition_point(begin, end, [&](uint32_t index) { return byteOf(index) < byte; });
    end = std::partition_point(begin, end, [&](uint32_t index) { return byteOf(index) == byte; });
  }
  return longest;
}

void AddedTokens::splitBy(const Round &round, std::string_view text,
                          std::vector<TextPart> &parts) const {
  size_t done = 0;
  size_t at = 0;
  while (at < text.size()) {
    const AddedToken *token = longestAt(round, text, at);
    if (!token) {
      ++at;
      continue;
    }
    size_t begin = token->stripLeft ? skipSpaceBackward(text, at, done) : at;
    size_t end = at + token->content.size();
    end = token->stripRight ? skipSpaceForward(text, end) : end;
    if (done < begin) {
      parts.push_back({-1, text.substr(done, begin - done)});
    }
    parts.push_back({token->id, text.substr(begin, end - begin)});
    done = at = end;
  }
  if (done < text.size()) {
    parts.push_back({-1, text.substr(done)});
  }
}

std::vector<TextPart> AddedTokens::split(std::string_view text) const {
  std::vector<TextPart> first;
  splitBy(raw, text, first);
  std::vector<TextPart> parts;
  for (const TextPart &part : first) {
    if (part.id >= 0) {
      parts.push_back(part);
    } else {
      splitBy(normalized, part.text, parts);
    }
  }
  return parts;
}

const AddedToken *AddedTokens::byId(int32_t id) const {
  auto at = std::lower_bound(list.begin(), list.end(), id,
                             [](const AddedToken &token, int32_t key) { return token.id < key; });
  return at != list.end() && at->id == id ? &*at : nullptr;
}

const AddedToken *AddedTokens::byContent(std::string_view content) const {
  auto at = std::lower_bound(
      byName.begin(), byName.end(), content,
      [&](uint32_t index, std::string_view key) { return list[index].content < key; });
  return at != byName.end() && list[*at].content == content ? &list[*at] : nullptr;
}

} // namespace dsv2
