//===- DriverRegistry.cpp - The drivers of this build ---------------------===//
//
// Lookup by name, and the choice of a variant.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/DriverRegistry.h"

#include <algorithm>

using namespace dsv2;

const DriverKind *DriverRegistry::find(std::string_view name) const {
  for (const DriverKind &kind : kinds) {
    if (kind.name == name) {
      return &kind;
    }
  }
  return nullptr;
}

/// "x86-64-v3, x86-64-v4-bf16:emulated"
static std::string variantNames(const Program &program) {
  std::string names;
  for (const Variant &variant : program.variants) {
    names += (names.empty() ? "" : ", ") + variant.name;
  }
  return names.empty() ? "none" : names;
}

/// The place of the variant's tier among those that its device can run, or -1.
static int tierRank(const Variant &variant, const DriverRegistry &drivers) {
  const DriverKind *kind = drivers.find(variant.driver);
  if (!kind) {
    return -1;
  }
  std::vector<std::string> tiers = kind->usableTiers();
  auto found = std::find(tiers.begin(), tiers.end(), variant.tier);
  return found == tiers.end() ? -1 : static_cast<int>(found - tiers.begin());
}

static std::string describeDevice(const Variant &variant, const DriverRegistry &drivers) {
  const DriverKind *kind = drivers.find(variant.driver);
  return kind ? concat("found ", kind->describe())
              : concat("this build has no driver ", quote(variant.driver));
}

static bool isSpecial(const Variant &variant) {
  return variant.name.find(':') != std::string::npos;
}

Expected<size_t> dsv2::chooseVariant(const Program &program, const DriverRegistry &drivers,
                                     std::string_view tier) {
  if (!tier.empty()) {
    for (bool byName : {true, false}) {
      for (size_t i = 0; i < program.variants.size(); ++i) {
        const Variant &variant = program.variants[i];
        bool match = byName ? variant.name == tier : !isSpecial(variant) && variant.tier == tier;
        if (!match) {
          continue;
        }
        if (tierRank(variant, drivers) < 0) {
          return Error(ErrorKind::Unsupported, "variant ", quote(variant.name), " needs ",
                       variant.driver, " with ", variant.tier, ": ",
                       describeDevice(variant, drivers));
        }
        return i;
      }
    }
    return Error(ErrorKind::Unsupported, "the artifact has no variant ", quote(tier),
                 "; it has: ", variantNames(program));
  }
  int best = -1;
  size_t chosen = 0;
  for (size_t i = 0; i < program.variants.size(); ++i) {
    const Variant &variant = program.variants[i];
    int rank = isSpecial(variant) ? -1 : tierRank(variant, drivers);
    if (rank > best) {
      best = rank;
      chosen = i;
    }
  }
  if (best < 0) {
    return Error(
        ErrorKind::Unsupported,
        "the artifact has no variant for this machine; it has: ", variantNames(program),
        program.variants.empty() ? "" : "; " + describeDevice(program.variants.front(), drivers));
  }
  return chosen;
}
