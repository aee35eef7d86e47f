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
  result.rawTree.emplace_back();
  result.normalizedTree.emplace_back();
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
  for (size_t i = 0; i < list.size(); ++i) {
    result.insert(list[i].normalized ? result.normalizedTree : result.rawTree, list[i],
                  static_cast<int32_t>(i));
  }
  return result;
}

void AddedTokens::insert(Tree &tree, const AddedToken &token, int32_t index) {
  uint32_t node = 0;
  for (char c : token.content) {
    unsigned char byte = static_cast<unsigned char>(c);
    auto &children = tree[node].children;
    auto at = std::lower_bound(children.begin(), children.end(), std::make_pair(byte, 0u));
    if (at == children.end() || at->first != byte) {
      uint32_t fresh = static_cast<uint32_t>(tree.size());
      children.insert(at, {byte, fresh});
      tree.emplace_back();
      node = fresh;
    } else {
      node = at->second;
    }
  }
  tree[node].token = index;
}

const AddedToken *AddedTokens::longestAt(const Tree &tree, std::string_view text, size_t at) const {
  const AddedToken *longest = nullptr;
  uint32_t node = 0;
  for (; at < text.size(); ++at) {
    unsigned char byte = static_cast<unsigned char>(text[at]);
    const auto &children = tree[node].children;
    auto child = std::lower_bound(children.begin(), children.end(), std::make_pair(byte, 0u));
    if (child == children.end() || child->first != byte) {
      break;
    }
    node = child->second;
    if (tree[node].token >= 0) {
      longest = &list[tree[node].token];
    }
  }
  return longest;
}

void AddedTokens::splitBy(const Tree &tree, std::string_view text,
                          std::vector<TextPart> &parts) const {
  size_t done = 0;
  size_t at = 0;
  while (at < text.size()) {
    const AddedToken *token = longestAt(tree, text, at);
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
  splitBy(rawTree, text, first);
  std::vector<TextPart> parts;
  for (const TextPart &part : first) {
    if (part.id >= 0) {
      parts.push_back(part);
    } else {
      splitBy(normalizedTree, part.text, parts);
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
