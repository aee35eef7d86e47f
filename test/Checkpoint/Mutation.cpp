//===- Mutation.cpp - Hostile versions of valid files ---------------------===//
//
// Sizes of what is added are bounded, so that what an input costs is the reader's
// doing and not its own length.
//
//===----------------------------------------------------------------------===//
#include "test/Checkpoint/Mutation.h"

#include <algorithm>
#include <iterator>

namespace dsv2 {

uint64_t FuzzRandom::next() {
  state += 0x9e3779b97f4a7c15u;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

//===----------------------------------------------------------------------===//
// The tree
//===----------------------------------------------------------------------===//

FuzzJson FuzzJson::number(uint64_t value) {
  FuzzJson result;
  result.scalar = std::to_string(value);
  return result;
}

FuzzJson FuzzJson::string(const std::string &text) {
  FuzzJson result;
  result.scalar = jsonQuote(text);
  return result;
}

FuzzJson FuzzJson::array(std::vector<FuzzJson> elements) {
  FuzzJson result;
  result.kind = Kind::Array;
  for (FuzzJson &element : elements) {
    result.children.emplace_back("", std::move(element));
  }
  return result;
}

void FuzzJson::add(const std::string &key, FuzzJson value) {
  kind = Kind::Object;
  children.emplace_back(jsonQuote(key), std::move(value));
}

FuzzJson FuzzJson::from(const Json &json) {
  FuzzJson result;
  if (const Json::Object *object = json.object()) {
    result.kind = Kind::Object;
    for (const Json::Member &member : object->members) {
      result.add(member.first, from(member.second));
    }
  } else if (const Json::Array *array = json.array()) {
    result.kind = Kind::Array;
    for (const Json &element : *array) {
      result.children.emplace_back("", from(element));
    }
  } else if (const std::string *text = json.string()) {
    result.scalar = jsonQuote(*text);
  } else if (const bool *boolean = json.boolean()) {
    result.scalar = *boolean ? "true" : "false";
  } else if (std::optional<int64_t> integer = json.integer()) {
    result.scalar = std::to_string(*integer);
  } else if (std::optional<double> real = json.number()) {
    result.scalar = std::to_string(*real);
  } else {
    result.scalar = "null";
  }
  return result;
}

void FuzzJson::write(std::string &out) const {
  if (kind == Kind::Scalar) {
    out += scalar;
    return;
  }
  bool isObject = kind == Kind::Object;
  out += isObject ? '{' : '[';
  bool first = true;
  for (const auto &[key, value] : children) {
    out += first ? "" : ",";
    first = false;
    if (isObject) {
      out += key.empty() ? "\"\"" : key;
      out += ':';
    }
    value.write(out);
  }
  out += isObject ? '}' : ']';
}

std::string FuzzJson::text() const {
  std::string out;
  write(out);
  return out;
}

//===----------------------------------------------------------------------===//
// Damage to the tree
//===----------------------------------------------------------------------===//

namespace {

constexpr const char *scalars[] = {
    "0",
    "1",
    "2",
    "3",
    "7",
    "-1",
    "-0",
    "4096",
    "65536",
    "1048576",
    "16777217",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "1e308",
    "1e309",
    "-1e999",
    "1e-320",
    "0.5",
    "2.0",
    "1E+2",
    "01",
    "+1",
    "1.",
    ".5",
    "NaN",
    "Infinity",
    "0x10",
    "null",
    "true",
    "false",
    "\"\"",
    "\"a\"",
    "\"F32\"",
    "\"F8_E4M3\"",
    "\"BF16\"",
    "\"I64\"",
    "\"yarn\"",
    "\"linear\"",
    "\"noaux_tc\"",
    "\"greedy\"",
    "\"silu\"",
    "\"deepseek_v2\"",
    "\"llama\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"../../etc/passwd\"",
    "\"/dev/zero\"",
    "\"model.safetensors\"",
    "[]",
    "{}",
    "[null]",
    "[[]]",
    "[0,0]",
    "[1,18446744073709551615]",
    "{\"a\":1,\"a\":2}",
    "",
};

/// Every place of a tree that has a parent: parent and index of the child.
using Places = std::vector<std::pair<FuzzJson *, size_t>>;

void collect(FuzzJson &value, Places &places) {
  for (size_t i = 0; i < value.children.size() && places.size() < 4096; ++i) {
    places.emplace_back(&value, i);
    collect(value.children[i].second, places);
  }
}

FuzzJson anyScalar(FuzzRandom &random) {
  FuzzJson result;
  result.scalar = scalars[random.below(std::size(scalars))];
  return result;
}

/// A number near the old one, or the same number in another spelling.
FuzzJson nearby(const FuzzJson &old, FuzzRandom &random) {
  FuzzJson result = old;
  bool isNatural = old.kind == FuzzJson::Kind::Scalar && !old.scalar.empty() &&
                   old.scalar.size() < 18 &&
                   old.scalar.find_first_not_of("0123456789") == std::string::npos;
  if (!isNatural) {
    return anyScalar(random);
  }
  uint64_t number = std::stoull(old.scalar);
  switch (random.below(8)) {
  case 0:
    result.scalar = std::to_string(number + 1);
    break;
  case 1:
    result.scalar = std::to_string(number - 1);
    break;
  case 2:
    result.scalar = std::to_string(number * 2);
    break;
  case 3:
    result.scalar = std::to_string(number / 2);
    break;
  case 4:
    result.scalar += ".0";
    break;
  case 5:
    result.scalar = "-" + result.scalar;
    break;
  case 6:
    result.scalar = "\"" + result.scalar + "\"";
    break;
  default:
    result.scalar = std::to_string(number << random.below(60));
    break;
  }
  return result;
}

/// `value` within `depth` arrays or objects.
FuzzJson nested(FuzzJson value, uint64_t depth, FuzzRandom &random) {
  // As text: a tree that deep would overflow our own stack.
  std::string inner = value.text();
  bool objects = random.oneIn(2);
  std::string text;
  for (uint64_t i = 0; i < depth; ++i) {
    text += objects ? "{\"a\":" : "[";
  }
  text += inner;
  text.append(random.oneIn(8) ? 0 : depth, objects ? '}' : ']');
  FuzzJson result;
  result.scalar = std::move(text);
  return result;
}

} // namespace

void mutateTree(FuzzJson &root, FuzzRandom &random) {
  Places places;
  collect(root, places);
  if (places.empty()) {
    root = anyScalar(random);
    return;
  }
  auto pick = [&] { return places[random.below(places.size())]; };
  auto [parent, index] = pick();
  auto &children = parent->children;
  FuzzJson &value = children[index].second;
  switch (random.below(15)) {
  case 0:
    children.erase(children.begin() + int64_t(index));
    break;
  case 1: {
    // The same key again, with the same value or another one.
    auto copy = children[index];
    copy.second = random.oneIn(2) ? copy.second : nearby(copy.second, random);
    children.insert(children.begin() + int64_t(random.below(children.size() + 1)), copy);
    break;
  }
  case 2:
  case 3:
    value = anyScalar(random);
    break;
  case 4:
  case 5:
  case 6:
    value = nearby(value, random);
    break;
  case 7: {
    auto [other, at] = pick();
    children[index].first = other->children[at].first;
    break;
  }
  case 8: {
    constexpr const char *keys[] = {
        "\"\"",           "\"__metadata__\"", "\"model_type\"", "\"shape\"",
        "\"weight_map\"", "\"\\u0061\"",      "\"\xff\"",       "a"};
    children[index].first = keys[random.below(std::size(keys))];
    break;
  }
  case 9: {
    auto [other, at] = pick();
    FuzzJson copy = other->children[at].second;
    if (copy.text().size() < 65536) {
      value = std::move(copy);
    }
    break;
  }
  case 10: {
    auto [other, at] = pick();
    FuzzJson mine = value, theirs = other->children[at].second;
    // One may hold the other: copies, and only while they stay small.
    if (mine.text().size() + theirs.text().size() < 65536) {
      other->children[at].second = std::move(mine);
      Places again;
      collect(root, again);
      auto [target, place] = again[random.below(again.size())];
      target->children[place].second = std::move(theirs);
    }
    break;
  }
  case 11:
    value = nested(value, random.oneIn(50) ? 20000 : 1 + random.below(100), random);
    break;
  case 12: {
    // Many of one, as an array or as members beside it.
    FuzzJson copy = value;
    uint64_t count = 1 + random.below(copy.text().size() < 64 ? 2000 : 8);
    if (random.oneIn(2)) {
      value = FuzzJson::array(std::vector<FuzzJson>(count, copy));
    } else {
      std::string key = children[index].first;
      for (uint64_t i = 0; i < count; ++i) {
        children.emplace_back(jsonQuote(std::to_string(i)), copy);
      }
    }
    break;
  }
  case 13: {
    FuzzJson longText;
    longText.scalar = "\"" + std::string(random.below(random.oneIn(8) ? 70000 : 1100), 'x') + "\"";
    if (random.oneIn(2)) {
      value = longText;
    } else {
      children[index].first = longText.scalar;
    }
    break;
  }
  default:
    std::swap(children[index], children[random.below(children.size())]);
    break;
  }
}

//===----------------------------------------------------------------------===//
// Damage to bytes
//===----------------------------------------------------------------------===//

void mutateBytes(std::string &text, FuzzRandom &random) {
  constexpr const char *pieces[] = {"{",
                                    "}",
                                    "[",
                                    "]",
                                    ",",
                                    ":",
                                    "\"",
                                    "\\",
                                    "\\u",
                                    "0",
                                    "-1",
                                    "1e999",
                                    "null",
                                    "true",
                                    "[[",
                                    "{\"a\":",
                                    "\xff",
                                    "\xed\xa0\x80",
                                    "\xf4\x90\x80\x80",
                                    "\t",
                                    "/**/"};
  uint64_t edits = 1 + random.below(4);
  for (uint64_t i = 0; i < edits && !text.empty(); ++i) {
    size_t at = random.below(text.size());
    size_t length = std::min<size_t>(1 + random.below(12), text.size() - at);
    switch (random.below(6)) {
    case 0:
      text[at] = char(random.next());
      break;
    case 1:
      text.erase(at, length);
      break;
    case 2:
      text.insert(at, text.substr(random.below(text.size()), length));
      break;
    case 3:
      text.resize(at);
      break;
    case 4:
      text[at] = char(text[at] ^ (1 << random.below(8)));
      break;
    default:
      text.insert(at, pieces[random.below(std::size(pieces))]);
      break;
    }
  }
}

std::string mutated(FuzzJson root, FuzzRandom &random) {
  for (uint64_t i = random.below(5); i > 0; --i) {
    mutateTree(root, random);
  }
  std::string text = root.text();
  if (random.oneIn(4)) {
    mutateBytes(text, random);
  }
  return text;
}

} // namespace dsv2
