#include "hellora/cli/training.h"

#include <filesystem>

#include "hellora/cli/drift.h"
#include "hellora/cli/progress.h"
#include "hellora/cli/run_folder.h"
#include "hellora/core/error.h"
#include "hellora/core/hash.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/eval/perplexity.h"
#include "hellora/export/formats.h"
#include "hellora/io/paths.h"
#include "hellora/model/count.h"
#include "hellora/model/model_dir.h"
#include "hellora/select/policy.h"
#include "hellora/train/memory.h"

namespace hellora {
namespace {

namespace fs = std::filesystem;
constexpr int64_t kWarmupPhase = 0, kTrainPhase = 1;
constexpr int64_t kFewTokens = 65536;  // profiles below this are noisy

/// What a checkpoint must agree on. Paths, threads and evaluation settings may change between start and resume.
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
      s.plan.empty() ? Json{s.mode, s.fraction, s.tokens, s.max_tokens, s.policy, s.k, s.coverage, s.min_k, s.max_k}.dump() : "given";
  return Json{{"model", model_hash(decoder)},
              {"data", hex64(train.hash)},
              {"select", select},
              {"plan", hex64(hash_string(plan_json["layers"].dump()))},
              {"adapter", adapter},
              {"training", settings},
              {"seed", config.seed}};
}

BaseWeight base_reader(const Workspace& space) {
  return [&space](const std::string& name) { return base_weight(*space.checkpoint, space.decoder->shape(), name); };
}

int64_t adapted_layers(const AdapterSet& adapters, int64_t layers) {
  int64_t lowest = layers;
  for (const Site& site : adapters.sites()) lowest = std::min(lowest, std::max<int64_t>(0, site.layer));
  return layers - lowest;
}

TrainingNeeds training_needs(const RunConfig& config, const ModelShape& shape, int64_t trainable, int64_t tokens, int64_t layers) {
  return {weight_bytes(shape, config.compute.weights == "bf16" ? 2 : 4),
          trainable,
          tokens,
          layers,
          config.compute.saved == "bf16" ? 2 : 4,
          config.compute.matmul == "bf16" ? 2 : 4,
          config.adapter.dropout > 0,
          config.train.gradient_checkpointing};
}

/// A dense model has nothing to select: its plan is empty.
bool takes_profile(const RunConfig& config, const ModelShape& shape) {
  return config.select.plan.empty() && config.select.policy != "all" && shape.experts > 0;
}

/// The most parameters that are trained at a time, before the plan is known: in the warm-up, or with as many experts as it can name.
int64_t most_trainable(const RunConfig& config, const ModelShape& shape) {
  Plan plan = all_experts(shape);
  if (!config.select.plan.empty()) {
    plan = read_plan(config.select.plan);
  } else if (takes_profile(config, shape) && config.select.policy != "coverage" && config.select.policy != "global-hot") {
    plan = first_experts(shape, resolve_k(config.select.k, auto_k(shape), shape.experts));
  }
  const int64_t planned = count_trainable(shape, config.adapter, plan);
  if (!takes_profile(config, shape) || config.select.mode == "base") return planned;
  AdapterConfig warm = config.adapter;
  warm.method = "lora";
  warm.targets = {"auto"};
  return std::max(planned, count_trainable(shape, warm, all_experts(shape)));
}

/// Resolves train.micro_batch_tokens: 2,048 tokens or data.max_length, halved until the forecast fits (never below max_length).
/// StateError when even that does not fit, or a given number does not.
void settle_memory(RunConfig* config, const ModelShape& shape) {
  const int64_t there = machine_bytes(), trainable = most_trainable(*config, shape);
  const auto total = [&](int64_t tokens) {
    return forecast_training(shape, training_needs(*config, shape, trainable, tokens, shape.layers)).total();
  };
  const auto fits = [&](int64_t tokens) { return there <= 0 || total(tokens) <= there / 100 * 95; };
  int64_t tokens = micro_batch_tokens(*config);
  int64_t smaller = tokens;
  while (!fits(smaller) && smaller / 2 >= config->data.max_length) smaller /= 2;
  if (!config->train.micro_batch_tokens) tokens = smaller;
  if (!fits(tokens)) {
    throw StateError("the run needs about " + human_bytes(static_cast<double>(total(tokens))) + ", the machine has " +
                     human_bytes(static_cast<double>(there)) + "; " +
                     (fits(smaller) ? "train.micro_batch_tokens=" + std::to_string(smaller) + " fits"
                                    : "compute.saved=bf16, train.gradient_checkpointing=true, compute.weights=bf16, a smaller "
                                      "data.max_length, adapter.rank or select.k, or "
                                      "select.mode=base needs less"));
  }
  config->train.micro_batch_tokens = tokens;
}

Forecast forecast_run(const RunConfig& config, const ModelShape& shape, const AdapterSet& adapters) {
  return forecast_training(shape, training_needs(config, shape, adapters.flat_param().numel(), micro_batch_tokens(config),
                                                 adapted_layers(adapters, shape.layers)));
}

Json summary_json(const RunConfig& config, const TrainOutcome& outcome, const Plan& plan) {
  const Ratios ratios = count_ratios(outcome.base, outcome.trainable, outcome.trainable_all_experts);
  double coverage = 0;
  for (const LayerPlan& layer : plan.layers) coverage += layer.coverage / static_cast<double>(plan.layers.size());
  Json json;
  json["eval"] = outcome.evaluated ? Json{{"loss_before", outcome.loss_before}, {"loss_after", outcome.loss_after}} : Json::object();
  json["base"] = outcome.base;
  json["trainable"] = outcome.trainable;
  json["trainable_all_experts"] = outcome.trainable_all_experts;
  json["ratio_raw"] = ratios.raw;
  json["ratio_of_percentages"] = ratios.of_percentages;
  json["coverage_mean"] = coverage;
  json["coverage_start"] = outcome.result.audit["hot_set_drift"]["coverage_start"];
  json["coverage_end"] = outcome.result.audit["hot_set_drift"]["coverage_end"];
  json["steps"] = outcome.result.steps;
  json["tokens"] = outcome.result.tokens;
  json["tokens_per_second"] = outcome.result.tokens_per_second();
  json["audit"] = outcome.result.audit_passed ? "passed" : "failed";
  json["peak_rss_bytes"] = peak_resident_bytes();
  json["forecast_rss_bytes"] = outcome.forecast.total();
  json["adapter"] = outcome.adapter.string();
  json["seed"] = config.seed;
  return json;
}

void write_result(const RunConfig& config, Workspace& space, const AdapterSet& adapters, const Dataset& train, const Plan& plan,
                  const Json& identity, TrainOutcome& outcome) {
  outcome.makes_adapter = adapters.method().makes_adapter;
  if (!outcome.makes_adapter) {
    outcome.adapter = Path(config.output) / "model";
    write_full_model(*space.checkpoint, space.decoder->shape(), adapters, outcome.adapter);
    return;
  }
  // A template that is a file goes along: the adapter must not depend on a path.
  const bool from_file = config.data.chat_template != "auto" && fs::exists(config.data.chat_template);
  AdapterOrigin origin{plan,
                       model_hash(*space.decoder),
                       real_path(config.model).string(),
                       train.format,
                       config.data.train_on,
                       from_file ? kAdapterTemplate : config.data.chat_template,
                       Json{{"seed", config.seed}, {"steps", outcome.result.steps}, {"data_hash", identity["data"]}}};
  outcome.adapter = Path(config.output) / "adapter";
  write_adapter(outcome.adapter, adapters, origin, space.decoder->shape());
  if (from_file) write_text_atomic(outcome.adapter / kAdapterTemplate, read_text(config.data.chat_template));
}

void check_exports(const std::vector<std::string>& names) {
  std::vector<std::string> known = {"merged"};
  for (const ExportFormat& format : export_formats()) known.emplace_back(format.name);
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw ConfigError("export: unknown format \"" + name + "\"; expected some of " + join(known, ", "));
  }
}

