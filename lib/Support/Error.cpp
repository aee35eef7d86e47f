//===- Error.cpp - Typed errors without exceptions ------------------------===//
//
// Message building: quoting of untrusted text, numbers that do not depend on
// the locale, and texts of system errors.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/Error.h"

#include "lib/Support/Utf8.h"

#include <charconv>
#include <cstring>

namespace dsv2 {

std::string_view errorKindName(ErrorKind kind) {
  switch (kind) {
  case ErrorKind::InvalidFile:
    return "invalid-file";
  case ErrorKind::Io:
    return "io";
  case ErrorKind::Unsupported:
    return "unsupported";
  case ErrorKind::Mismatch:
    return "mismatch";
  case ErrorKind::Limit:
    return "limit";
  case ErrorKind::Untrusted:
    return "untrusted";
  case ErrorKind::Usage:
    return "usage";
  case ErrorKind::Internal:
    return "internal";
  }
  return "internal";
}

std::string quote(std::string_view text, size_t maxBytes) {
  static const char hex[] = "0123456789abcdef";
  std::string out = "'";
  size_t at = 0;
  while (at < text.size()) {
    size_t length = utf8Length(text, at);
    unsigned char c = static_cast<unsigned char>(text[at]);
    if (at + (length ? length : 1) > maxBytes) {
      return out + "'...";
    }
    if (length == 0 || c < 0x20 || c == 0x7f) {
      out += "\\x";
      out += hex[c >> 4];
      out += hex[c & 15];
      ++at;
      continue;
    }
    out.append(text.substr(at, length));
    at += length;
  }
  return out + "'";
}

void detail::appendPart(std::string &out, double part) {
  char buffer[64];
  double size = part < 0 ? -part : part;
  // Left alone, to_chars writes 500000 as 5e+05.
  bool plain = size >= 1e-4 && size < 1e15;
  std::to_chars_result end =
      std::to_chars(buffer, buffer + sizeof(buffer), part,
                    plain ? std::chars_format::fixed : std::chars_format::general);
  out.append(buffer, end.ptr);
}

Error systemError(std::string_view action, std::string_view path, int errnoValue) {
  char buffer[256];
  // The GNU variant: it may return a static string instead of the buffer.
  const char *reason = strerror_r(errnoValue, buffer, sizeof(buffer));
  return Error(ErrorKind::Io, action, " ", quote(path, 4096), ": ", reason);
}

} // namespace dsv2
