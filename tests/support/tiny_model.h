// Tiny random models in a folder of their own, loaded with the program's loader, and adapters on them.
#pragma once

#include <functional>
#include <memory>

#include "hellora/adapters/adapter_set.h"
#include "hellora/model/decoder.h"
#include "hellora/model/init.h"
#include "hellora/model/sites.h"
#include "tests/support/helpers.h"
#include "tests/support/tensors.h"

namespace hellora::testing {

inline ModelShape tiny_shape() {
  ModelShape shape;
  shape.arch = "olmoe";
  shape.vocab = 61;
  shape.hidden = 16;
  shape.layers = 2;
  shape.heads = 4;
  shape.kv_heads = 2;
  shape.head_dim = 4;
  shape.max_positions = 128;
  shape.qk_norm = QkNorm::whole;
  shape.experts = 6;
  shape.expert_width = 12;
  shape.router.top_k = 2;
  shape.aux_loss = 0.01;
  return shape;
}

/// The tiny shape of any family, with every feature that it has: what its reader makes of these sizes.
inline ModelShape tiny_shape_of(std::string_view family, const std::function<void(ModelShape&)>& change = {}) {
  ModelShape shape = tiny_shape();
  shape.arch = std::string(family);
  shape.dense_layers = {0};
  shape.dense_width = 20;
  shape.shared_width = 24;
  shape.qkv_bias = family == "qwen2_moe" || family == "llama";
  shape.o_bias = family == "llama";
  shape.window = 7;
  shape.latent = {8, 12, 4, 2, 5};
  if (change) change(shape);
  return read_shape(find_arch(shape.arch, "test").config(shape), "config.json");
}

/// A random checkpoint of this shape and its decoder. Values are large enough for routing to spread over experts.
struct TinyModel {
  explicit TinyModel(const ModelShape& shape = tiny_shape(), at::ScalarType dtype = at::kFloat, uint64_t seed = 1) {
    init_model(shape, folder.path(), seed, true, 0.4);
    decoder = load_decoder(Checkpoint(folder.path()), {dtype, dtype});
  }
  TempFolder folder;
  std::unique_ptr<Decoder> decoder;
};

/// A hot subset that differs between layers.
inline Plan tiny_plan() {
  Plan plan;
  plan.policy = "given";
  plan.layers = {{0, {{1, 0}, {4, 0}}, 0.5}, {1, {{0, 0}, {2, 0}, {5, 0}}, 0.75}};
  return plan;
}

inline AdapterConfig tiny_config(const std::vector<std::string>& targets = {"auto"}) {
  AdapterConfig config;
  config.rank = 3;
  config.alpha = 6;
  config.targets = targets;
  return config;
}

inline std::unique_ptr<AdapterSet> fresh_adapters(const ModelShape& shape, const Plan& plan, const AdapterConfig& config = tiny_config(),
                                                  at::ScalarType dtype = at::kFloat, uint64_t seed = 5) {
  return std::make_unique<AdapterSet>(find_sites(shape, config, plan), config, seed, BaseWeight(), dtype);
}

/// Every parameter random, B included, as if trained; what the seed makes stays.
inline void randomise(AdapterSet& adapters, uint64_t seed) {
  for (size_t i = 0; i < adapters.specs().size(); ++i) {
    if (adapters.specs()[i].use == Use::seeded) continue;
    adapters.param(i).detach().copy_(random_tensor(adapters.specs()[i].shape, seed + i) * 0.3);
  }
}

/// Token ids below the vocabulary, ids 0 and 1 left out.
inline std::vector<int64_t> random_ids(int64_t length, int64_t vocab, uint64_t seed) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < length; ++i) ids.push_back(random_int(2, vocab - 1, seed, static_cast<uint64_t>(i)));
  return ids;
}

}  // namespace hellora::testing
