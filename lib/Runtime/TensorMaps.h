//===- TensorMaps.h - matrices that a launch describes ----------*- C++ -*-===//
//
// A kernel's tensor map says which slots hold a matrix's address and number of
// rows. Here the slots of a call are read, for every driver that has kernels
// with tensor maps.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_RUNTIME_TENSORMAPS_H
#define DSV2_LIB_RUNTIME_TENSORMAPS_H

#include "lib/Runtime/Driver.h"

namespace dsv2 {

/// A matrix of bf16 and the boxes by which it is copied. Ordered, so that
/// descriptions can be kept.
struct BoxedMatrix {
  uint64_t address = 0;
  int64_t columns = 0, rowBytes = 0;
  int64_t rows = 0; ///< 2^31 - 1 where there is no bound
  uint32_t boxRows = 0;

  bool operator<(const BoxedMatrix &other) const;
};

/// What `map` is in this call. An error where the call lacks a slot or the
/// address is not aligned.
Expected<BoxedMatrix> boxedMatrix(const TensorMap &map, const KernelCall &call);

} // namespace dsv2

#endif // DSV2_LIB_RUNTIME_TENSORMAPS_H
