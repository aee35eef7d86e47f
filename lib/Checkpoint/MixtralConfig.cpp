//===- MixtralConfig.cpp - config.json of Mixtral -------------------------===//
//
// Every layer is an MoE layer of the width intermediate_size; weights of the chosen
// experts are always divided by their sum.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/MixtralConfig.h"

namespace dsv2 {

Expected<MixtralConfig> MixtralConfig::read(const Json &config, const std::string &path) {
  FieldReader reader(config, path);
  if (std::optional<Error> error = checkModelType(reader, path, "mixtral")) {
    return *error;
  }
  MixtralConfig result;
  readGroupedQueryConfig(reader, "mixtral", result);
  refuseIfTrue(reader, "attention_bias");
  refuseIfTrue(reader, "mlp_bias");
  if (reader.has("sliding_window")) {
    reader.fail(ErrorKind::Unsupported, "sliding_window", "is not supported unless null, found ",
                reader.value("sliding_window")->describe());
  }
  result.numRoutedExperts = reader.natural("num_local_experts", 1, ConfigLimits::experts);
  result.moeIntermediateSize = result.intermediateSize;
  uint64_t most = result.numRoutedExperts == 0 ? 1 : result.numRoutedExperts;
  result.topK = reader.natural("num_experts_per_tok", 1, most);
  // The weight of a single expert would be 1: a form of the gate that the IR lacks.
  if (!reader.failed() && result.topK == 1) {
    reader.fail(ErrorKind::Unsupported, "num_experts_per_tok",
                "must be at least 2 for mixtral, found 1");
  }
  result.normalizeTopk = true;
  if (reader.failed()) {
    return *reader.error();
  }
  return result;
}

} // namespace dsv2
