//===- DeepseekV2Config.cpp - config.json of DeepSeek-V2 ------------------===//
//
// The rules are those of transformers and of the original remote code, where the
// two agree on the shipped configs.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/DeepseekV2Config.h"

namespace dsv2 {

static void readGate(FieldReader &reader, DeepseekConfig &result) {
  std::string scoring = reader.stringOr("scoring_func", "softmax");
  if (scoring != "softmax") {
    reader.fail(ErrorKind::Unsupported, "scoring_func", "must be 'softmax', found ",
                quote(scoring));
  }
  if (result.normalizeTopk) {
    reader.fail(ErrorKind::Unsupported, "norm_topk_prob", "is true, which is not supported");
  }
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
  readDeepseekGroups(reader, result);
}

Expected<DeepseekV2Config> DeepseekV2Config::read(const Json &config, const std::string &path) {
  FieldReader reader(config, path);
  if (reader.failed()) {
    return *reader.error();
  }
  std::string modelType = readModelType(reader);
  if (modelType != "deepseek_v2") {
    return unsupportedModelType(path, modelType, {"deepseek_v2"});
  }
  DeepseekV2Config result;
  readDeepseekConfig(reader, config, result, readGate);
  uint64_t drafts = reader.naturalOr("num_nextn_predict_layers", 0, 0, ConfigLimits::layers);
  if (drafts != 0) {
    reader.fail(ErrorKind::Unsupported, "num_nextn_predict_layers",
                "must be 0 for deepseek_v2, found ", drafts);
  }
  if (reader.failed()) {
    return *reader.error();
  }
  return result;
}

} // namespace dsv2
