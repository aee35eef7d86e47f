//===- Reports.cpp - What the checks found --------------------------------===//
//
// The error of a launch names the first findings; the rest are counted.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/Reports.h"

using namespace dsv2;
using namespace dsv2::simt;

/// Findings that an error spells out.
static constexpr size_t kShown = 4;

std::optional<Error> Reports::take() {
  if (number == 0) {
    return std::nullopt;
  }
  std::string text;
  size_t shown = std::min(kShown, texts.size());
  for (size_t i = 0; i < shown; ++i) {
    text += (i == 0 ? "" : "; ") + texts[i];
  }
  if (number > shown) {
    text += concat("; and ", number - shown, " more reports");
  }
  *this = Reports();
  return Error(ErrorKind::Internal, text);
}
