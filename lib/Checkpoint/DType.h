//===- DType.h - Element types of stored tensors ----------------*- C++ -*-===//
//
// The closed list of element types that a safetensors file can hold. A reader
// must know them all to check sizes, even where nothing computes with them.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_CHECKPOINT_DTYPE_H
#define DSV2_LIB_CHECKPOINT_DTYPE_H

#include <cstdint>
#include <optional>
#include <string_view>

namespace dsv2 {

enum class DType : uint8_t {
  Bool,
  U8,
  I8,
  U16,
  I16,
  U32,
  I32,
  U64,
  I64,
  F16,
  BF16,
  F32,
  F64,
  C64,
  F8E4M3,
  F8E5M2,
  F8E4M3Fnuz,
  F8E5M2Fnuz,
  F8E8M0,
  F6E2M3,
  F6E3M2,
  F4,
};

/// Width in bits: 4 or 6 for the types that share bytes.
unsigned dtypeBits(DType type);

/// The name in a safetensors header: "BF16".
std::string_view dtypeName(DType type);

/// The type of that name, if it is known.
std::optional<DType> dtypeFromName(std::string_view name);

} // namespace dsv2

#endif // DSV2_LIB_CHECKPOINT_DTYPE_H
