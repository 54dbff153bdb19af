// The audit against seeded faults: each must fail, and a healthy run must pass.
#include "hellora/train/audit.h"

#include <cmath>

#include "hellora/select/profile.h"
#include "tests/support/step.h"
#include "tests/unit/train/tiny.h"

namespace hellora::testing {
namespace {

using std::string;

const std::vector<string> kAllTargets = {"q", "k", "v", "o", "router", "gate", "up", "down", "embed", "lm_head"};

std::vector<string> failures_of(const TrainResult& result) { return result.audit["failures"].get<std::vector<string>>(); }

TEST(AuditRun, PassesWhenEverythingLearned) {
  TinyRun run(tiny_config(kAllTargets));
  const TrainResult result = run.go();
  EXPECT_TRUE(result.audit_passed) << result.audit["failures"].dump();
  EXPECT_EQ(result.audit["verdict"], "passed");
  EXPECT_TRUE(result.audit["warnings"].empty()) << result.audit["warnings"].dump();
  EXPECT_TRUE(result.audit["frozen_unchanged"].get<bool>());
  size_t members = 0;
  for (const Site& site : run.adapters->sites()) members += site.members.size();
  ASSERT_EQ(result.audit["sites"].size(), members);
  for (const Json& site : result.audit["sites"]) {
    EXPECT_GT(site["grad_norm"].get<double>(), 0) << site.dump();
    EXPECT_GT(site["changed"].get<int64_t>(), 0) << site.dump();
    EXPECT_GT(site["delta_norm"].get<double>(), 0) << site.dump();
  }
}

TEST(AuditRun, CountsTheRowsOfEveryExpert) {
  TinyRun run;
  RouteCounter all(routed_layers(tiny_shape()), 6, false);
  run.job.observers = {&all};
  run.job.before_batch = [&](const PackedBatch& batch) { all.begin(batch, run.data); };
  const TrainResult result = run.go();
  size_t seen = 0;
  for (const Json& site : result.audit["sites"]) {
    if (site["expert"].get<int64_t>() < 0) continue;
    const LayerProfile& layer = all.layers[site["layer"].get<size_t>()];
    EXPECT_EQ(site["rows"].get<int64_t>(), layer.counts[site["expert"].get<size_t>()]) << site.dump();
    EXPECT_LE(site["rows_reaching_loss"].get<int64_t>(), site["rows"].get<int64_t>());
    ++seen;
  }
  EXPECT_EQ(seen, 3U * (2 + 3));  // gate, up and down of the plan's experts
}

TEST(AuditFault, AFrozenBOfOneExpertIsFound) {
  TinyRun run;
  const string name = "model.layers.1.mlp.experts.2.up_proj";
  for (size_t p = 0; p < run.adapters->specs().size(); ++p) {
    if (run.adapters->specs()[p].name != name + ".lora_B.weight") continue;
    run.adapters->param(p).register_hook([](const Tensor& gradient) { return at::zeros_like(gradient); });
  }
  const TrainResult result = run.go();
  EXPECT_FALSE(result.audit_passed);
  ASSERT_EQ(failures_of(result).size(), 2U) << result.audit["failures"].dump();
  EXPECT_CONTAINS(failures_of(result)[0], name);
  EXPECT_CONTAINS(failures_of(result)[0], "the gradient was exactly 0");
  EXPECT_CONTAINS(failures_of(result)[1], name + ": received gradient but did not change");
}

/// The adapters of one projection of layer 0 are computed and add nothing.
void leave_out(TinyRun& run, Slot slot, std::vector<string>* paths) {
  std::vector<Site> sites = find_sites(tiny_shape(), tiny_config(), tiny_plan());
  for (Site& site : sites) {
    if (site.slot != slot || site.layer != 0) continue;
    for (SiteMember& member : site.members) {
      member.alpha = 1e-300;
      paths->push_back(member.path);
    }
  }
  run.adapters = std::make_unique<AdapterSet>(sites, tiny_config(), 5, BaseWeight());
}

TEST(AuditFault, AMissingProjectionIsFound) {
  for (const Slot slot : {Slot::q, Slot::v, Slot::o, Slot::router, Slot::gate, Slot::up, Slot::down}) {
    TinyRun run;
    std::vector<string> paths;
    leave_out(run, slot, &paths);
    const TrainResult result = run.go();
    EXPECT_FALSE(result.audit_passed) << target_of(slot);
    ASSERT_FALSE(paths.empty());
    for (const string& path : paths) {
      EXPECT_CONTAINS(result.audit["failures"].dump(), path);
    }
    for (const string& failure : failures_of(result)) EXPECT_CONTAINS(failure, paths[0].substr(paths[0].rfind('.')));
  }
}

TEST(AuditFault, AdaptersThatNobodyBoundAreFound) {
  TinyRun run;
  run.bind = false;
  const TrainResult result = run.go();
  EXPECT_FALSE(result.audit_passed);
  const string failures = result.audit["failures"].dump();
  EXPECT_CONTAINS(failures, "model.layers.0.self_attn.q_proj");
  EXPECT_CONTAINS(failures, "model.layers.1.mlp.gate");
}

TEST(AuditFault, AChangedFrozenWeightIsFound) {
  for (const int which : {0, 1, 2}) {
    TinyRun run;
    const ModelWeights& weights = run.model.decoder->weights();
    const kernels::Packed& down = weights.layers[1].moe.down[2];
    float* const place = which == 0   ? weights.embed_VD.data_ptr<float>()
                         : which == 1 ? const_cast<float*>(static_cast<const float*>(down.data))
                                      : weights.final_norm_D.data_ptr<float>();
    int64_t batches = 0;
    run.job.before_batch = [&](const PackedBatch&) {
      if (++batches != 3) return;
      place[3] = std::nextafter(place[3], 2.0F);  // one bit
    };
    const TrainResult result = run.go();
    EXPECT_FALSE(result.audit_passed);
    EXPECT_EQ(failures_of(result), std::vector<string>{"a frozen weight changed during training"});
    EXPECT_FALSE(result.audit["frozen_unchanged"].get<bool>());
  }
}

TEST(AuditRun, TooFewRowsAreAWarning) {
  TinyRun few;
  few.data = random_dataset(1, 6, 5);  // two supervised rows
  few.job.config.max_steps = 1;
  const TrainResult result = few.go();
  EXPECT_TRUE(result.audit_passed) << result.audit["failures"].dump();
  EXPECT_CONTAINS(result.audit["warnings"].dump(), "rows reached the loss; too few to judge");
}

TEST(AuditRun, NothingTrainedIsNoSuccess) {
  TinyRun still;
  still.data = random_dataset(1, 6, 5);  // too few rows to judge any member by itself
  still.job.config.max_steps = 1;
  still.job.config.lr = 1e-300;
  const TrainResult unmoved = still.go();
  EXPECT_FALSE(unmoved.audit_passed);
  EXPECT_CONTAINS(unmoved.audit["failures"].dump(), "nothing was trained");
  EXPECT_EQ(unmoved.audit["verdict"], "failed");
}

/// The audit's failures after one step without any gradient, in which `rows` rows all go to expert 1 of layer `layer`.
std::vector<string> without_gradient(int64_t layer, int64_t rows, int64_t supervised, double lr) {
  TinyRun run(tiny_config({"gate"}));
  Audit audit(*run.model.decoder, *run.adapters);
  Reach reach;
  reach.reaches_T.assign(static_cast<size_t>(rows), 1);
  reach.supervised_T.assign(static_cast<size_t>(rows), 0);
  for (int64_t t = 0; t < supervised; ++t) reach.supervised_T[static_cast<size_t>(t)] = 1;
  audit.begin_micro_batch(reach);
  Routing routing;
  routing.ids_TK = at::full({rows, 1}, layer == 0 ? 1 : 2, at::TensorOptions(at::kLong));
  audit.on_route(layer, routing);
  audit.after_backward(lr);
  bool passed = true;
  const Json report = audit.report(&passed);
  EXPECT_EQ(passed, report["failures"].empty());
  return report["failures"].get<std::vector<string>>();
}

TEST(AuditRun, SixteenReachingRowsAreEnoughToJudge) {
  EXPECT_TRUE(without_gradient(0, 15, 15, 1e-3).empty());
  const std::vector<string> failures = without_gradient(0, 16, 0, 1e-3);
  ASSERT_FALSE(failures.empty());
  EXPECT_CONTAINS(failures[0], "model.layers.0.mlp.experts.1.gate_proj: 16 rows reached the loss");
  EXPECT_TRUE(without_gradient(0, 16, 16, 0).empty());     // nothing can move without a learning rate
  EXPECT_TRUE(without_gradient(1, 40, 15, 1e-3).empty());  // in the last layer only supervised rows count
  EXPECT_FALSE(without_gradient(1, 40, 16, 1e-3).empty());
}

/// Whether the rows that a set of adapters changes in its last layer are exactly those routed to `expert`.
bool changes_only_rows_of(TinyModel& model, const AdapterSet& adapters, int64_t expert) {
  RoutingKeeper routing;
  Forward forward;
  forward.observers = {&routing};
  const at::NoGradGuard no_grad;
  const std::vector<std::vector<int64_t>> documents = {random_ids(40, tiny_shape().vocab, 8)};
  const Batch batch = make_batch(documents);
  const Tensor base_TD = model.decoder->hidden(batch, forward);
  model.decoder->bind(&adapters);
  const Tensor adapted_TD = model.decoder->hidden(batch, {});
  model.decoder->bind(nullptr);
  const Tensor routed_T = (routing.layers.back().ids_TK == expert).any(1), changed_T = (adapted_TD != base_TD).any(1);
  return routed_T.any().item<bool>() && at::equal(routed_T, changed_T);
}

/// The audit cannot see an adapter that sits on the wrong expert; this does.
TEST(AdapterBinding, AnAdapterActsOnItsOwnExpertOnly) {
  TinyModel model;
  for (const char* target : {"gate", "up", "down"}) {
    for (int64_t e = 0; e < tiny_shape().experts; ++e) {
      Plan plan;
      plan.layers = {{1, {{e, 0}}, 0}};
      const auto adapters = fresh_adapters(tiny_shape(), plan, tiny_config({target}));
      randomise(*adapters, 9);
      EXPECT_TRUE(changes_only_rows_of(model, *adapters, e)) << target << " " << e;
      EXPECT_FALSE(changes_only_rows_of(model, *adapters, (e + 1) % tiny_shape().experts)) << target << " " << e;  // as if bound wrongly
    }
  }
}

}  // namespace
}  // namespace hellora::testing
