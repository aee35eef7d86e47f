//===- DialectPasses.h - Passes that show what the dialect offers -*- C++ -*-===//
#ifndef DSV2_TEST_LIB_DIALECTPASSES_H
#define DSV2_TEST_LIB_DIALECTPASSES_H

namespace dsv2 {

/// Registers `--test-layer-ranges` and `--test-cost`.
void registerDialectPasses();

} // namespace dsv2

#endif // DSV2_TEST_LIB_DIALECTPASSES_H
