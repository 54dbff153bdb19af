#include "hellora/cli/model_options.h"

#include "hellora/model/model_dir.h"
#include "hellora/recipe/threads.h"

namespace hellora {

void ModelOptions::declare(CLI::App& app) {
  app.add_option("--model", model, "model folder")->required();
  app.add_option("--adapter", adapter, "adapter folder, or a run's");
}

Workspace ModelOptions::open(bool with_tokenizer) const {
  const Path folder = adapter.empty() ? Path() : find_adapter(adapter);  // a wrong name is told before the model is read
  Workspace space = open_model(model, stored_weights(model), with_tokenizer);
  if (adapter.empty()) return space;
  space.adapter = open_adapter(folder, model, space.decoder->shape(), [&] { return model_hash(*space.decoder); });
  space.decoder->bind(space.adapter.adapters.get());
  return space;
}

void apply_common(RunConfig* config, const Common& common) {
  if (common.seed_given) config->seed = common.seed;
  if (common.threads_given) config->compute.threads = common.threads;
  if (config->compute.threads > 0) use_threads(config->compute.threads);
}

}  // namespace hellora
