//===- SplitRegex.cpp - Regular expressions of tokenizer.json -------------===//
//
// PCRE2 without its JIT: nothing that a model directory says becomes executable
// memory. Its match limit counts per starting position, so a search is cut into
// windows of starting positions, and between windows the clock is read; a pattern
// that is quadratic on some text ends in an error, not in a hang.
//
//===----------------------------------------------------------------------===//
#define PCRE2_CODE_UNIT_WIDTH 8

#include "lib/Checkpoint/SplitRegex.h"

#include <algorithm>
#include <new>
#include <pcre2.h>

namespace dsv2 {
namespace {

constexpr size_t maxPatternBytes = size_t(64) * 1024;
constexpr uint32_t matchLimit = 1'000'000;
constexpr uint32_t depthLimit = 250'000;
constexpr uint32_t heapLimitKiB = 256 * 1024;
/// The first window is small enough to end soon whatever the pattern does.
constexpr size_t firstWindow = 64;
constexpr size_t maxWindow = 1 << 20;

std::string pcreMessage(int code) {
  PCRE2_UCHAR buffer[160];
  if (pcre2_get_error_message(code, buffer, sizeof(buffer)) < 0) {
    return concat("error ", code);
  }
  return reinterpret_cast<const char *>(buffer);
}

} // namespace

struct SplitRegex::Code {
  pcre2_code *pcre = nullptr;
  ~Code() { pcre2_code_free(pcre); }
};

struct SplitRegex::Matcher::State {
  const SplitRegex *regex = nullptr;
  std::chrono::steady_clock::time_point deadline;
  pcre2_match_context *context = nullptr;
  pcre2_match_data *data = nullptr;
  ~State() {
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
};

SplitRegex::SplitRegex(SplitRegex &&) noexcept = default;
SplitRegex &SplitRegex::operator=(SplitRegex &&) noexcept = default;
SplitRegex::~SplitRegex() = default;

Expected<SplitRegex> SplitRegex::compile(std::string_view pattern) {
  if (pattern.size() > maxPatternBytes) {
    return Error(ErrorKind::Limit, "regular expression of ", pattern.size(),
                 " bytes, more than the limit of ", maxPatternBytes);
  }
  Expected<std::string> translated = translateRegex(pattern);
  if (!translated) {
    return translated.takeError();
  }
  // Oniguruma's ^ and $ match at lines.
  return compileTranslated(*translated, PCRE2_UCP | PCRE2_MULTILINE, pattern);
}

Expected<SplitRegex> SplitRegex::compileLiteral(std::string_view text) {
  if (text.size() > maxPatternBytes) {
    return Error(ErrorKind::Limit, "split text of ", text.size(), " bytes, more than the limit of ",
                 maxPatternBytes);
  }
  return compileTranslated(std::string(text), PCRE2_LITERAL, text);
}

Expected<SplitRegex> SplitRegex::compileTranslated(const std::string &pattern, uint32_t options,
                                                   std::string_view original) {
  pcre2_compile_context *context = pcre2_compile_context_create(nullptr);
  if (!context) {
    throw std::bad_alloc();
  }
  pcre2_set_newline(context, PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context, 100);
  int code = 0;
  PCRE2_SIZE offset = 0;
  SplitRegex result;
  result.original = original;
  result.code = std::make_unique<Code>();
  result.code->pcre =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                    options | PCRE2_UTF | PCRE2_USE_OFFSET_LIMIT, &code, &offset, context);
  pcre2_compile_context_free(context);
  if (!result.code->pcre) {
    return Error(ErrorKind::InvalidFile, "regular expression ", quote(original, 200), ": ",
                 pcreMessage(code));
  }
  return result;
}

SplitRegex::Matcher::Matcher(const SplitRegex &regex, std::chrono::milliseconds patience)
    : state(std::make_unique<State>()) {
  state->regex = &regex;
  state->deadline = std::chrono::steady_clock::now() + patience;
  state->context = pcre2_match_context_create(nullptr);
  state->data = pcre2_match_data_create(1, nullptr);
  if (!state->context || !state->data) {
    throw std::bad_alloc();
  }
  pcre2_set_match_limit(state->context, matchLimit);
  pcre2_set_depth_limit(state->context, depthLimit);
  pcre2_set_heap_limit(state->context, heapLimitKiB);
}

SplitRegex::Matcher::Matcher(Matcher &&) noexcept = default;
SplitRegex::Matcher::~Matcher() = default;

Expected<std::optional<SplitRegex::Match>> SplitRegex::Matcher::find(std::string_view text,
                                                                     size_t from) {
  auto fail = [&](ErrorKind kind, const auto &...parts) {
    return Error(kind, "regular expression ", quote(state->regex->original, 200), ": ", parts...);
  };
  size_t window = firstWindow;
  while (true) {
    if (std::chrono::steady_clock::now() > state->deadline) {
      return fail(ErrorKind::Limit, "takes too long on a text of ", text.size(), " bytes");
    }
    size_t last = std::min(text.size(), from + window);
    pcre2_set_offset_limit(state->context, last);
    int found = pcre2_match(state->regex->code->pcre, reinterpret_cast<PCRE2_SPTR>(text.data()),
                            text.size(), from, PCRE2_NO_UTF_CHECK, state->data, state->context);
    if (found >= 0) {
      const PCRE2_SIZE *range = pcre2_get_ovector_pointer(state->data);
      if (range[0] >= range[1]) {
        return fail(ErrorKind::Unsupported, "matches an empty text, which is not supported");
      }
      return std::optional<Match>(Match{range[0], range[1]});
    }
    if (found == PCRE2_ERROR_NOMEMORY) {
      throw std::bad_alloc();
    }
    if (found != PCRE2_ERROR_NOMATCH) {
      return fail(ErrorKind::Limit, "gave up on a text of ", text.size(),
                  " bytes: ", pcreMessage(found));
    }
    if (last == text.size()) {
      return std::optional<Match>();
    }
    // Go on behind the last position tried, at the start of a character.
    from = last + 1;
    while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xc0) == 0x80) {
      ++from;
    }
    window = std::min(window * 2, maxWindow);
  }
}

} // namespace dsv2
