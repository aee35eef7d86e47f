//===- ByteLevel.h - The alphabet of byte-level tokenizers ------*- C++ -*-===//
//
// GPT-2 writes each byte as a printable character: printable Latin-1 bytes as
// themselves, the other 68 as U+0100, U+0101, ... in the order of their values.
// Inside the tokenizer everything is bytes; this is the way in and out.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_BYTELEVEL_H
#define DSV2_LIB_CHECKPOINT_BYTELEVEL_H

#include <optional>
#include <string>
#include <string_view>

namespace dsv2 {

/// The bytes that `token` spells, or nothing when it has a character outside the
/// alphabet (or is not UTF-8).
std::optional<std::string> decodeByteLevel(std::string_view token);

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_BYTELEVEL_H
