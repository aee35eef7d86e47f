//===- DeepseekV3Config.cpp - config.json of DeepSeek-V3 ------------------===//
//
// Shipped configs spell the gate's method out; transformers 5 knows only one and
// leaves topk_method, scoring_func and moe_layer_freq out.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/DeepseekV3Config.h"

namespace dsv2 {

static void readGate(FieldReader &reader, DeepseekConfig &result) {
  const std::pair<const char *, const char *> only[] = {{"topk_method", "noaux_tc"},
                                                        {"scoring_func", "sigmoid"}};
  for (auto [key, expected] : only) {
    std::string found = reader.stringOr(key, expected);
    if (found != expected) {
      reader.fail(ErrorKind::Unsupported, key, "must be ", quote(expected), ", found ",
                  quote(found));
    }
  }
  result.topkMethod = TopkMethod::NoauxTc;
  readDeepseekGroups(reader, result);
  if (!reader.failed() && result.numRoutedExperts / result.numGroups < 2) {
    reader.fail(ErrorKind::InvalidFile, "n_group", "is ", result.numGroups, ", but ",
                result.numRoutedExperts, " experts do not give each group two");
  }
}

Expected<DeepseekV3Config> DeepseekV3Config::read(const Json &config, const std::string &path) {
  FieldReader reader(config, path);
  if (reader.failed()) {
    return *reader.error();
  }
  std::string modelType = readModelType(reader);
  if (modelType != "deepseek_v3") {
    return unsupportedModelType(path, modelType, {"deepseek_v3"});
  }
  DeepseekV3Config result;
  readDeepseekConfig(reader, config, result, readGate);
  result.numDraftLayers = reader.naturalOr("num_nextn_predict_layers", 0, 0, ConfigLimits::layers);
  if (reader.failed()) {
    return *reader.error();
  }
  return result;
}

} // namespace dsv2
