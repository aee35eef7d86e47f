//===- FlagReader.cpp - Walking a command line ----------------------------===//
//
// Numbers are parsed whole and without regard to the locale: "12x", "-1" and ""
// are errors, never 12, a huge number or 0.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/FlagReader.h"

#include "lib/Support/File.h"

#include <charconv>
#include <cmath>

namespace dsv2 {

/// Bytes of an `@FILE` of numbers: ten digits and a comma for 6 million tokens.
static constexpr uint64_t maxNumberFileBytes = 64u << 20;

FlagReader::FlagReader(int argc, const char *const *argv) {
  for (int i = 1; i < argc; ++i) {
    arguments.emplace_back(argv[i]);
  }
}

bool FlagReader::next() {
  if (at == arguments.size()) {
    return false;
  }
  flagName = arguments[at++];
  attached.reset();
  size_t equals = flagName.find('=');
  if (flagName.rfind("--", 0) == 0 && equals != std::string::npos) {
    attached = flagName.substr(equals + 1);
    flagName.resize(equals);
  }
  return true;
}

Expected<std::string> FlagReader::value() {
  if (attached) {
    return *attached;
  }
  if (at == arguments.size()) {
    return Error(ErrorKind::Usage, "flag '", flagName, "' needs a value");
  }
  return arguments[at++];
}

std::optional<Error> FlagReader::noValue() const {
  if (!attached) {
    return std::nullopt;
  }
  return Error(ErrorKind::Usage, "flag '", flagName, "' takes no value, got ", quote(*attached));
}

/// Parses all of `text` as one number.
template <typename T> static bool parseWhole(std::string_view text, T &number) {
  std::from_chars_result end = std::from_chars(text.data(), text.data() + text.size(), number);
  return end.ec == std::errc() && end.ptr == text.data() + text.size();
}

Expected<uint64_t> FlagReader::natural(uint64_t min, uint64_t max) {
  Expected<std::string> text = value();
  if (!text) {
    return text.takeError();
  }
  uint64_t number = 0;
  if (!parseWhole(*text, number) || number < min || number > max) {
    return Error(ErrorKind::Usage, "flag '", flagName, "' expects a whole number from ", min,
                 " to ", max, ", got ", quote(*text));
  }
  return number;
}

Expected<double> FlagReader::number(double min, double max) {
  Expected<std::string> text = value();
  if (!text) {
    return text.takeError();
  }
  double number = 0;
  if (!parseWhole(*text, number) || !std::isfinite(number) || number < min || number > max) {
    return Error(ErrorKind::Usage, "flag '", flagName, "' expects a number from ", min, " to ", max,
                 ", got ", quote(*text));
  }
  return number;
}

Expected<std::vector<int64_t>> FlagReader::naturals(int64_t max) {
  Expected<std::string> given = value();
  if (!given) {
    return given.takeError();
  }
  std::string text = *given;
  std::string origin = concat("flag '", flagName, "'");
  if (!text.empty() && text[0] == '@') {
    std::string path = text.substr(1);
    Expected<std::string> content = readFile(path, maxNumberFileBytes);
    if (!content) {
      return content.takeError().within(origin);
    }
    text = std::move(*content);
    origin = concat(origin, ": file ", quote(path));
  }
  const char *separators = ", \t\r\n";
  std::vector<int64_t> numbers;
  size_t begin = text.find_first_not_of(separators);
  while (begin != std::string::npos) {
    size_t end = std::min(text.find_first_of(separators, begin), text.size());
    std::string_view word = std::string_view(text).substr(begin, end - begin);
    int64_t number = 0;
    if (!parseWhole(word, number) || number < 0 || number > max) {
      return Error(ErrorKind::Usage, origin, ": entry ", numbers.size(),
                   " must be a whole number from 0 to ", max, ", got ", quote(word));
    }
    numbers.push_back(number);
    begin = text.find_first_not_of(separators, end);
  }
  if (numbers.empty()) {
    return Error(ErrorKind::Usage, origin, ": expected at least one number, got none");
  }
  return numbers;
}

} // namespace dsv2
