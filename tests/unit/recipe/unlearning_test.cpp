// data.forget: only for methods that unlearn, and part of what a resume must agree on.
#include "hellora/recipe/run_config.h"
#include "hellora/recipe/run_identity.h"
#include "tests/support/tiny_model.h"

namespace hellora::testing {
namespace {

std::string refusal(const std::vector<std::string>& arguments) {
  RunConfig config;
  load_config(&config, {}, arguments);
  return error_of<ConfigError>([&] { check_forget(config); });
}

TEST(Unlearning, RowsToForgetBelongToTheMethodsThatReadThem) {
  const TempFolder folder;
  const std::string rows = "data.forget=" + put_file(folder / "rows.jsonl", "{}\n").string();
  EXPECT_CONTAINS(refusal({"adapter.method=gs_lora"}), "data.forget: adapter.method gs_lora unlearns");
  EXPECT_CONTAINS(refusal({"adapter.method=gs_lora++"}), "adapter.method gs_lora_pp");
  EXPECT_CONTAINS(refusal({rows}), "data.forget: adapter.method lora has no use for it; leave it out, or take one of gs_lora, gs_lora_pp");
  for (const char* method : {"adapter.method=gs_lora", "adapter.method=gs_lora++"}) {
    RunConfig config;
    load_config(&config, {}, {method, rows});
    EXPECT_NO_THROW(check_forget(config));
  }
  RunConfig plain;
  EXPECT_NO_THROW(check_forget(plain));
}

TEST(Unlearning, AResumeComparesTheRowsToForget) {
  const TinyModel model;
  RunConfig config;
  Dataset train, forget;
  train.hash = 7;
  forget.hash = 8;
  const Json with = run_identity(&config, *model.decoder, train, &forget, tiny_plan());
  EXPECT_EQ(with["data.forget"], "hash 0000000000000008");
  EXPECT_NE(with["data.train"], with["data.forget"]);
  EXPECT_FALSE(run_identity(&config, *model.decoder, train, nullptr, tiny_plan()).contains("data.forget"));
}

}  // namespace
}  // namespace hellora::testing
