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

namespace {

/// Which of two variants that can run is better; {-1, ...}: cannot run.
struct Rank {
  int preference = -1;
  int tier = -1;
  bool usable() const { return preference >= 0; }
  bool betterThan(const Rank &other) const {
    return preference != other.preference ? preference > other.preference : tier > other.tier;
  }
};

class Chooser {
public:
  Chooser(const Program &program, const DriverRegistry &drivers, std::string_view driver)
      : program(program), drivers(drivers), driver(driver) {}

  Expected<size_t> named(std::string_view tier) const;
  Expected<size_t> best() const;

private:
  std::string_view driverOf(const Variant &variant) const {
    return driver.empty() ? std::string_view(variant.driver) : driver;
  }
  Rank rankOf(const Variant &variant) const;
  std::string foundDevices(const Variant *variant) const;
  std::string variantNames() const;

  const Program &program;
  const DriverRegistry &drivers;
  std::string_view driver;
};

bool isSpecial(const Variant &variant) { return variant.name.find(':') != std::string::npos; }

} // namespace

/// "x86-64-v3, x86-64-v4-bf16:emulated"
std::string Chooser::variantNames() const {
  std::string names;
  for (const Variant &variant : program.variants) {
    names += (names.empty() ? "" : ", ") + variant.name;
  }
  return names.empty() ? "none" : names;
}

Rank Chooser::rankOf(const Variant &variant) const {
  const DriverKind *kind = drivers.find(driverOf(variant));
  if (!kind) {
    return {};
  }
  std::vector<std::string> tiers = kind->usableTiers();
  auto found = std::find(tiers.begin(), tiers.end(), variant.tier);
  if (found == tiers.end() && !kind->acceptsAnyTier) {
    return {};
  }
  return {static_cast<int>(kind->preference), static_cast<int>(found - tiers.begin())};
}

/// What the variant's driver found; what there is instead where it is missing.
std::string Chooser::foundDevices(const Variant *variant) const {
  const DriverKind *kind = variant ? drivers.find(driverOf(*variant)) : nullptr;
  if (kind) {
    return concat("found ", kind->describe());
  }
  std::string text =
      variant ? concat("this build has no driver ", quote(driverOf(*variant)), "; found ")
              : "found ";
  bool first = true;
  for (const DriverKind &each : drivers.all()) {
    if (!each.acceptsAnyTier) {
      text += concat(first ? "" : "; ", each.name, ": ", each.describe());
      first = false;
    }
  }
  return text;
}

Expected<size_t> Chooser::named(std::string_view tier) const {
  for (bool byName : {true, false}) {
    for (size_t i = 0; i < program.variants.size(); ++i) {
      const Variant &variant = program.variants[i];
      bool match = byName ? variant.name == tier : !isSpecial(variant) && variant.tier == tier;
      if (!match) {
        continue;
      }
      if (!rankOf(variant).usable()) {
        return Error(ErrorKind::Unsupported, "variant ", quote(variant.name), " needs ",
                     driverOf(variant), " with ", variant.tier, ": ", foundDevices(&variant));
      }
      return i;
    }
  }
  return Error(ErrorKind::Unsupported, "the artifact has no variant ", quote(tier),
               "; it has: ", variantNames());
}

Expected<size_t> Chooser::best() const {
  Rank best;
  size_t chosen = 0;
  for (size_t i = 0; i < program.variants.size(); ++i) {
    Rank rank = isSpecial(program.variants[i]) ? Rank() : rankOf(program.variants[i]);
    if (rank.usable() && rank.betterThan(best)) {
      best = rank;
      chosen = i;
    }
  }
  if (!best.usable()) {
    return Error(ErrorKind::Unsupported,
                 "the artifact has no variant for this machine; it has: ", variantNames(), "; ",
                 foundDevices(nullptr));
  }
  return chosen;
}

Expected<size_t> dsv2::chooseVariant(const Program &program, const DriverRegistry &drivers,
                                     std::string_view tier, std::string_view driver) {
  if (!driver.empty() && !drivers.find(driver)) {
    std::string names;
    for (const DriverKind &kind : drivers.all()) {
      names += (names.empty() ? "" : ", ") + kind.name;
    }
    return Error(ErrorKind::Unsupported, "this build has no driver ", quote(driver),
                 "; it has: ", names);
  }
  Chooser chooser(program, drivers, driver);
  return tier.empty() ? chooser.best() : chooser.named(tier);
}
