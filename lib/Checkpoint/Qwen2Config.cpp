//===- Qwen2Config.cpp - config.json of Qwen 1.5 and 2 --------------------===//
//
// The class of transformers gives q, k and v biases and o none, without a key for it.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/Qwen2Config.h"

namespace dsv2 {

Expected<Qwen2Config> Qwen2Config::read(const Json &config, const std::string &path) {
  FieldReader reader(config, path);
  if (std::optional<Error> error = checkModelType(reader, path, "qwen2")) {
    return *error;
  }
  Qwen2Config result;
  readGroupedQueryConfig(reader, "qwen2", result);
  result.queryKeyValueBias = true;
  // Would mean a bias of o_proj as well.
  refuseIfTrue(reader, "attention_bias");
  refuseIfTrue(reader, "mlp_bias");
  if (reader.failed()) {
    return *reader.error();
  }
  return result;
}

} // namespace dsv2
