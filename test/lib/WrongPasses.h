//===- WrongPasses.h - Passes that are wrong on purpose ---------*- C++ -*-===//
#ifndef DSV2_TEST_LIB_WRONGPASSES_H
#define DSV2_TEST_LIB_WRONGPASSES_H

namespace dsv2 {

/// Registers `--test-drop-mscale-square`, `--test-swap-two-experts`,
/// `--test-forget-shared-expert` and `--test-mask-off-by-one`.
void registerWrongPasses();

} // namespace dsv2

#endif // DSV2_TEST_LIB_WRONGPASSES_H
