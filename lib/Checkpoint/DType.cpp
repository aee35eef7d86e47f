//===- DType.cpp - Element types of stored tensors ------------------------===//
//
// One table of names and widths, in the order of the enumeration.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/DType.h"

namespace dsv2 {
namespace {

struct TypeRow {
  std::string_view name;
  unsigned bits;
};

constexpr TypeRow typeRows[] = {
    {"BOOL", 8},    {"U8", 8},          {"I8", 8},          {"U16", 16},    {"I16", 16},
    {"U32", 32},    {"I32", 32},        {"U64", 64},        {"I64", 64},    {"F16", 16},
    {"BF16", 16},   {"F32", 32},        {"F64", 64},        {"C64", 64},    {"F8_E4M3", 8},
    {"F8_E5M2", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F8_E8M0", 8}, {"F6_E2M3", 6},
    {"F6_E3M2", 6}, {"F4", 4},
};
static_assert(sizeof(typeRows) / sizeof(typeRows[0]) == static_cast<size_t>(DType::F4) + 1,
              "one row for each type");

} // namespace

unsigned dtypeBits(DType type) { return typeRows[static_cast<size_t>(type)].bits; }

std::string_view dtypeName(DType type) { return typeRows[static_cast<size_t>(type)].name; }

std::optional<DType> dtypeFromName(std::string_view name) {
  for (size_t i = 0; i < sizeof(typeRows) / sizeof(typeRows[0]); ++i) {
    if (typeRows[i].name == name) {
      return static_cast<DType>(i);
    }
  }
  return std::nullopt;
}

} // namespace dsv2
