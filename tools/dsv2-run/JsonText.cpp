//===- JsonText.cpp - Writing small JSON objects --------------------------===//
//
// Escapes what JSON asks for; text is UTF-8 already.
//
//===----------------------------------------------------------------------===//
#include "tools/dsv2-run/JsonText.h"

#include "lib/Support/Error.h"
#include "lib/Support/Json.h"

#include <cmath>

using namespace dsv2;

JsonObject &JsonObject::raw(std::string_view key, std::string_view json) {
  if (!members.empty()) {
    members += ", ";
  }
  members += jsonQuote(key);
  members += ": ";
  members += json;
  return *this;
}

JsonObject &JsonObject::text(std::string_view key, std::string_view value) {
  return raw(key, jsonQuote(value));
}

JsonObject &JsonObject::integer(std::string_view key, int64_t value) {
  return raw(key, std::to_string(value));
}

JsonObject &JsonObject::number(std::string_view key, double value) {
  return raw(key, std::isfinite(value) ? concat(value) : std::string("null"));
}

JsonObject &JsonObject::integers(std::string_view key, const std::vector<int32_t> &values) {
  std::string list;
  for (int32_t value : values) {
    list += (list.empty() ? "" : ", ") + std::to_string(value);
  }
  return raw(key, "[" + list + "]");
}
