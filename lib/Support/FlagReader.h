//===- FlagReader.h - Walking a command line --------------------*- C++ -*-===//
//
// The tools that link no LLVM read their flags with this: `--name VALUE` and
// `--name=VALUE` mean the same, a value may be `@FILE`, and a number that is
// none is an error that names flag and value.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_SUPPORT_FLAGREADER_H
#define DSV2_LIB_SUPPORT_FLAGREADER_H

#include "lib/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace dsv2 {

/// A cursor over the arguments after the program's name.
///
///   while (flags.next()) {
///     if (flags.name() == "--chunk") { auto n = flags.natural(1, limit); ... }
///   }
class FlagReader {
public:
  explicit FlagReader(std::vector<std::string> arguments) : arguments(std::move(arguments)) {}
  FlagReader(int argc, const char *const *argv);

  /// Moves to the next argument; false at the end.
  bool next();
  /// "--chunk" of `--chunk=4`, or the argument itself when it is no flag.
  const std::string &name() const { return flagName; }
  /// Whether the argument starts with '-' and has more than that.
  bool isFlag() const { return flagName.size() > 1 && flagName[0] == '-'; }

  /// The flag's value: what follows '=', else the next argument.
  Expected<std::string> value();
  /// Refuses `--name=VALUE` for a flag that takes none.
  std::optional<Error> noValue() const;
  /// A whole number in [min, max].
  Expected<uint64_t> natural(uint64_t min, uint64_t max);
  /// A finite number in [min, max].
  Expected<double> number(double min, double max);
  /// Whole numbers between commas, blanks and line ends, each in [0, max]; the
  /// value `@FILE` reads them from a file. None at all is an error.
  Expected<std::vector<int64_t>> naturals(int64_t max);

private:
  std::vector<std::string> arguments;
  size_t at = 0;
  std::string flagName;
  std::optional<std::string> attached;
};

} // namespace dsv2

#endif // DSV2_LIB_SUPPORT_FLAGREADER_H
