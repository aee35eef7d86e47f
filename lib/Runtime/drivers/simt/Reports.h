//===- Reports.h - What the checks found ------------------------*- C++ -*-===//
//
// Each finding once: a race in a loop is one report, not one for each thread.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_SIMT_REPORTS_H
#define DSV2_LIB_RUNTIME_DRIVERS_SIMT_REPORTS_H

#include "lib/Support/Error.h"

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace dsv2::simt {

class Reports {
public:
  /// Texts kept; later ones are only counted.
  static constexpr size_t kKept = 32;

  /// Whether nothing of this kind at these two places has been reported yet.
  bool isNew(const char *kind, const char *first, const char *second = nullptr) {
    return seen.insert({kind, {first, second}}).second;
  }
  void add(std::string text) {
    ++number;
    if (texts.size() < kKept) {
      texts.push_back(std::move(text));
    }
  }
  size_t count() const { return number; }
  const std::vector<std::string> &kept() const { return texts; }

  /// All of them as one error, and none are left; nullopt without any.
  std::optional<Error> take();

private:
  std::set<std::pair<const char *, std::pair<const char *, const char *>>> seen;
  std::vector<std::string> texts;
  size_t number = 0;
};

} // namespace dsv2::simt

#endif // DSV2_LIB_RUNTIME_DRIVERS_SIMT_REPORTS_H
