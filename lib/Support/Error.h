//===- Error.h - Typed errors without exceptions ----------------*- C++ -*-===//
//
// Every failure that data or the system can cause is a value: an `Error` says
// what kind of failure it is and names the file, the field and the value. No
// public function of a plain room throws, apart from std::bad_alloc when memory
// runs out.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_SUPPORT_ERROR_H
#define DSV2_LIB_SUPPORT_ERROR_H

#include <cassert>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace dsv2 {

/// What went wrong, for callers that act on it (a C API code, a retry).
enum class ErrorKind {
  InvalidFile, ///< bytes that are not what their format promises
  Io,          ///< the system refused: not found, no space, no permission
  Unsupported, ///< well formed, but a feature that is not implemented
  Mismatch,    ///< two inputs that contradict each other
  Limit,       ///< past a written limit (size, rank, count, match steps)
  Untrusted,   ///< native code that nothing vouches for
  Usage,       ///< a wrong argument or call
  Internal,    ///< a broken invariant of ours
};

/// A stable lower-case name ("invalid-file", "io", ...).
std::string_view errorKindName(ErrorKind kind);

/// Puts `text` in single quotes for a message: control characters and broken
/// UTF-8 escaped as \xNN, anything past `maxBytes` cut with "...".
std::string quote(std::string_view text, size_t maxBytes = 120);

namespace detail {
inline void appendPart(std::string &out, std::string_view part) { out += part; }
inline void appendPart(std::string &out, const char *part) { out += part; }
inline void appendPart(std::string &out, const std::string &part) { out += part; }
inline void appendPart(std::string &out, bool part) { out += part ? "true" : "false"; }
template <typename T>
std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>> appendPart(std::string &out,
                                                                               T part) {
  out += std::to_string(part);
}
/// Shortest text that reads back as the same double, in the "C" locale.
void appendPart(std::string &out, double part);
} // namespace detail

/// Joins strings, integers, booleans and doubles, independent of the locale.
template <typename... Parts> std::string concat(const Parts &...parts) {
  std::string out;
  (detail::appendPart(out, parts), ...);
  return out;
}

/// A failure: a kind and a message in lower case without a final period.
class [[nodiscard]] Error {
public:
  /// Error(ErrorKind::Io, "cannot open ", path, ": ", reason)
  template <typename... Parts>
  explicit Error(ErrorKind kind, const Parts &...parts) : errorKind(kind), text(concat(parts...)) {}

  ErrorKind kind() const { return errorKind; }
  const std::string &message() const { return text; }

  /// The same failure seen from further out: "CONTEXT: MESSAGE".
  Error within(std::string_view context) const { return Error(errorKind, context, ": ", text); }

private:
  ErrorKind errorKind;
  std::string text;
};

/// An Io error for the current `errno` value: "ACTION 'PATH': REASON".
Error systemError(std::string_view action, std::string_view path, int errnoValue);

/// A value or the error that kept it from being made. Functions without a value
/// return std::optional<Error> instead.
template <typename T> class [[nodiscard]] Expected {
public:
  Expected(T &&value) : storage(std::in_place_index<0>, std::move(value)) {}
  Expected(const T &value) : storage(std::in_place_index<0>, value) {}
  Expected(Error error) : storage(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return storage.index() == 0; }

  T &operator*() & {
    assert(*this && "no value");
    return *std::get_if<0>(&storage);
  }
  const T &operator*() const & {
    assert(*this && "no value");
    return *std::get_if<0>(&storage);
  }
  T &&operator*() && {
    assert(*this && "no value");
    return std::move(*std::get_if<0>(&storage));
  }
  T *operator->() { return &**this; }
  const T *operator->() const { return &**this; }

  const Error &error() const {
    assert(!*this && "no error");
    return *std::get_if<1>(&storage);
  }
  Error takeError() {
    assert(!*this && "no error");
    return std::move(*std::get_if<1>(&storage));
  }

private:
  std::variant<T, Error> storage;
};

} // namespace dsv2

#endif // DSV2_LIB_SUPPORT_ERROR_H
