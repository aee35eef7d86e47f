//===- Json.h - JSON from untrusted files -----------------------*- C++ -*-===//
//
// A strict reader: duplicate keys, deep nesting, invalid UTF-8, numbers that
// overflow and inputs past a limit are errors, and nothing throws. Two forms:
// events (`parseJsonEvents`) for large files, and a tree (`Json`). `FieldReader`
// takes typed fields out of a tree with errors that name file, field, the
// expected and the actual value.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_SUPPORT_JSON_H
#define DSV2_LIB_SUPPORT_JSON_H

#include "lib/Support/Error.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace dsv2 {

/// `text`, which is valid UTF-8, as a JSON string with its quotes.
std::string jsonQuote(std::string_view text);

/// Bounds on an input. Values count every scalar, array and object.
struct JsonLimits {
  uint64_t maxBytes = 16u << 20;
  uint64_t maxValues = 4u << 20;
  unsigned maxDepth = 64;
};

/// Receives a JSON text piece by piece. A function that returns false stops the
/// parse; `failure` then says why.
class JsonEvents {
public:
  virtual ~JsonEvents() = default;
  virtual bool null() = 0;
  virtual bool boolean(bool value) = 0;
  /// An integer below zero.
  virtual bool negative(int64_t value) = 0;
  /// An integer from 0 to 2^64 - 1.
  virtual bool natural(uint64_t value) = 0;
  /// A number with a fraction or an exponent, or an integer past 64 bits.
  virtual bool real(double value) = 0;
  virtual bool string(std::string &&value) = 0;
  virtual bool beginObject() = 0;
  virtual bool key(std::string &&value) = 0;
  virtual bool endObject() = 0;
  virtual bool beginArray() = 0;
  virtual bool endArray() = 0;

  /// Set by a handler before it returns false.
  std::optional<Error> failure;

protected:
  /// Records a failure and returns false.
  template <typename... Parts> bool fail(ErrorKind kind, const Parts &...parts) {
    failure = Error(kind, parts...);
    return false;
  }
};

/// Sends the events of `text`; errors begin with `name`, the file's name.
std::optional<Error> parseJsonEvents(std::string_view text, std::string_view name,
                                     JsonEvents &events, const JsonLimits &limits = {});

/// A JSON value as a tree. Objects keep the order of their members.
class Json {
public:
  using Member = std::pair<std::string, Json>;
  using Array = std::vector<Json>;
  /// Members in file order, and their indices in the order of the keys.
  struct Object {
    std::vector<Member> members;
    std::vector<uint32_t> sorted;
  };

  Json() = default;
  explicit Json(bool value) : storage(value) {}
  explicit Json(int64_t value) : storage(value) {}
  explicit Json(uint64_t value) : storage(value) {}
  explicit Json(double value) : storage(value) {}
  explicit Json(std::string value) : storage(std::move(value)) {}
  explicit Json(Array value) : storage(std::move(value)) {}
  explicit Json(Object value) : storage(std::move(value)) {}

  /// Parses `text`; errors begin with `name`, the file's name.
  static Expected<Json> parse(std::string_view text, std::string_view name,
                              const JsonLimits &limits = {});
  /// Reads and parses a file.
  static Expected<Json> read(const std::string &path, const JsonLimits &limits = {});

  bool isNull() const { return std::holds_alternative<std::monostate>(storage); }
  const bool *boolean() const { return std::get_if<bool>(&storage); }
  const std::string *string() const { return std::get_if<std::string>(&storage); }
  const Array *array() const { return std::get_if<Array>(&storage); }
  const Object *object() const { return std::get_if<Object>(&storage); }
  /// An integer from 0 to 2^64 - 1; nothing for other values, 2.0 included.
  std::optional<uint64_t> natural() const;
  /// An integer that fits 64 bits with sign.
  std::optional<int64_t> integer() const;
  /// Any number.
  std::optional<double> number() const;

  /// The member of this object by that key; null if there is none or this is no
  /// object.
  const Json *find(std::string_view key) const;

  /// A short text of the value for messages: "'yarn'", "40", "an object".
  std::string describe() const;

private:
  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Array, Object> storage;
};

/// Takes typed fields out of one object. The first failure is kept and every
/// later call returns a default, so a caller reads all fields and then asks
/// once. A member that is null counts as absent.
class FieldReader {
public:
  /// `file` and `prefix` ("rope_scaling.") name the object in messages. The
  /// object must outlive the reader.
  FieldReader(const Json &object, std::string file, std::string prefix = "");

  /// Present and not null.
  bool has(std::string_view key) const { return value(key) != nullptr; }
  /// The member, or null when absent or null.
  const Json *value(std::string_view key) const;

  /// Required fields within [min, max].
  uint64_t natural(std::string_view key, uint64_t min = 0,
                   uint64_t max = std::numeric_limits<uint64_t>::max());
  double number(std::string_view key, double min, double max);
  bool boolean(std::string_view key);
  std::string string(std::string_view key);
  /// A required object; an empty one after a failure.
  const Json &object(std::string_view key);

  /// The same with a value for an absent field.
  uint64_t naturalOr(std::string_view key, uint64_t fallback, uint64_t min, uint64_t max);
  double numberOr(std::string_view key, double fallback, double min, double max);
  bool booleanOr(std::string_view key, bool fallback);
  std::string stringOr(std::string_view key, std::string fallback);

  /// Records a failure that names `key`, which may be the file's own text: "FILE: field 'KEY'
  /// PARTS".
  template <typename... Parts>
  void fail(ErrorKind kind, std::string_view key, const Parts &...parts) {
    if (!failure) {
      failure = Error(kind, fileName, ": field ", quote(concat(fieldPrefix, key)), " ", parts...);
    }
  }
  /// Keeps `error` unless an earlier one is kept already.
  void fail(Error error);

  bool failed() const { return failure.has_value(); }
  const std::optional<Error> &error() const { return failure; }
  const std::string &file() const { return fileName; }
  const std::string &prefix() const { return fieldPrefix; }

private:
  const Json *require(std::string_view key, std::string_view expected);
  void mismatch(std::string_view key, std::string_view expected, const Json &actual);

  const Json *source;
  std::string fileName;
  std::string fieldPrefix;
  std::optional<Error> failure;
};

} // namespace dsv2

#endif // DSV2_LIB_SUPPORT_JSON_H
