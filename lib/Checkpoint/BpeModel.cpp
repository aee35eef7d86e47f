//===- BpeModel.cpp - Byte-pair encoding over bytes -----------------------===//
//
// A word is a linked list of symbols, candidates wait in a heap by rank and
// position; a candidate whose symbols have changed meanwhile is dropped when it
// comes up. Tables are sorted arrays: a hash table could be made slow by the file.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/BpeModel.h"

#include "lib/Checkpoint/ByteLevel.h"

#include <algorithm>

namespace dsv2 {
namespace {

std::string fieldError(const std::string &file, std::string_view field) {
  return concat(file, ": field 'model.", field, "' ");
}

/// The two halves of a merge: "a b", or ["a", "b"].
std::optional<std::pair<std::string_view, std::string_view>> splitMerge(const Json &merge) {
  if (const std::string *text = merge.string()) {
    std::string_view view = *text;
    size_t space = view.find(' ');
    if (space == std::string_view::npos || view.find(' ', space + 1) != std::string_view::npos) {
      return std::nullopt;
    }
    return std::make_pair(view.substr(0, space), view.substr(space + 1));
  }
  const Json::Array *pair = merge.array();
  if (!pair || pair->size() != 2 || !(*pair)[0].string() || !(*pair)[1].string()) {
    return std::nullopt;
  }
  return std::make_pair(std::string_view(*(*pair)[0].string()),
                        std::string_view(*(*pair)[1].string()));
}

/// A piece of the word during merging.
struct Symbol {
  int32_t id;
  int32_t previous;
  int32_t next;
  bool alive;
};

/// A pair that may be merged, by the index of its left symbol.
struct Candidate {
  uint32_t rank;
  int32_t position;
  int32_t right; // both ids as they were, to notice a change
  int32_t left;
  int32_t result;

  /// Heap order: the lowest rank, then the leftmost, on top.
  bool operator<(const Candidate &other) const {
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};

} // namespace

Expected<BpeModel> BpeModel::parse(const Json &json, const std::string &file) {
  FieldReader reader(json, file, "model.");
  std::string type = reader.string("type");
  if (!reader.failed() && type != "BPE") {
    reader.fail(ErrorKind::Unsupported, "type", "must be 'BPE', found ", quote(type));
  }
  for (std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!reader.stringOr(key, "").empty()) {
      reader.fail(ErrorKind::Unsupported, key, "is not supported, found ",
                  reader.value(key)->describe());
    }
  }
  if (reader.numberOr("dropout", 0, 0, 1) != 0) {
    reader.fail(ErrorKind::Unsupported, "dropout", "is not supported, found ",
                reader.value("dropout")->describe());
  }
  if (reader.booleanOr("byte_fallback", false)) {
    reader.fail(ErrorKind::Unsupported, "byte_fallback", "is true, which is not supported");
  }
  BpeModel model;
  model.ignoreMerges = reader.booleanOr("ignore_merges", false);
  const Json &vocabulary = reader.object("vocab");
  const Json *merges = reader.value("merges");
  if (!merges || !merges->array()) {
    reader.fail(ErrorKind::InvalidFile, "merges", "must be an array");
  }
  bool hasUnknown = reader.has("unk_token") && !reader.stringOr("unk_token", "").empty();
  if (reader.failed()) {
    return *reader.error();
  }
  if (std::optional<Error> error = model.readVocabulary(vocabulary, file)) {
    return *error;
  }
  if (std::optional<Error> error = model.readMerges(*merges, file)) {
    return *error;
  }
  bool complete =
      std::all_of(model.byteIds.begin(), model.byteIds.end(), [](int32_t id) { return id >= 0; });
  if (hasUnknown && !complete) {
    return Error(ErrorKind::Unsupported, fieldError(file, "unk_token"),
                 "is not supported where the vocabulary lacks a byte");
  }
  return model;
}

std::optional<Error> BpeModel::readVocabulary(const Json &vocabulary, const std::string &file) {
  for (const auto &[spelling, value] : vocabulary.object()->members) {
    std::optional<uint64_t> id = value.natural();
    if (!id || *id > maxTokenId) {
      return Error(ErrorKind::InvalidFile, fieldError(file, "vocab"), "gives token ",
                   quote(spelling), " an id that must be an integer from 0 to ", maxTokenId,
                   ", found ", value.describe());
    }
    if (spelling.size() > maxTokenBytes) {
      return Error(ErrorKind::Limit, fieldError(file, "vocab"), "has a token of ", spelling.size(),
                   " bytes, more than the limit of ", maxTokenBytes);
    }
    if (*id >= tokens.size()) {
      tokens.resize(*id + 1);
    }
    Token &token = tokens[*id];
    if (token.present) {
      return Error(ErrorKind::InvalidFile, fieldError(file, "vocab"), "gives the id ", *id,
                   " to two tokens, one of them ", quote(spelling));
    }
    std::optional<std::string> bytes = decodeByteLevel(spelling);
    token.present = true;
    token.reachable = bytes.has_value() && !bytes->empty();
    token.bytes = std::move(bytes).value_or(spelling);
    if (token.reachable) {
      byBytes.push_back(static_cast<int32_t>(*id));
    }
  }
  std::sort(byBytes.begin(), byBytes.end(),
            [&](int32_t a, int32_t b) { return tokens[a].bytes < tokens[b].bytes; });
  for (unsigned byte = 0; byte < 256; ++byte) {
    char c = static_cast<char>(byte);
    byteIds[byte] = idOfBytes(std::string_view(&c, 1)).value_or(-1);
  }
  return std::nullopt;
}

std::optional<Error> BpeModel::readMerges(const Json &list, const std::string &file) {
  const Json::Array &entries = *list.array();
  merges.reserve(entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    std::string prefix = fieldError(file, "merges");
    auto halves = splitMerge(entries[i]);
    if (!halves) {
      return Error(ErrorKind::InvalidFile, prefix, "must hold two tokens at ", i, ", found ",
                   entries[i].describe());
    }
    std::optional<std::string> left = decodeByteLevel(halves->first);
    std::optional<std::string> right = decodeByteLevel(halves->second);
    std::optional<int32_t> leftId = left ? idOfBytes(*left) : std::nullopt;
    std::optional<int32_t> rightId = right ? idOfBytes(*right) : std::nullopt;
    std::optional<int32_t> result = leftId && rightId ? idOfBytes(*left + *right) : std::nullopt;
    if (!result) {
      return Error(ErrorKind::InvalidFile, prefix, "merges ", quote(halves->first), " and ",
                   quote(halves->second), " at ", i, ", but vocab lacks ",
                   !leftId    ? "the first"
                   : !rightId ? "the second"
                              : "the result");
    }
    merges.push_back({static_cast<uint64_t>(*leftId) << 32 | static_cast<uint32_t>(*rightId),
                      static_cast<uint32_t>(i), *result});
  }
  std::sort(merges.begin(), merges.end(), [](const Merge &a, const Merge &b) {
    return a.pair != b.pair ? a.pair < b.pair : a.rank < b.rank;
  });
  for (size_t i = 1; i < merges.size(); ++i) {
    if (merges[i].pair == merges[i - 1].pair) {
      return Error(ErrorKind::InvalidFile, fieldError(file, "merges"), "has the merge at ",
                   merges[i - 1].rank, " again at ", merges[i].rank);
    }
  }
  return std::nullopt;
}

std::optional<int32_t> BpeModel::idOfBytes(std::string_view bytes) const {
  auto at =
      std::lower_bound(byBytes.begin(), byBytes.end(), bytes,
                       [&](int32_t id, std::string_view key) { return tokens[id].bytes < key; });
  if (at == byBytes.end() || tokens[*at].bytes != bytes) {
    return std::nullopt;
  }
  return *at;
}

std::optional<int32_t> BpeModel::idOfSpelling(std::string_view spelling) const {
  if (std::optional<std::string> bytes = decodeByteLevel(spelling)) {
    return idOfBytes(*bytes);
  }
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].present && !tokens[id].reachable && tokens[id].bytes == spelling) {
      return static_cast<int32_t>(id);
    }
  }
  return std::nullopt;
}

