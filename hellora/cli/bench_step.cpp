// Whole training steps on synthetic weights.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <numeric>

#include "hellora/cli/bench.h"
#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/rng.h"
#include "hellora/core/text.h"
#include "hellora/kernels/probe.h"
#include "hellora/model/count.h"
#include "hellora/model/synthetic.h"
#include "hellora/recipe/table.h"
#include "hellora/recipe/workspace.h"
#include "hellora/select/policy.h"
#include "hellora/train/expert_load.h"
#include "hellora/train/memory.h"

namespace hellora {
namespace {

/// Rows of random ids; the first (1 - supervised) of each carry no label.
Dataset random_rows(int64_t rows, int64_t length, int64_t vocab, double supervised, uint64_t seed) {
  Dataset data;
  data.format = "text";
  for (int64_t r = 0; r < rows; ++r) {
    std::vector<int64_t> ids;
    for (int64_t i = 0; i < length; ++i) {
      const auto bits = philox(make_key(seed, hash_text("bench"), r), {static_cast<uint32_t>(i), 0, 0, 0});
      ids.push_back(static_cast<int64_t>(bits[0] % static_cast<uint64_t>(vocab)));
    }
    std::vector<int64_t> targets(ids.begin() + 1, ids.end());
    targets.push_back(kIgnore);
    const auto prompt = static_cast<size_t>((1 - supervised) * static_cast<double>(length));
    std::fill(targets.begin(), targets.begin() + static_cast<std::ptrdiff_t>(std::min(prompt, targets.size() - 2)), kIgnore);
    data.add(ids, targets, r);
  }
  return data;
}

struct Totals {
  double step = 0, forward = 0, backward = 0, optimizer = 0, probe = 0, reading = 0;
  int64_t tokens = 0, probes = 0;
  double hot_share = 0, adapted_share = 0, load = 0;
};

/// The counters of the experts' load that every training has, with the time that they take.
class TimedLoad : public ExpertLoad {
 public:
  using ExpertLoad::ExpertLoad;
  void on_route(int64_t layer, const Routing& routing) override {
    const auto begin = std::chrono::steady_clock::now();
    ExpertLoad::on_route(layer, routing);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  double seconds = 0;
};

/// Share of the routed slots that the first experts take, over all layers and passes.
class ShareCounter : public Observer {
 public:
  explicit ShareCounter(int64_t first) : first_(first) {}
  void on_route(int64_t, const Routing& routing) override {
    all_ += routing.ids_TK.numel();
    inside_ += (routing.ids_TK < first_).sum().item<int64_t>();
  }
  bool watches_all_rows() const override { return false; }
  double share() const { return all_ > 0 ? static_cast<double>(inside_) / static_cast<double>(all_) : 0; }

