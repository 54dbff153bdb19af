#include "hellora/recipe/run_identity.h"

#include "hellora/core/hash.h"
#include "hellora/core/json_text.h"
#include "hellora/core/text.h"
#include "hellora/model/model_dir.h"
#include "hellora/model/sites.h"

namespace hellora {

Json run_settings(RunConfig* config, const ModelShape& shape) {
  Json settings = Json::object();
  const Fields fields = config_fields(config);
  for (const Field& field : fields.all()) {
    if (field.free_on_resume || of_another_method(config->adapter, field.key) ||
        (field.key.starts_with("select.") && !config->select.plan.empty()))
      continue;
    const std::vector<std::string> values = field.get();
    settings[field.key] = field.is_list ? join(values, " ") : values.at(0);
  }
  settings["adapter.targets"] = join(resolve_targets(shape, config->adapter), " ");
  return settings;
}

Json run_identity(RunConfig* config, const Decoder& decoder, const Dataset& train, const Dataset* forget, const Plan& plan) {
  Json identity = run_settings(config, decoder.shape());
  identity["model"] = "hash " + model_hash(decoder);
  identity["data.train"] = "hash " + hex64(train.hash);
  if (forget != nullptr) identity["data.forget"] = "hash " + hex64(forget->hash);
  identity["select.plan"] =
      "hash " + hex64(hash_string(dump_json(plan_to_json(plan)["layers"]) + (plan.base_rank > 0 ? std::to_string(plan.base_rank) : "")));
  return identity;
}

}  // namespace hellora