const std::string *BpeModel::bytesOf(uint64_t id) const {
  return id < tokens.size() && tokens[id].present ? &tokens[id].bytes : nullptr;
}

const BpeModel::Merge *BpeModel::findMerge(int32_t left, int32_t right) const {
  uint64_t pair = static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
  auto at = std::lower_bound(merges.begin(), merges.end(), pair,
                             [](const Merge &merge, uint64_t key) { return merge.pair < key; });
  return at != merges.end() && at->pair == pair ? &*at : nullptr;
}

std::optional<Error> BpeModel::encode(std::string_view word, std::vector<int32_t> &ids) const {
  if (ignoreMerges) {
    if (std::optional<int32_t> whole = idOfBytes(word)) {
      ids.push_back(*whole);
      return std::nullopt;
    }
  }
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (char c : word) {
    int32_t id = byteIds[static_cast<unsigned char>(c)];
    if (id < 0) {
      return Error(ErrorKind::Unsupported, "text holds the byte ",
                   static_cast<unsigned>(static_cast<unsigned char>(c)),
                   ", for which the tokenizer's vocabulary has no token");
    }
    int32_t index = static_cast<int32_t>(symbols.size());
    symbols.push_back({id, index - 1, index + 1, true});
  }
  if (symbols.empty()) {
    return std::nullopt;
  }
  symbols.back().next = -1;

  std::vector<Candidate> heap;
  auto consider = [&](int32_t position) {
    if (position < 0 || symbols[position].next < 0) {
      return;
    }
    int32_t left = symbols[position].id;
    int32_t right = symbols[symbols[position].next].id;
    if (const Merge *merge = findMerge(left, right)) {
      heap.push_back({merge->rank, position, right, left, merge->result});
      std::push_heap(heap.begin(), heap.end());
    }
  };
  for (int32_t i = 0; i + 1 < static_cast<int32_t>(symbols.size()); ++i) {
    consider(i);
  }
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    Candidate top = heap.back();
    heap.pop_back();
    Symbol &left = symbols[top.position];
    if (!left.alive || left.id != top.left || left.next < 0 || symbols[left.next].id != top.right) {
      continue;
    }
    Symbol &right = symbols[left.next];
    left.id = top.result;
    right.alive = false;
    left.next = right.next;
    if (left.next >= 0) {
      symbols[left.next].previous = top.position;
    }
    consider(left.previous);
    consider(top.position);
  }
  for (int32_t i = 0; i >= 0; i = symbols[i].next) {
    ids.push_back(symbols[i].id);
  }
  return std::nullopt;
}

} // namespace dsv2
