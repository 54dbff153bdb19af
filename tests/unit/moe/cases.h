// MoE blocks of random size with adapters on some experts, and the plain way to compute them.
// T tokens, D width, F expert width, E experts, K experts per token, N rows, R rank.
#pragma once

#include <memory>

#include "hellora/adapters/adapter_set.h"
#include "hellora/moe/block.h"
#include "hellora/tensor/frozen.h"
#include "tests/support/tensors.h"

namespace hellora::testing {

struct BlockSizes {
  int64_t tokens = 9, experts = 5, top_k = 2, width = 8, expert_width = 6, rank = 3;
  bool renormalize = false;
  std::vector<int64_t> hot = {1, 3};
  std::vector<Slot> adapted = {Slot::router, Slot::gate, Slot::up, Slot::down};
  std::string method = "lora";
};

struct Block {
  BlockSizes sizes;
  RouterRule rule;
  Tensor x_TD;
  Tensor router_ED, gate_EFD, up_EFD, down_EDF;
  FrozenWeights arena;
  MoeWeights weights;  // the same, packed
  std::unique_ptr<AdapterSet> set;
  MoeAdapters adapters;

  Tensor out(const StepContext& context = {}, std::span<Observer* const> observers = {}) const {
    return moe_block(x_TD, weights, rule, adapters, 0, context, observers);
  }
  /// Packs the weights anew after a change.
  void pack();
  /// x and every trainable tensor.
  std::vector<Tensor> leaves() const;
};

Block make_block(const BlockSizes& sizes, uint64_t seed);

/// Chosen experts and their weights by a stable sort of the probabilities.
struct PlainRouting {
  Tensor ids_TK, weights_TK;
};
PlainRouting plain_routing(const Block& block, const StepContext& context = {});

/// Token by token and slot by slot, with plain operators and Adapter::apply; has history.
Tensor plain_moe(const Block& block, const StepContext& context = {});

}  // namespace hellora::testing
