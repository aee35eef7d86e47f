// A weight that copies cannot prepare is refused where it stands.
// RUN: dsv2-opt %s --dsv2-create-variants=targets=x86-64-v3 --dsv2-form-dispatches --verify-diagnostics

!cache = !dsv2.cache<1 x [8, 4] x f32>
module attributes {dsv2.model = {max_context = 64 : i64, name = "deepseek_v2", vocab = 16 : i64}} {
  dsv2.weights @raw : tensor<16x8xf32> = "model.embed_tokens.weight"
  dsv2.prepare @embed : tensor<16x8xf32> {
    %w = dsv2.weight @raw : tensor<16x8xf32>
    %b = dsv2.cast %w : tensor<16x8xf32> to tensor<16x8xbf16>
    // expected-error @+1 {{widens values that were rounded before: a copy converts once}}
    %f = dsv2.cast %b : tensor<16x8xbf16> to tensor<16x8xf32>
    dsv2.yield %f : tensor<16x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %batch: !dsv2.batch, %cache: !cache) -> (tensor<?x16xf32>, tensor<?x8xf32>, !cache) {
    %e = dsv2.weight @embed : tensor<16x8xf32>
    %x = dsv2.embed %tokens, %e : tensor<?xi32>, tensor<16x8xf32>
    %y = dsv2.select_rows %x of %batch : tensor<?x8xf32>
    %l = dsv2.linear %y, %e : tensor<?x8xf32>, tensor<16x8xf32>
    return %l, %x, %cache : tensor<?x16xf32>, tensor<?x8xf32>, !cache
  }
}
