//===- Json.cpp - JSON trees and typed fields -----------------------------===//
//
// Builds the tree from the strict events, and words the errors of FieldReader.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/Json.h"

#include "lib/Support/File.h"

#include <algorithm>
#include <numeric>

namespace dsv2 {

std::string jsonQuote(std::string_view text) {
  static const char hex[] = "0123456789abcdef";
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += hex[c >> 4 & 15];
      out += hex[c & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

namespace {

/// Grows a tree; `open` holds the containers that have not ended yet, outermost
/// first, each with the key that waits for its value.
class TreeBuilder final : public JsonEvents {
public:
  Json result;

  bool null() override { return add(Json()); }
  bool boolean(bool value) override { return add(Json(value)); }
  bool negative(int64_t value) override { return add(Json(value)); }
  bool natural(uint64_t value) override { return add(Json(value)); }
  bool real(double value) override { return add(Json(value)); }
  bool string(std::string &&value) override { return add(Json(std::move(value))); }
  bool beginObject() override {
    open.push_back(Container{true, {}, {}, {}});
    return true;
  }
  bool key(std::string &&value) override {
    open.back().key = std::move(value);
    return true;
  }
  bool endObject() override {
    Json::Object object;
    object.members = std::move(open.back().members);
    object.sorted.resize(object.members.size());
    std::iota(object.sorted.begin(), object.sorted.end(), 0u);
    std::sort(object.sorted.begin(), object.sorted.end(), [&](uint32_t a, uint32_t b) {
      return object.members[a].first < object.members[b].first;
    });
    open.pop_back();
    return add(Json(std::move(object)));
  }
  bool beginArray() override {
    open.push_back(Container{false, {}, {}, {}});
    return true;
  }
  bool endArray() override {
    Json::Array elements = std::move(open.back().elements);
    open.pop_back();
    return add(Json(std::move(elements)));
  }

private:
  struct Container {
    bool isObject;
    std::string key;
    std::vector<Json::Member> members;
    Json::Array elements;
  };

  bool add(Json value) {
    if (open.empty()) {
      result = std::move(value);
    } else if (open.back().isObject) {
      open.back().members.emplace_back(std::move(open.back().key), std::move(value));
    } else {
      open.back().elements.push_back(std::move(value));
    }
    return true;
  }

  std::vector<Container> open;
};

} // namespace

Expected<Json> Json::parse(std::string_view text, std::string_view name, const JsonLimits &limits) {
  TreeBuilder builder;
  if (std::optional<Error> error = parseJsonEvents(text, name, builder, limits)) {
    return *error;
  }
  return std::move(builder.result);
}

Expected<Json> Json::read(const std::string &path, const JsonLimits &limits) {
  Expected<std::string> text = readFile(path, limits.maxBytes);
  if (!text) {
    return text.takeError();
  }
  return parse(*text, path, limits);
}

std::optional<uint64_t> Json::natural() const {
  if (const uint64_t *value = std::get_if<uint64_t>(&storage)) {
    return *value;
  }
  if (const int64_t *value = std::get_if<int64_t>(&storage); value && *value >= 0) {
    return static_cast<uint64_t>(*value);
  }
  return std::nullopt;
}

std::optional<int64_t> Json::integer() const {
  if (const int64_t *value = std::get_if<int64_t>(&storage)) {
    return *value;
  }
  if (const uint64_t *value = std::get_if<uint64_t>(&storage);
      value && *value <= static_cast<uint64_t>(INT64_MAX)) {
    return static_cast<int64_t>(*value);
  }
  return std::nullopt;
}

std::optional<double> Json::number() const {
  if (const double *value = std::get_if<double>(&storage)) {
    return *value;
  }
  if (const uint64_t *value = std::get_if<uint64_t>(&storage)) {
    return static_cast<double>(*value);
  }
  if (const int64_t *value = std::get_if<int64_t>(&storage)) {
    return static_cast<double>(*value);
  }
  return std::nullopt;
}

const Json *Json::find(std::string_view key) const {
  const Object *members = object();
  if (!members) {
    return nullptr;
  }
  auto at = std::lower_bound(
      members->sorted.begin(), members->sorted.end(), key,
      [&](uint32_t index, std::string_view k) { return members->members[index].first < k; });
  if (at == members->sorted.end() || members->members[*at].first != key) {
    return nullptr;
  }
  return &members->members[*at].second;
}

std::string Json::describe() const {
  if (isNull()) {
    return "null";
  }
  if (const bool *value = boolean()) {
    return *value ? "true" : "false";
  }
  if (const std::string *value = string()) {
    return quote(*value);
  }
  if (array()) {
    return concat("an array of ", array()->size());
  }
  if (object()) {
    return "an object";
  }
  if (const double *value = std::get_if<double>(&storage)) {
    return concat(*value);
  }
  if (const int64_t *value = std::get_if<int64_t>(&storage)) {
    return concat(*value);
  }
  return concat(*natural());
}

FieldReader::FieldReader(const Json &object, std::string file, std::string prefix)
    : source(&object), fileName(std::move(file)), fieldPrefix(std::move(prefix)) {
  if (!object.object()) {
    std::string_view name = fieldPrefix;
    name = name.substr(0, name.empty() ? 0 : name.size() - 1);
    failure = name.empty() ? Error(ErrorKind::InvalidFile, fileName, ": expected an object, found ",
                                   object.describe())
                           : Error(ErrorKind::InvalidFile, fileName, ": field '", name,
                                   "' must be an object, found ", object.describe());
  }
}

const Json *FieldReader::value(std::string_view key) const {
  const Json *found = source->find(key);
  return found && !found->isNull() ? found : nullptr;
}

void FieldReader::fail(Error error) {
  if (!failure) {
    failure = std::move(error);
  }
}

const Json *FieldReader::require(std::string_view key, std::string_view expected) {
  const Json *found = value(key);
  if (!found) {
    fail(ErrorKind::InvalidFile, key, source->find(key) ? "is null" : "is missing", ", expected ",
         expected);
  }
  return found;
}

void FieldReader::mismatch(std::string_view key, std::string_view expected, const Json &actual) {
  fail(ErrorKind::InvalidFile, key, "must be ", expected, ", found ", actual.describe());
}

uint64_t FieldReader::natural(std::string_view key, uint64_t min, uint64_t max) {
  std::string expected = max == std::numeric_limits<uint64_t>::max()
                             ? concat("an integer of at least ", min)
                             : concat("an integer from ", min, " to ", max);
  const Json *found = require(key, expected);
  if (!found) {
    return min;
  }
  std::optional<uint64_t> result = found->natural();
  if (!result || *result < min || *result > max) {
    mismatch(key, expected, *found);
    return min;
  }
  return *result;
}

double FieldReader::number(std::string_view key, double min, double max) {
  std::string expected = concat("a number from ", min, " to ", max);
  const Json *found = require(key, expected);
  if (!found) {
    return min;
  }
  std::optional<double> result = found->number();
  if (!result || !(*result >= min && *result <= max)) {
    mismatch(key, expected, *found);
    return min;
  }
  return *result;
}

bool FieldReader::boolean(std::string_view key) {
  const Json *found = require(key, "true or false");
  if (found && !found->boolean()) {
    mismatch(key, "true or false", *found);
    return false;
  }
  return found && *found->boolean();
}

std::string FieldReader::string(std::string_view key) {
  const Json *found = require(key, "a string");
  if (found && !found->string()) {
    mismatch(key, "a string", *found);
    return {};
  }
  return found ? *found->string() : std::string();
}

const Json &FieldReader::object(std::string_view key) {
  static const Json empty{Json::Object()};
  const Json *found = require(key, "an object");
  if (found && !found->object()) {
    mismatch(key, "an object", *found);
    return empty;
  }
  return found ? *found : empty;
}

uint64_t FieldReader::naturalOr(std::string_view key, uint64_t fallback, uint64_t min,
                                uint64_t max) {
  return has(key) ? natural(key, min, max) : fallback;
}

double FieldReader::numberOr(std::string_view key, double fallback, double min, double max) {
  return has(key) ? number(key, min, max) : fallback;
}

bool FieldReader::booleanOr(std::string_view key, bool fallback) {
  return has(key) ? boolean(key) : fallback;
}

std::string FieldReader::stringOr(std::string_view key, std::string fallback) {
  return has(key) ? string(key) : std::move(fallback);
}

} // namespace dsv2