/// What would otherwise be refused only after the profile.
void check_settings(const RunConfig& config, const ModelShape& shape, const Plan& plan, bool profiles) {
  find_method(config.adapter.method);
  find_sites(shape, config.adapter, plan, config.given.contains("adapter.rank"));
  if (profiles) resolve_k(config.select.k, auto_k(shape), shape.experts);
  if (shape.experts == 0 && config.train.router_aux_loss > 0)
    throw ConfigError("train.router_aux_loss: a dense " + shape.arch + " model has no router to balance");
}

}  // namespace

Plan make_plan(const RunConfig& config, const Decoder& decoder, const Profile* profile) {
  if (!config.select.plan.empty()) {
    Plan plan = read_plan(config.select.plan);
    const std::string hash = plan.model_hash.empty() ? "" : model_hash(decoder);
    if (hash != plan.model_hash) {
      throw StateError(config.select.plan + ": the plan was made for another model (hash " + plan.model_hash + ", this one is " + hash +
                       ")");
    }
    return plan;
  }
  if (profile == nullptr && !takes_profile(config, decoder.shape())) return all_experts(decoder.shape());
  HELLORA_CHECK(profile != nullptr, "this policy needs a profile");
  return select_experts(*profile, config.select, auto_k(decoder.shape()), static_cast<uint64_t>(config.seed));
}

