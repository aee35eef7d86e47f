//===- X86Tier.h - what one x86 tier is to the code generator -------------===//
//
// The facts that differ between tiers, as data: processor, features, lanes. An emulated tier keeps
// the emitter of the tier it stands for and compiles its code for the plainest processor.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_TARGET_COMMON_X86TIER_H
#define DSV2_LIB_TARGET_COMMON_X86TIER_H

#include <cstdint>
#include <string>

namespace dsv2 {

struct X86Tier {
  std::string name;      ///< "x86-64-v4-bf16", or with ":emulated"
  std::string codeTier;  ///< tier of instructions that the code needs
  std::string processor; ///< LLVM's name of the processor
  std::string features;  ///< further LLVM features, "+a,+b"
  int64_t lanes = 0;     ///< f32 values of a vector in emitted code
  int64_t registers = 0; ///< vector registers
  bool bf16Dot = false;  ///< bf16 contractions are emitted as pair dot products
  bool emulate = false;  ///< pair dot products are spelled out in plain vector arithmetic
  /// Frames are small: what a kernel needs beyond registers lies in its declared scratch.
  int64_t frameBytes = 8192;
};

} // namespace dsv2

#endif // DSV2_LIB_TARGET_COMMON_X86TIER_H
