//===- DeepseekV3Config.cpp - config.json of DeepSeek-V3 ------------------===//
//
// Shipped configs spell the gate's method out; transformers 5 knows only one and
// leaves topk_method, scoring_func and moe_layer_freq out.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/DeepseekV3Config.h"

namespace dsv2 {

static void readGate(FieldReader &reader, DeepseekConfig &result) {
  for (auto [key, only] : {std::pair{"topk_method", "noaux_tc"}, {"scoring_func", "sigmoid"}}) {
    requireOnly(reader, key, only, reader.stringOr(key, only));
  }
  result.topkMethod = TopkMethod::NoauxTc;
  readExpertGroups(reader, result);
  if (!reader.failed() && result.numRoutedExperts / result.numGroups < 2) {
    reader.fail(ErrorKind::InvalidFile, "n_group", "is ", result.numGroups, ", but ",
                result.numRoutedExperts, " experts do not give each group two");
  }
}

Expected<DeepseekV3Config> DeepseekV3Config::read(const Json &config, const std::string &path) {
  FieldReader reader(config, path);
  if (std::optional<Error> error = checkModelType(reader, path, "deepseek_v3")) {
    return *error;
  }
  DeepseekV3Config result;
  readDeepseekConfig(reader, config, result, readGate);
  result.numDraftLayers = reader.naturalOr("num_nextn_predict_layers", 0, 0, ConfigLimits::layers);
  if (result.numDraftLayers > 1) {
    reader.fail(ErrorKind::Unsupported, "num_nextn_predict_layers", "must be 0 or 1, found ",
                result.numDraftLayers);
  }
  if (reader.failed()) {
    return *reader.error();
  }
  return result;
}

} // namespace dsv2
