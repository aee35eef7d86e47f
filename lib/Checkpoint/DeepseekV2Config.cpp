//===- DeepseekV2Config.cpp - config.json of DeepSeek-V2 ------------------===//
//
// The rules are those of transformers and of the original remote code, where the
// two agree on the shipped configs.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/DeepseekV2Config.h"

namespace dsv2 {

static void readGate(FieldReader &reader, DeepseekConfig &result) {
  requireOnly(reader, "scoring_func", "softmax", reader.stringOr("scoring_func", "softmax"));
  std::string method = reader.string("topk_method");
  if (method == "greedy") {
    result.topkMethod = TopkMethod::Greedy;
    return; // n_group and topk_group have no meaning
  }
  if (method != "group_limited_greedy") {
    reader.fail(ErrorKind::Unsupported, "topk_method",
                "must be 'greedy' or 'group_limited_greedy', found ", quote(method));
    return;
  }
  result.topkMethod = TopkMethod::GroupLimitedGreedy;
  readExpertGroups(reader, result);
}

Expected<DeepseekV2Config> DeepseekV2Config::read(const Json &config, const std::string &path) {
  FieldReader reader(config, path);
  if (std::optional<Error> error = checkModelType(reader, path, "deepseek_v2")) {
    return *error;
  }
  DeepseekV2Config result;
  readDeepseekConfig(reader, config, result, readGate);
  refuseDraftLayers(reader, "deepseek_v2");
  if (reader.failed()) {
    return *reader.error();
  }
  return result;
}

} // namespace dsv2