 private:
  int64_t first_, all_ = 0, inside_ = 0;
};

/// Shares by expert: recorded counts, largest first, so that the first experts are the hot ones; or a share for the busy ones.
SyntheticRouting routing_of(const StepOptions& o, const ModelShape& shape) {
  SyntheticRouting out;
  if (!o.routing.empty()) {
    const Json json = parse_json(read_text(o.routing), o.routing);
    for (const Json& layer : member(json, "layers", o.routing)) {
      std::vector<double> share_E;
      for (const Json& count : member(layer, "counts", o.routing)) {
        if (!count.is_number() || count.get<double>() < 0) throw FormatError(o.routing + ": counts must be numbers that are not negative");
        share_E.push_back(count.get<double>());
      }
      const double sum = std::accumulate(share_E.begin(), share_E.end(), 0.0);
      if (static_cast<int64_t>(share_E.size()) != shape.experts || sum <= 0) {
        throw ConfigError("bench: " + o.routing + " counts " + std::to_string(share_E.size()) + " experts, " + o.arch + " has " +
                          std::to_string(shape.experts));
      }
      std::sort(share_E.rbegin(), share_E.rend());
      for (double& share : share_E) share /= sum;
      out.shares.push_back(std::move(share_E));
    }
    return out;
  }
  const int64_t busy = o.busy_experts();
  if (o.hot_share <= 0 || busy <= 0 || busy >= shape.experts) return out;
  std::vector<double> share_E(static_cast<size_t>(shape.experts), (1 - o.hot_share) / static_cast<double>(shape.experts - busy));
  std::fill_n(share_E.begin(), busy, o.hot_share / static_cast<double>(busy));
  out.shares.push_back(std::move(share_E));
  return out;
}

/// Weights of the right sizes for methods that start from them: what the model is made of does not matter for time.
BaseWeight any_weights(const std::vector<Site>& sites) {
  std::map<std::string, std::vector<int64_t>> sizes;
  for (const Site& site : sites) {
    for (size_t m = 0; m < site.members.size(); ++m) {
      for (const char* what : {"", ".grad"}) sizes[site.parameter(m) + what] = {site.out, site.in};
    }
  }
  return [sizes = std::move(sizes)](const std::string& name) {
    const Tensor angles = at::arange(sizes.at(name)[0] * sizes.at(name)[1], at::TensorOptions(at::kFloat)) * 0.7F;
    return (angles.sin() * 0.02F).view(sizes.at(name));
  };
}

Totals time_steps(const StepOptions& o, Decoder& decoder, const AdapterConfig& config, kernels::Math math, uint64_t seed) {
  const ModelShape& shape = decoder.shape();
  const std::vector<Site> sites = find_sites(shape, config, first_experts(shape, o.hot));
  AdapterSet adapters(sites, config, seed, any_weights(sites));
  decoder.bind(&adapters);
  const int64_t length = std::min(o.length, o.tokens), rows = std::max<int64_t>(1, o.tokens / length);
  const Dataset data = random_rows(rows * (o.steps + 1), length, shape.vocab, o.supervised, seed);
  ShareCounter share(o.busy_experts()), adapted(o.hot);
  TimedLoad load(shape, first_experts(shape, o.hot));
  TrainJob job;
  job.decoder = &decoder;
  job.adapters = &adapters;
  job.data = &data;
  if (adapters.method().needs_forget) job.forget = &data;
  job.config.max_steps = o.steps + 1;
  job.config.gradient_checkpointing = o.checkpointing;
  job.packing = {rows * length, true, length};
  job.seed = seed;
  job.observers = {&share, &adapted, &load};
  Totals total;
  job.before_batch = [&](const PackedBatch&) {
    total.probe += kernels::probe_arithmetic(math);
    total.reading += kernels::probe_reading(decoder.weights().arena.first_block());
    ++total.probes;
  };
  job.progress = [&](const StepReport& r) {
    if (r.step == 1) {  // pages in
      load.seconds = 0;
      return;
    }
    total.step += r.seconds;
    total.forward += r.forward_seconds;
    total.backward += r.backward_seconds;
    total.optimizer += r.optimizer_seconds;
    total.tokens += rows * length;
  };
  train(job);
  decoder.bind(nullptr);
  total.hot_share = share.share();
  total.adapted_share = adapted.share();
  total.load = load.seconds;
  return total;
}

/// Floating-point operations of a step per token: base forward and input gradient, attention scores, adapters three times.
double step_flops(const StepOptions& o, const ModelShape& s, const AdapterConfig& config, double coverage) {
  const double scores = 3.5 * 2.0 * static_cast<double>(s.layers * std::min(o.length, o.tokens) * s.q_width());
  return 2 * base_flops(s) + scores + (o.hot > 0 ? 3 * adapter_flops(s, config, coverage) : 0);
}

AdapterConfig adapter_of(const StepOptions& o, const ModelShape& shape) {
  AdapterConfig adapter;
  adapter.method = o.method;
  adapter.rank = o.rank;
  adapter.dropout = o.dropout;
  adapter.targets = resolve_targets(shape, adapter);
  if (o.hot == 0) std::erase_if(adapter.targets, [](const std::string& t) { return t == "gate" || t == "up" || t == "down"; });
  return adapter;
}

/// StateError when the machine has less.
Forecast forecast_step(const StepOptions& o, const ComputeConfig& config, const ModelShape& shape, const AdapterConfig& adapter) {
  TrainingNeeds needs;
  needs.weights = weight_bytes(shape, o.weights == "bf16" ? 2 : 4);
  const AdapterElements elements = count_elements(shape, adapter, first_experts(shape, o.hot));
  needs.trainable = elements.trained;
  needs.frozen = elements.frozen;
  needs.tokens = o.tokens;
  needs.adapted_layers = shape.layers;
  needs.saved_bytes = config.saved == "bf16" ? 2 : 4;
  needs.operand_bytes = config.matmul == "bf16" ? 2 : 4;
  needs.composed_share =
      find_method(o.method).composed ? std::max(o.hot_share, static_cast<double>(o.hot) / static_cast<double>(shape.experts)) : 0;
  needs.step_bytes = find_method(o.method).step_bytes;
  needs.dropout = o.dropout > 0;
  needs.recompute = o.checkpointing;
  const Forecast forecast = forecast_training(shape, needs);
  if (forecast.total() > machine_bytes()) {
    throw StateError("bench: the weights need " + human_bytes(static_cast<double>(forecast.weights)) + ", the step " +
                     human_bytes(static_cast<double>(forecast.total() - forecast.weights)) + ", " + machine_text() +
                     "; fewer --layers or --tokens need less");
  }
  return forecast;
}

void print_step(const Json& r) {
  const Json& seconds = r["seconds"];
  const auto number = [](const Json& value, int digits) { return fixed(value.get<double>(), digits); };
  const auto bytes = [](const Json& value) { return human_bytes(value.get<double>()); };
  std::cout << format_table({{"tokens per second", number(r["tokens_per_second"], 1)},
                             {"  share of the arithmetic limit", percent(r["fraction_of_limit"].get<double>())},
                             {"seconds per step", number(seconds["step"], 3)},
                             {"  forward", number(seconds["forward"], 3)},
                             {"  backward", number(seconds["backward"], 3)},
                             {"  optimizer", number(seconds["optimizer"], 3)},
                             {"  counting the experts' load", number(seconds["expert_load"], 6)},
                             {"reading all weights twice, alone", number(r["weights_reading_seconds"], 3)},
                             {"slots of busy experts", percent(r["hot_share"].get<double>())},
                             {"memory forecast / peak", bytes(r["forecast_rss_bytes"]) + " / " + bytes(r["peak_rss_bytes"])}});
}

}  // namespace

void StepOptions::declare(CLI::App& app) {
  app.add_option("--arch", arch, "a published model: see `hellora archs`");
  app.add_option("--layers", layers, "only so many layers; 0: all")->check(CLI::Range(0, 4096));
  app.add_option("--tokens", tokens, "tokens of a step")->check(CLI::Range(1, 1 << 22));
  app.add_option("--seq-len", length, "tokens of a document")->check(CLI::Range(4, 1 << 20));
  app.add_option("--hot", hot, "adapted experts per layer; 0: attention and router only")->check(CLI::Range(0, 65536));
  app.add_option("--busy", busy, "experts that --hot-share is about; 0: the adapted ones")->check(CLI::Range(0, 65536));
  app.add_option("--hot-share", hot_share, "share of the routed slots that these experts take; 0: whatever comes")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--routing", routing, "a file with counts per layer and expert (profile.json, data/routing) to take the shares from")
      ->check(CLI::ExistingFile);
  app.add_option("--method", method, "see `hellora methods`");
  app.add_option("--rank", rank, "rank")->check(CLI::Range(1, 65536));
  app.add_option("--dropout", dropout, "dropout of adapter inputs")->check(CLI::Range(0.0, 0.99));
  app.add_option("--supervised", supervised, "share of each document that carries labels")->check(CLI::Range(0.01, 1.0));
  app.add_option("--weights", weights, "how frozen weights are kept")->check(CLI::IsMember({"bf16", "fp32"}));
  app.add_option("--matmul", matmul, "auto, fp32 or bf16")->check(CLI::IsMember({"auto", "fp32", "bf16"}));
  app.add_option("--saved", saved, "auto, fp32 or bf16")->check(CLI::IsMember({"auto", "fp32", "bf16"}));
  app.add_flag("--gradient-checkpointing", checkpointing, "compute layers again in the backward pass");
  app.add_option("--steps", steps, "timed steps, after one that is not")->check(CLI::Range(1, 100000));
}

int bench_step(const StepOptions& o, uint64_t seed, bool json) {
  ModelShape shape = find_preset(o.arch);
  if (o.layers > 0) shape.layers = o.layers;
  if (std::max(o.hot, o.busy) > shape.experts)
    throw ConfigError("bench: --hot " + std::to_string(o.hot) + ", --busy " + std::to_string(o.busy) + " but the model has " +
                      std::to_string(shape.experts) + " experts");
  ComputeConfig config;
  config.weights = o.weights;
  config.matmul = o.matmul;
  config.saved = o.saved;
  const Compute compute = resolve_compute(&config);
  const AdapterConfig adapter = adapter_of(o, shape);
  const Forecast forecast = forecast_step(o, config, shape, adapter);
  const WeightDtypes dtypes{o.weights == "bf16" ? at::kBFloat16 : at::kFloat, at::kFloat};
  Decoder decoder(shape, synthetic_weights(shape, dtypes, routing_of(o, shape), seed), at::kFloat, compute);
  const Totals t = time_steps(o, decoder, adapter, compute.math, seed);
  const auto per_step = [&](double seconds) { return seconds / static_cast<double>(o.steps); };
  const double rate = static_cast<double>(t.tokens) / t.step, probe = t.probe / static_cast<double>(t.probes);
  // Both passes read every weight of the layers once: what memory alone would take, beside the arithmetic.
  const double reading = t.reading / static_cast<double>(t.probes), weights_seconds = 2 * static_cast<double>(forecast.weights) / reading;
  const double limit = probe / step_flops(o, shape, adapter, t.adapted_share);
  const Json result{{"arch", o.arch},
                    {"layers", shape.layers},
                    {"tokens", o.tokens},
                    {"seq_len", o.length},
                    {"hot", o.hot},
                    {"busy", o.busy_experts()},
                    {"hot_share", t.hot_share},
                    {"adapted_share", t.adapted_share},
                    {"rank", o.rank},
                    {"matmul", config.matmul},
                    {"saved", config.saved},
                    {"kernel", std::string(kernels::active_row().name)},
                    {"threads", at::get_num_threads()},
                    {"tokens_per_second", rate},
                    {"seconds",
                     {{"step", per_step(t.step)},
                      {"forward", per_step(t.forward)},
                      {"backward", per_step(t.backward)},
                      {"optimizer", per_step(t.optimizer)},
                      {"expert_load", per_step(t.load)}}},
                    {"probe", {{"gflops", probe * 1e-9}, {"reading_gb_per_second", reading * 1e-9}}},
                    {"weights_reading_seconds", weights_seconds},
                    {"gradient_checkpointing", o.checkpointing},
                    {"fraction_of_limit", rate / limit},
                    {"peak_rss_bytes", peak_resident_bytes()},
                    {"forecast_rss_bytes", forecast.total()}};
  if (json) {
    std::cout << dump_json(result) << "\n";
    return 0;
  }
  print_step(result);
  return 0;
}

}  // namespace hellora
