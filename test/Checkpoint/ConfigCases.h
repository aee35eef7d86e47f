//===- ConfigCases.h - Refusals and missing keys of a config ----*- C++ -*-===//
//
// What the tests of one model type's reader share.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_CHECKPOINT_CONFIGCASES_H
#define DSV2_TEST_CHECKPOINT_CONFIGCASES_H

#include "lib/Support/Json.h"
#include "test/Checkpoint/CheckpointFiles.h"

#include <gtest/gtest.h>

namespace dsv2 {

/// `base` with members removed and others added, as a Config.
template <typename Config>
Expected<Config> readChanged(std::string_view base, std::initializer_list<std::string_view> removed,
                             std::string_view added) {
  std::string text = changeConfig(base, removed, added);
  Expected<Json> json = Json::parse(text, "config.json");
  EXPECT_TRUE(json) << json.error().message() << text;
  return json ? Config::read(*json, "config.json") : Expected<Config>(json.takeError());
}

/// A change that makes a config one that is refused.
struct ConfigRefusal {
  std::string_view removed;
  std::string_view added;
  std::string_view message; // after "config.json: field '"
};

template <typename Config>
void expectRefused(std::string_view base, std::initializer_list<ConfigRefusal> refusals) {
  for (const ConfigRefusal &refusal : refusals) {
    Expected<Config> config = readChanged<Config>(base, {refusal.removed}, refusal.added);
    ASSERT_FALSE(config) << refusal.message;
    EXPECT_EQ(config.error().message().find(concat("config.json: field '", refusal.message)), 0u)
        << config.error().message();
  }
}

/// Each of `keys`, when missing, is what the error names.
template <typename Config>
void expectRequired(std::string_view base, std::initializer_list<std::string_view> keys) {
  for (std::string_view key : keys) {
    Expected<Config> config = readChanged<Config>(base, {key}, "");
    ASSERT_FALSE(config) << key;
    EXPECT_EQ(config.error().message().find(concat("config.json: field '", key, "' is missing")),
              0u)
        << config.error().message();
  }
}

} // namespace dsv2

#endif // DSV2_TEST_CHECKPOINT_CONFIGCASES_H
