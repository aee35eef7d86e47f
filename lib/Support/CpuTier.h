//===- CpuTier.h - which compiled tier this machine can run ---------------===//
//
// A tier is a set of x86-64 instructions, named as the `targets` option names it. The compiler asks
// for the best tier of this machine (`host`), the runtime for every tier that a variant's code
// needs.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_SUPPORT_CPUTIER_H
#define DSV2_LIB_SUPPORT_CPUTIER_H

#include <string>
#include <string_view>
#include <vector>

namespace dsv2 {

/// Every tier that code is compiled for, the least demanding first: x86-64-v3, x86-64-v4,
/// x86-64-v4-bf16.
const std::vector<std::string> &knownCpuTiers();

/// Whether CPU and operating system can run code of this tier; false for an unknown name. Asks
/// CPUID and XGETBV, so it says no where the system does not save the wide registers.
bool hostSupportsTier(std::string_view tier);

/// The most capable tier of this machine; empty when it has none of them.
std::string bestHostTier();

/// CPUID's brand string ("AMD EPYC ..."), for reports; "unknown" when there is none.
std::string hostCpuName();

} // namespace dsv2

#endif // DSV2_LIB_SUPPORT_CPUTIER_H
