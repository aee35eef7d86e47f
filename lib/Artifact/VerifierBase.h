//===- VerifierBase.h - Keeps the first failure and where it was -*- C++ -*-===//
//
// The verifier's parts return false on the first broken rule; the base remembers why and under
// which "variant 'v': weight 'w'" it happened.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_ARTIFACT_VERIFIERBASE_H
#define DSV2_LIB_ARTIFACT_VERIFIERBASE_H

#include "lib/Support/Error.h"

#include <optional>
#include <string>
#include <vector>

namespace dsv2 {

class VerifierBase {
public:
  std::optional<Error> failure;

protected:
  /// Adds a piece to the place while it lives.
  class Place {
  public:
    Place(VerifierBase &base, std::string piece) : base(base) {
      base.places.push_back(std::move(piece));
    }
    Place(const Place &) = delete;
    Place &operator=(const Place &) = delete;
    ~Place() { base.places.pop_back(); }

  private:
    VerifierBase &base;
  };

  bool fail(Error error) {
    std::string where;
    for (const std::string &piece : places) {
      where += piece + ": ";
    }
    failure = Error(error.kind(), where, error.message());
    return false;
  }
  template <typename... Parts> bool invalid(const Parts &...parts) {
    return fail(Error(ErrorKind::InvalidFile, parts...));
  }
  /// "FIELD is VALUE, expected MIN to MAX"; past MAX it is the limit that failed.
  bool inRange(const char *field, int64_t value, int64_t min, int64_t max) {
    if (value < min || value > max) {
      return fail(Error(value > max ? ErrorKind::Limit : ErrorKind::InvalidFile, field, " is ",
                        value, ", expected ", min, " to ", max));
    }
    return true;
  }
  /// "N FIELD, at most MAX are allowed".
  bool atMost(const char *field, uint64_t value, uint64_t max) {
    if (value > max) {
      return fail(Error(ErrorKind::Limit, value, " ", field, ", at most ", max, " are allowed"));
    }
    return true;
  }
  /// A name: not empty, no control characters, valid UTF-8, not too long.
  bool name(const char *field, const std::string &text);

private:
  std::vector<std::string> places;
};

} // namespace dsv2

#endif // DSV2_LIB_ARTIFACT_VERIFIERBASE_H
