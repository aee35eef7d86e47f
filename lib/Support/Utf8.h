//===- Utf8.h - Finding whole UTF-8 characters ------------------*- C++ -*-===//
//
// One strict definition of "valid UTF-8" (shortest form, no surrogates, at most
// U+10FFFF) for messages, tokenizers and streamed text.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_SUPPORT_UTF8_H
#define DSV2_LIB_SUPPORT_UTF8_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dsv2 {

/// Bytes of the valid character that starts at `at`, or 0 if none does.
size_t utf8Length(std::string_view text, size_t at);

/// How many of the bytes at `at` form a proper beginning of a character that
/// the text's end cuts off, or 0 (a whole character, or bytes that can never
/// become one).
size_t utf8CutLength(std::string_view text, size_t at);

/// How many bytes from `at` on one U+FFFD stands for, where neither a whole nor a
/// cut character starts: the longest proper beginning of a character, or 1.
size_t utf8InvalidLength(std::string_view text, size_t at);

/// Offset of the first byte that is not valid UTF-8, or npos.
size_t findInvalidUtf8(std::string_view text);

/// The character of `length` bytes (from utf8Length, not 0) at `at`.
uint32_t decodeUtf8(std::string_view text, size_t at, size_t length);

/// Appends `codePoint` (a Unicode scalar value) to `out`.
void appendUtf8(std::string &out, uint32_t codePoint);

} // namespace dsv2

#endif // DSV2_LIB_SUPPORT_UTF8_H
