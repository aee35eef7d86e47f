//===- JsonParser.cpp - Strict events from untrusted JSON -----------------===//
//
// A guard between nlohmann's event parser, which checks grammar, UTF-8 and
// numbers and does not recurse, and our handlers: it adds the limits and the
// check for duplicate keys. Keys are compared after sorting, because a hash
// table can be made quadratic by its input.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/Json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace dsv2 {
namespace {

class Guard final : public nlohmann::json_sax<nlohmann::json> {
public:
  Guard(JsonEvents &events, const JsonLimits &limits) : events(events), limits(limits) {}

  std::optional<Error> failure;

  bool null() override { return count() && pass(events.null()); }
  bool boolean(bool value) override { return count() && pass(events.boolean(value)); }
  bool number_integer(number_integer_t value) override {
    return count() &&
           pass(value < 0 ? events.negative(value) : events.natural(static_cast<uint64_t>(value)));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return count() && pass(events.natural(value));
  }
  bool number_float(number_float_t value, const string_t &) override {
    return count() && pass(events.real(value));
  }
  bool string(string_t &value) override { return count() && pass(events.string(std::move(value))); }
  bool binary(binary_t &) override { return false; }

  bool start_object(size_t) override {
    if (!count() || !enter()) {
      return false;
    }
    firstKey.push_back(keys.size());
    return pass(events.beginObject());
  }
  bool key(string_t &value) override {
    keys.push_back(value);
    return pass(events.key(std::move(value)));
  }
  bool end_object() override {
    auto begin = keys.begin() + static_cast<std::ptrdiff_t>(firstKey.back());
    std::sort(begin, keys.end());
    auto twice = std::adjacent_find(begin, keys.end());
    if (twice != keys.end()) {
      failure = Error(ErrorKind::InvalidFile, "duplicate key ", quote(*twice));
      return false;
    }
    keys.erase(begin, keys.end());
    firstKey.pop_back();
    --depth;
    return pass(events.endObject());
  }
  bool start_array(size_t) override { return count() && enter() && pass(events.beginArray()); }
  bool end_array() override {
    --depth;
    return pass(events.endArray());
  }

  bool parse_error(size_t position, const std::string &,
                   const nlohmann::json::exception &exception) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: TEXT":
    // the position is said once, by us.
    std::string_view detail = exception.what();
    if (size_t tag = detail.find("] "); tag != std::string_view::npos) {
      detail.remove_prefix(tag + 2);
    }
    if (size_t text = detail.find(": ");
        text != std::string_view::npos && detail.rfind("parse error", 0) == 0) {
      detail.remove_prefix(text + 2);
    }
    std::string shown = quote(detail, 160);
    failure = Error(ErrorKind::InvalidFile, "invalid JSON at byte ", position, ": ",
                    std::string_view(shown).substr(1, shown.rfind('\'') - 1));
    return false;
  }

private:
  bool count() {
    if (++values > limits.maxValues) {
      failure = Error(ErrorKind::Limit, "more JSON values than the limit of ", limits.maxValues);
      return false;
    }
    return true;
  }
  bool enter() {
    if (++depth > limits.maxDepth) {
      failure =
          Error(ErrorKind::Limit, "JSON is nested deeper than the limit of ", limits.maxDepth);
      return false;
    }
    return true;
  }
  bool pass(bool accepted) {
    if (!accepted) {
      failure = events.failure
                    ? std::move(events.failure)
                    : std::optional<Error>(Error(ErrorKind::InvalidFile, "unexpected JSON value"));
    }
    return accepted;
  }

  JsonEvents &events;
  const JsonLimits &limits;
  uint64_t values = 0;
  unsigned depth = 0;
  /// Keys of all open objects, and where each object's begin.
  std::vector<std::string> keys;
  std::vector<size_t> firstKey;
};

} // namespace

std::optional<Error> parseJsonEvents(std::string_view text, std::string_view name,
                                     JsonEvents &events, const JsonLimits &limits) {
  if (text.size() > limits.maxBytes) {
    return Error(ErrorKind::Limit, name, ": ", text.size(),
                 " bytes of JSON, more than the limit of ", limits.maxBytes);
  }
  Guard guard(events, limits);
  if (nlohmann::json::sax_parse(text.begin(), text.end(), &guard)) {
    return std::nullopt;
  }
  if (!guard.failure) {
    guard.failure = Error(ErrorKind::InvalidFile, "invalid JSON");
  }
  return guard.failure->within(name);
}

} // namespace dsv2
