//===- MatrixDescriptor.h - Operands in workgroup memory --------*- C++ -*-===//
//
// Multiplications of a warpgroup take 64 bits that say where an operand lies,
// swizzled so that neither rows nor columns meet in the banks.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_DRIVERS_SIMT_MATRIXDESCRIPTOR_H
#define DSV2_LIB_RUNTIME_DRIVERS_SIMT_MATRIXDESCRIPTOR_H

#include <cstdint>

namespace dsv2::simt {

/// Swizzling by 128 bytes: the 16-byte pieces of a row of 128 bytes change places, differently in
/// each of eight rows.
constexpr uint64_t kSwizzlePeriod = 1024;
constexpr uint64_t swizzled(uint64_t address) { return address ^ ((address >> 7 & 7) << 4); }

/// A matrix descriptor: where an operand lies in workgroup memory.
struct MatrixDescriptor {
  uint64_t start, leading, stride;
  uint32_t baseOffset, swizzle;
  /// Elements outside k are neighbours in memory.
  bool outside;

  MatrixDescriptor(uint64_t bits, bool outside)
      : start((bits & 0x3fff) << 4), leading((bits >> 16 & 0x3fff) << 4),
        stride((bits >> 32 & 0x3fff) << 4), baseOffset(bits >> 49 & 7),
        swizzle(static_cast<uint32_t>(bits >> 62)), outside(outside) {}

  /// Offset of element (i, k), i being its row of A or its column of B. PTX ISA, "Strides" and
  /// "Canonical layouts" of the asynchronous warpgroup-level matrix instructions.
  uint64_t at(uint32_t i, uint32_t k) const {
    uint64_t place = outside ? i / 64 * leading + k / 8 * stride + k % 8 * 128 + i % 64 * 2
                             : i / 8 * stride + i % 8 * 128 + k * 2;
    return swizzled(start + place);
  }
  /// Calls `each` with the offset of each 16 bytes of the operand.
  template <typename Function> void chunks(uint32_t extent, uint32_t depth, Function each) const {
    uint32_t byI = outside ? 8 : 1, byK = outside ? 1 : 8;
    for (uint32_t i = 0; i < extent; i += byI) {
      for (uint32_t k = 0; k < depth; k += byK) {
        each(at(i, k));
      }
    }
  }
};

} // namespace dsv2::simt

#endif // DSV2_LIB_RUNTIME_DRIVERS_SIMT_MATRIXDESCRIPTOR_H
