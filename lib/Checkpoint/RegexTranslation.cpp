//===- RegexTranslation.cpp - From Oniguruma's syntax to PCRE2's ----------===//
//
// A whitelist. Whitespace is spelled out, because PCRE2's \s holds U+180E and
// Oniguruma's does not; \p{Han} asks for the script, because PCRE2 would take the
// script extensions; \w, \b, back references, recursion, callouts, verbs, nested
// classes and inline options are refused.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/SplitRegex.h"
#include "lib/Support/Utf8.h"

#include <algorithm>
#include <iterator>

namespace dsv2 {
namespace {

constexpr std::string_view spaceRanges =
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"
    "\\x{205f}\\x{3000}";
/// Everything else, for \S inside a class.
constexpr std::string_view nonSpaceRanges =
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"
    "\\x{3001}-\\x{10ffff}";

constexpr std::string_view generalCategories[] = {
    "C",  "Cc", "Cf", "Cn", "Co", "Cs", "L",  "Ll", "Lm", "Lo", "Lt", "Lu", "M",
    "Mc", "Me", "Mn", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Pe", "Pf", "Pi",
    "Po", "Ps", "S",  "Sc", "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs",
};

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool isHex(char c) { return isDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

class Translator {
public:
  explicit Translator(std::string_view pattern) : in(pattern) {}

  Expected<std::string> run() {
    while (at < in.size() && !failure) {
      char c = in[at];
      if (c == '\\') {
        escape(/*inClass=*/false);
      } else if (c == '[') {
        characterClass();
      } else if (c == '(') {
        group();
      } else if (c == '{') {
        repetition();
      } else {
        out += c;
        ++at;
      }
    }
    if (failure) {
      return *failure;
    }
    return out;
  }

private:
  void refuse(std::string_view construct) {
    if (!failure) {
      failure = Error(ErrorKind::Unsupported, "regular expression ", quote(in, 200), " uses ",
                      quote(construct), " at byte ", at, ", which is not supported");
    }
  }

  char peek(size_t ahead) const { return at + ahead < in.size() ? in[at + ahead] : '\0'; }
  bool startsWith(std::string_view text) const { return in.substr(at, text.size()) == text; }

  /// Copies `count` hexadecimal digits that start `skip` bytes from here.
  void hex(size_t skip, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      if (!isHex(peek(skip + i))) {
        return refuse(in.substr(at, skip + count));
      }
    }
    out += "\\x{";
    out += in.substr(at + skip, count);
    out += '}';
    at += skip + count;
  }

  void property() {
    size_t close = in.find('}', at);
    if (peek(2) != '{' || close == std::string_view::npos || close - at > 40) {
      return refuse(in.substr(at, 2));
    }
    std::string_view name = in.substr(at + 3, close - at - 3);
    bool negated = !name.empty() && name.front() == '^';
    name.remove_prefix(negated ? 1 : 0);
    if (name.empty() ||
        !std::all_of(name.begin(), name.end(), [](char c) { return isLetter(c) || c == '_'; })) {
      return refuse(in.substr(at, close + 1 - at));
    }
    bool category = std::find(std::begin(generalCategories), std::end(generalCategories), name) !=
                    std::end(generalCategories);
    out += concat(in.substr(at, 3), negated ? "^" : "", category ? "" : "sc:", name, "}");
    at = close + 1;
  }

  void escape(bool inClass) {
    char c = peek(1);
    switch (c) {
    case 's':
      out += inClass ? std::string(spaceRanges) : concat("[", spaceRanges, "]");
      at += 2;
      return;
    case 'S':
      out += inClass ? std::string(nonSpaceRanges) : concat("[^", spaceRanges, "]");
      at += 2;
      return;
    case 'd':
      out += "\\p{Nd}";
      at += 2;
      return;
    case 'D':
      out += "\\P{Nd}";
      at += 2;
      return;
    case 'v': // the one character; PCRE2 means all vertical space
      out += "\\x{b}";
      at += 2;
      return;
    case 'n':
    case 'r':
    case 't':
    case 'f':
      out += in.substr(at, 2);
      at += 2;
      return;
    case 'p':
    case 'P':
      return property();
    case 'u':
      return hex(2, 4);
    case 'x': {
      if (peek(2) != '{') {
        return hex(2, 2);
      }
      size_t close = in.find('}', at);
      if (close == std::string_view::npos || close - at < 4 || close - at > 11) {
        return refuse(in.substr(at, 3));
      }
      hex(3, close - at - 3);
      ++at;
      return;
    }
    default:
      break;
    }
    size_t length = utf8Length(in, at + 1);
    if (length == 0 || isLetter(c) || isDigit(c)) {
      return refuse(in.substr(at, 1 + std::max<size_t>(length, 1)));
    }
    if (length > 1) {
      ++at; // a backslash before a character that never had a meaning
    } else {
      out += '\\';
      ++at;
    }
    out += in.substr(at, length);
    at += length;
  }

  void characterClass() {
    out += '[';
    ++at;
    if (peek(0) == '^') {
      out += '^';
      ++at;
    }
    if (peek(0) == ']') {
      return refuse("[]");
    }
    while (at < in.size() && !failure) {
      char c = in[at];
      if (c == '\\') {
        escape(/*inClass=*/true);
      } else if (c == '[') {
        return refuse(in.substr(at, 2));
      } else if (startsWith("&&")) {
        return refuse("&&");
      } else {
        out += c;
        ++at;
        if (c == ']') {
          return;
        }
      }
    }
    if (!failure) {
      refuse("[ without ]");
    }
  }

  void group() {
    if (peek(1) == '*') {
      return refuse("(*");
    }
    if (peek(1) != '?') {
      out += "(?:"; // nothing reads a captured group
      ++at;
      return;
    }
    for (std::string_view opening : {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"}) {
      if (startsWith(opening)) {
        out += opening;
        at += opening.size();
        return;
      }
    }
    refuse(in.substr(at, 3));
  }

  /// {n}, {n,} or {n,m}; what follows a } differs between the two syntaxes.
  void repetition() {
    size_t close = in.find('}', at);
    std::string_view body =
        close == std::string_view::npos ? std::string_view() : in.substr(at + 1, close - at - 1);
    size_t comma = std::min(body.find(','), body.size());
    auto allDigits = [](std::string_view text) {
      return text.size() <= 5 && std::all_of(text.begin(), text.end(), isDigit);
    };
    bool good = comma > 0 && allDigits(body.substr(0, comma)) &&
                (comma == body.size() || allDigits(body.substr(comma + 1)));
    if (!good) {
      return refuse(in.substr(at, 1));
    }
    char next = peek(close + 1 - at);
    if (next == '?' || next == '+') {
      return refuse(in.substr(at, close + 2 - at));
    }
    out += in.substr(at, close + 1 - at);
    at = close + 1;
  }

  std::string_view in;
  size_t at = 0;
  std::string out;
  std::optional<Error> failure;
};

} // namespace

Expected<std::string> translateRegex(std::string_view pattern) { return Translator(pattern).run(); }

} // namespace dsv2
