#include "hellora/select/config.h"

#include "hellora/select/policy.h"

namespace hellora {

std::vector<Field> select_fields(SelectConfig* config) {
  std::vector<std::string> names;
  for (const Policy& policy : policies()) names.emplace_back(policy.name);
  return {
      free_on_resume(text_field("select.plan", &config->plan, "use this plan.json; empty: profile and select")),
      choice_field("select.mode", &config->mode, {"base", "warmup"}, "profile with the base model, or during a short LoRA warm-up"),
      double_field("select.fraction", &config->fraction, 0.0001, 1, "share of the training data to profile"),
      choice_field("select.tokens", &config->tokens, {"all", "label"}, "tokens that count: all, or those that predict a label"),
      int_field("select.max_tokens", &config->max_tokens, 0, int64_t{1} << 40, "stop the profile after so many tokens; 0: no limit"),
      choice_field("select.policy", &config->policy, names, "how experts are chosen: see `hellora policies`"),
      text_field("select.k", &config->k, "experts per layer: auto, a number, or a percentage like 25%"),
      double_field("select.coverage", &config->coverage, 0, 1, "share of routed slots that the coverage policy reaches"),
      int_field("select.min_k", &config->min_k, 0, 65536, "fewest experts per layer (coverage, global-hot)"),
      int_field("select.max_k", &config->max_k, 0, 65536, "most experts per layer (coverage, global-hot); 0: no limit"),
      choice_field("select.rank_by", &config->rank_by, {"uniform", "coverage"},
                   "adapter.rank for every chosen expert, or a layer's experts x adapter.rank shared out by their load, at least 1 each"),
  };
}

}  // namespace hellora
