//===- Utf8.cpp - Finding whole UTF-8 characters --------------------------===//
//
// Follows table 3-7 of the Unicode standard: the second byte's range depends on
// the first, all later bytes are 80..BF.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/Utf8.h"

namespace dsv2 {
namespace {

/// How many bytes from `at` follow the table; `total` is the length that the
/// first byte asks for (0 if it starts no character).
size_t scanUtf8(std::string_view text, size_t at, size_t &total) {
  total = 0;
  if (at >= text.size()) {
    return 0;
  }
  unsigned char first = static_cast<unsigned char>(text[at]);
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
  if (first < 0x80) {
    total = 1;
    return 1;
  }
  if (first >= 0xc2 && first <= 0xdf) {
    total = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    total = 3;
    low = first == 0xe0 ? 0xa0 : 0x80;
    high = first == 0xed ? 0x9f : 0xbf;
  } else if (first >= 0xf0 && first <= 0xf4) {
    total = 4;
    low = first == 0xf0 ? 0x90 : 0x80;
    high = first == 0xf4 ? 0x8f : 0xbf;
  } else {
    return 0;
  }
  size_t count = 1;
  while (count < total && at + count < text.size()) {
    unsigned char next = static_cast<unsigned char>(text[at + count]);
    if (next < low || next > high) {
      break;
    }
    low = 0x80;
    high = 0xbf;
    ++count;
  }
  return count;
}

} // namespace

size_t utf8Length(std::string_view text, size_t at) {
  size_t total = 0;
  size_t found = scanUtf8(text, at, total);
  return found == total ? total : 0;
}

size_t utf8CutLength(std::string_view text, size_t at) {
  size_t total = 0;
  size_t found = scanUtf8(text, at, total);
  return found < total && at + found == text.size() ? found : 0;
}

size_t utf8InvalidLength(std::string_view text, size_t at) {
  size_t total = 0;
  size_t found = scanUtf8(text, at, total);
  return found == 0 ? 1 : found;
}

size_t findInvalidUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    size_t length = utf8Length(text, at);
    if (length == 0) {
      return at;
    }
    at += length;
  }
  return std::string_view::npos;
}

uint32_t decodeUtf8(std::string_view text, size_t at, size_t length) {
  unsigned char first = static_cast<unsigned char>(text[at]);
  uint32_t value = length == 1 ? first : first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    value = value << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3fu);
  }
  return value;
}

void appendUtf8(std::string &out, uint32_t codePoint) {
  auto tail = [&](unsigned shift) {
    out += static_cast<char>(0x80 | ((codePoint >> shift) & 0x3f));
  };
  if (codePoint < 0x80) {
    out += static_cast<char>(codePoint);
  } else if (codePoint < 0x800) {
    out += static_cast<char>(0xc0 | codePoint >> 6);
    tail(0);
  } else if (codePoint < 0x10000) {
    out += static_cast<char>(0xe0 | codePoint >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xf0 | codePoint >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

} // namespace dsv2
