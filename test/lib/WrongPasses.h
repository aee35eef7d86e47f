//===- WrongPasses.h - Passes that are wrong on purpose ---------*- C++ -*-===//
#ifndef DSV2_TEST_LIB_WRONGPASSES_H
#define DSV2_TEST_LIB_WRONGPASSES_H

namespace dsv2 {

/// Registers a pass for each wrong edit (WrongEdits.h) under the edit's name.
void registerWrongPasses();

} // namespace dsv2

#endif // DSV2_TEST_LIB_WRONGPASSES_H
