#include "hellora/cli/run_identity.h"

#include "hellora/cli/workspace.h"
#include "hellora/core/hash.h"
#include "hellora/model/model_dir.h"

namespace hellora {

Json run_identity(const RunConfig& config, const Decoder& decoder, const Dataset& train, const Plan& plan) {
  Json plan_json = plan_to_json(plan);
  const TrainConfig& t = config.train;
  const std::string settings = Json{t.lr,
                                    t.schedule,
                                    t.warmup_ratio,
                                    t.weight_decay,
                                    t.beta1,
                                    t.beta2,
                                    t.eps,
                                    t.max_grad_norm,
                                    t.grad_accumulation,
                                    t.epochs,
                                    t.max_steps,
                                    t.router_aux_loss,
                                    micro_batch_tokens(config),
                                    config.data.packing}
                                   .dump();
  const std::string adapter = Json{config.adapter.method,  config.adapter.rank,   config.adapter.alpha,
                                   config.adapter.dropout, config.adapter.rslora, resolve_targets(decoder.shape(), config.adapter),
                                   config.compute.weights, config.compute.matmul, config.compute.saved}
                                  .dump();
  const SelectConfig& s = config.select;
  // A plan that was given is compared itself; one that was made cannot be made again, so its settings are.
  const std::string select =
      s.plan.empty() ? Json{s.mode, s.fraction, s.tokens, s.max_tokens, s.policy, s.k, s.coverage, s.min_k, s.max_k, s.rank_by}.dump()
                     : "given";
  return Json{{"model", model_hash(decoder)},
              {"data", hex64(train.hash)},
              {"select", select},
              {"plan", hex64(hash_string(plan_json["layers"].dump() + (plan.base_rank > 0 ? std::to_string(plan.base_rank) : "")))},
              {"adapter", adapter},
              {"training", settings},
              {"seed", config.seed}};
}

}  // namespace hellora