Profile take_profile(const RunConfig& config, Workspace& space, const Dataset& train, bool quiet) {
  Dataset part = train;
  const auto wanted = static_cast<size_t>(std::ceil(config.select.fraction * static_cast<double>(train.examples.size())));
  part.examples.resize(std::max<size_t>(1, std::min(wanted, part.examples.size())));
  const ModelShape& shape = space.decoder->shape();
  if (shape.experts == 0) throw ConfigError(config.model + ": a dense " + shape.arch + " model has no experts to profile");
  RouteCounter counter(routed_layers(shape), shape.experts, config.select.tokens == "label");
  const auto enough = [&] { return config.select.max_tokens > 0 && counter.tokens >= config.select.max_tokens; };
  if (config.select.mode == "base") {
    Observer* observers[] = {&counter};
    evaluate_dataset(*space.decoder, part, packing_rule(config), observers, [&](const PackedBatch& batch) {
      if (enough()) return false;
      counter.begin(batch, part);
      return true;
    });
  } else {
    // Stage 1 of the paper: a short LoRA run over all experts; its adapters are thrown away with this scope.
    AdapterConfig warm = config.adapter;
    warm.method = "lora";
    warm.targets = {"auto"};
    AdapterSet adapters(find_sites(shape, warm, all_experts(shape)), warm, static_cast<uint64_t>(config.seed), base_reader(space));
    space.decoder->bind(&adapters);
    TrainJob job;
    job.decoder = space.decoder.get();
    job.adapters = &adapters;
    job.data = &part;
    job.config = config.train;
    job.config.epochs = 1;
    job.config.max_steps = 0;
    job.config.eval_steps = job.config.save_steps = 0;
    job.packing = packing_rule(config);
    job.seed = static_cast<uint64_t>(config.seed);
    job.phase = kWarmupPhase;
    job.observers = {&counter};
    job.before_batch = [&](const PackedBatch& batch) { counter.begin(batch, part); };
    job.progress = progress_printer("profile", quiet);
    const auto unbind = [&](Decoder* decoder) { decoder->bind(nullptr); };
    const std::unique_ptr<Decoder, decltype(unbind)> restore(space.decoder.get(), unbind);
    hellora::train(job);
  }
  Profile profile;
  profile.model_type = shape.arch;
  profile.model_hash = model_hash(*space.decoder);
  profile.mode = config.select.mode;
  profile.tokens_counted = config.select.tokens;
  profile.data = config.data.train;
  profile.data_hash = hex64(train.hash);
  profile.tokens = counter.tokens;
  profile.experts = shape.experts;
  profile.top_k = shape.router.top_k;
  profile.layers = std::move(counter.layers);
  if (profile.tokens < kFewTokens) {
    log_warn("the profile holds " + with_commas(profile.tokens) + " tokens; below " + with_commas(kFewTokens) +
             " the ranking of experts is noisy");
  }
  return profile;
}

void load_run_config(RunConfig* config, const Path& file, const std::vector<std::string>& overrides, const Path& resume,
                     const Common& common) {
  Path source = file;
  if (file.empty() && !resume.empty()) {
    for (const Path& folder : {resume, resume.parent_path()}) {
      if (source.empty() && fs::exists(folder / "config.yaml")) source = folder / "config.yaml";
    }
  }
  load_config(config, source, overrides);
  if (file.empty() && !source.empty()) {  // a run's config.yaml names every key; the user gave only the overrides
    RunConfig given;
    load_config(&given, {}, overrides);
    config->given = given.given;
  }
  apply_common(config, common);
  require_key(*config, "model", !config->model.empty());
  require_key(*config, "data.train", !config->data.train.empty());
  if (!resume.empty() && config->output.empty()) config->output = resume.string();
}

