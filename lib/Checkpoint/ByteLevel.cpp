//===- ByteLevel.cpp - The alphabet of byte-level tokenizers --------------===//
//
// A table from code points below 0x144 to bytes.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/ByteLevel.h"

#include "lib/Support/Utf8.h"

#include <array>
#include <cstdint>

namespace dsv2 {
namespace {

constexpr unsigned alphabetEnd = 0x144;

bool printsAsItself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte != 0xad);
}

/// Byte of each code point, -1 for those outside the alphabet.
std::array<int16_t, alphabetEnd> makeTable() {
  std::array<int16_t, alphabetEnd> table;
  table.fill(-1);
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    table[printsAsItself(byte) ? byte : next++] = static_cast<int16_t>(byte);
  }
  return table;
}

} // namespace

std::optional<std::string> decodeByteLevel(std::string_view token) {
  static const std::array<int16_t, alphabetEnd> table = makeTable();
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    size_t length = utf8Length(token, at);
    if (length == 0) {
      return std::nullopt;
    }
    uint32_t codePoint = decodeUtf8(token, at, length);
    if (codePoint >= alphabetEnd || table[codePoint] < 0) {
      return std::nullopt;
    }
    bytes += static_cast<char>(table[codePoint]);
    at += length;
  }
  return bytes;
}

} // namespace dsv2
