//===- JsonText.h - Writing small JSON objects ------------------*- C++ -*-===//
//
// A list of members that is printed as one object.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TOOLS_DSV2_RUN_JSONTEXT_H
#define DSV2_TOOLS_DSV2_RUN_JSONTEXT_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dsv2 {

class JsonObject {
public:
  JsonObject &text(std::string_view key, std::string_view value);
  JsonObject &integer(std::string_view key, int64_t value);
  /// null for a value that is not finite.
  JsonObject &number(std::string_view key, double value);
  JsonObject &integers(std::string_view key, const std::vector<int32_t> &values);
  /// A value that is JSON already.
  JsonObject &raw(std::string_view key, std::string_view json);

  std::string str() const { return "{" + members + "}"; }

private:
  std::string members;
};

} // namespace dsv2

#endif // DSV2_TOOLS_DSV2_RUN_JSONTEXT_H
