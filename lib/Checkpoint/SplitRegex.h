//===- SplitRegex.h - Regular expressions of tokenizer.json -----*- C++ -*-===//
//
// tokenizer.json holds patterns in Oniguruma's syntax. They are untrusted and are
// run by PCRE2: a whitelist of constructs that mean the same in both is translated,
// everything else is refused by name, and matching is bounded in steps, in depth,
// in memory and in time.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_SPLITREGEX_H
#define DSV2_LIB_CHECKPOINT_SPLITREGEX_H

#include "lib/Support/Error.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dsv2 {

/// The pattern in PCRE2's syntax, or why it is not supported.
Expected<std::string> translateRegex(std::string_view pattern);

/// A compiled pattern. Move-only; matching from several threads is safe, each with
/// its own Matcher.
class SplitRegex {
public:
  /// Compiles a pattern in Oniguruma's syntax.
  static Expected<SplitRegex> compile(std::string_view pattern);
  /// Compiles a literal text.
  static Expected<SplitRegex> compileLiteral(std::string_view text);

  SplitRegex(SplitRegex &&) noexcept;
  SplitRegex &operator=(SplitRegex &&) noexcept;
  ~SplitRegex();

  /// A range of bytes.
  struct Match {
    size_t begin;
    size_t end;
  };

  /// Working memory for one pattern, and the end of the patience with it.
  class Matcher {
  public:
    explicit Matcher(const SplitRegex &regex, std::chrono::milliseconds patience);
    Matcher(Matcher &&) noexcept;
    ~Matcher();

    /// The first match in `text` (valid UTF-8) that begins at or after `from`.
    /// An empty match, a limit and running out of patience are errors.
    Expected<std::optional<Match>> find(std::string_view text, size_t from);

  private:
    struct State;
    std::unique_ptr<State> state;
  };

private:
  SplitRegex() = default;
  static Expected<SplitRegex> compileTranslated(const std::string &pattern, uint32_t options,
                                                std::string_view original);
  struct Code;
  std::unique_ptr<Code> code;
  std::string original;
};

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_SPLITREGEX_H