Prepared prepare_training(RunConfig* config, const Path& resume, bool overwrite, bool quiet) {
  Prepared out;
  if (!resume.empty()) out.resume = find_resumed(resume);
  check_exports(config->exports);
  const Path folder = config->output;
  const bool continues = lies_in(resume, folder);
  check_output(folder, overwrite, continues);
  out.space = open_model(config->model, config->compute.weights, true, resolve_compute(&config->compute));
  const ModelShape& shape = out.space.decoder->shape();
  settle_memory(config, shape);
  out.train = load_rows(config->data.train, config->data, out.space, config->model);
  log_info("training data: " + describe(out.train));
  if (!config->data.eval.empty()) {
    out.eval = load_rows(config->data.eval, config->data, out.space, config->model);
    log_info("evaluation data: " + describe(*out.eval));
  }
  const bool has_plan = continues && fs::exists(folder / "plan.json"), keeps_plan = has_plan && config->select.plan.empty();
  const bool profiles = !keeps_plan && takes_profile(*config, shape);
  if (!profiles) out.plan = keeps_plan ? read_plan(folder / "plan.json") : make_plan(*config, *out.space.decoder, nullptr);
  check_settings(*config, shape, profiles ? all_experts(shape) : out.plan, profiles);
  // Nothing is written, and nothing of an older run removed, before the input is known to be good.
  make_output(folder, overwrite, continues);
  if (out.resume.empty()) write_text_atomic(folder / "config.yaml", config_yaml(config));
  if (profiles) {
    out.profile = take_profile(*config, out.space, out.train, quiet);
    write_profile(folder / "profile.json", *out.profile);
    out.plan = make_plan(*config, *out.space.decoder, &*out.profile);
  }
  if (!has_plan) write_plan(folder / "plan.json", out.plan);
  return out;
}

TrainOutcome run_training(RunConfig* config, Prepared& prepared, bool quiet) {
  Workspace& space = prepared.space;
  Decoder& decoder = *space.decoder;
  const Dataset& train = prepared.train;
  const Dataset* eval = prepared.eval ? &*prepared.eval : nullptr;
  const Plan& plan = prepared.plan;
  AdapterSet adapters(find_sites(decoder.shape(), config->adapter, plan, config->given.contains("adapter.rank")), config->adapter,
                      static_cast<uint64_t>(config->seed), base_reader(space));
  TrainOutcome outcome;
  outcome.base = count_base(decoder.shape());
  outcome.trainable = adapters.trainable();
  outcome.trainable_all_experts = count_trainable(decoder.shape(), config->adapter, all_experts(decoder.shape()));
  outcome.forecast = forecast_run(*config, decoder.shape(), adapters);
  log_info("trainable " + with_commas(outcome.trainable) + " of " + with_commas(outcome.base) + "; forecast peak memory " +
           human_bytes(static_cast<double>(outcome.forecast.total())));
  const Json identity = run_identity(*config, decoder, train, plan);
  const PackingRule rule = packing_rule(*config);
  const auto evaluate = [&](const Decoder& d) { return evaluate_dataset(d, *eval, rule); };
  const auto per_token = [](const LossSum& loss) { return loss.sum / static_cast<double>(loss.count); };
  outcome.evaluated = eval != nullptr;
  // Adapters are not bound yet: this is the base.
  HotDrift drift(decoder.shape(), plan, eval != nullptr ? *eval : train, eval != nullptr);
  const LossSum before = drift.measure(decoder, rule, HotDrift::start);
  if (eval != nullptr) outcome.loss_before = per_token(before);

  decoder.bind(&adapters);
  const auto unbind = [](Decoder* d) { d->bind(nullptr); };
  const std::unique_ptr<Decoder, decltype(unbind)> restore(&decoder, unbind);
  TrainJob job;
  job.decoder = &decoder;
  job.adapters = &adapters;
  job.data = &train;
  job.config = config->train;
  job.packing = rule;
  job.seed = static_cast<uint64_t>(config->seed);
  job.phase = kTrainPhase;
  if (eval != nullptr) job.evaluate = evaluate;
  job.progress = progress_printer("train", quiet);
  job.run_dir = config->output;
  job.resume = prepared.resume;
  job.identity = identity;
  job.audit = true;
  outcome.result = hellora::train(job);

  const LossSum after = drift.measure(decoder, rule, HotDrift::end);
  if (eval != nullptr) outcome.loss_after = per_token(after);
  outcome.result.audit["hot_set_drift"] = drift.report();
  write_result(*config, space, adapters, train, plan, identity, outcome);
  write_text_atomic(Path(config->output) / "audit.json", outcome.result.audit.dump(1) + "\n");
  // A resumed run may have other paths, threads and evaluation settings than at its start.
  write_text_atomic(Path(config->output) / "config.yaml", config_yaml(config));
  outcome.summary = summary_json(*config, outcome, plan);
  write_text_atomic(Path(config->output) / "summary.json", outcome.summary.dump(1) + "\n");
  if (!outcome.result.audit_passed) {
    throw CheckFailed("audit failed: " + outcome.result.audit["failures"][0].get<std::string>() + " (" +
                      std::to_string(outcome.result.audit["failures"].size()) + " in all; see " +
                      (Path(config->output) / "audit.json").string() + ")");
  }
  return outcome;
}

}  // namespace hellora
