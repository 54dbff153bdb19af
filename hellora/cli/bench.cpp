// Measurements on synthetic weights: no download, true widths, as many layers as asked for. Peak probes run in turn with what
// is measured, since a shared machine changes its speed from second to second.
#include <iostream>

#include "hellora/cli/bench.h"
#include "hellora/cli/commands.h"
#include "hellora/core/json.h"
#include "hellora/core/json_text.h"
#include "hellora/kernels/row.h"
#include "hellora/recipe/table.h"
#include "hellora/recipe/threads.h"
#include "hellora/tensor/torch.h"

namespace hellora {
namespace {

int print_kernels(bool json) {
  Json rows = Json::array();
  std::vector<std::vector<std::string>> table = {{"kernel", "this processor", "summary"}};
  for (const kernels::KernelRow& row : kernels::kernel_rows()) {
    const std::string reason = row.why_not();
    const bool used = &row == &kernels::active_row();
    rows.push_back({{"name", std::string(row.name)}, {"applies", reason.empty()}, {"reason", reason}, {"used", used}});
    table.push_back({std::string(row.name), used ? "in use" : reason.empty() ? "could be used" : reason, std::string(row.summary)});
  }
  if (json) {
    std::cout << dump_json(Json{{"kernels", rows}}) << "\n";
  } else {
    std::cout << format_table(table) << "HELLORA_KERNEL=NAME forces one\n";
  }
  return 0;
}

class Bench : public Command {
 public:
  void declare(CLI::App& app) override {
    app.require_subcommand(1);
    kernels_ = app.add_subcommand("kernels", "the kernels this processor has, and why not the others");
    gemm_ = app.add_subcommand("gemm", "grouped products of 64 experts' rows with cold weights, against the peak of the processor");
    step_ = app.add_subcommand("step", "whole training steps: tokens per second and seconds by phase");
    gemm_options_.declare(*gemm_);
    step_options_.declare(*step_);
    for (CLI::App* sub : {kernels_, gemm_, step_}) sub->add_flag("--json", json_, "one JSON object on standard output");
    for (CLI::App* sub : {gemm_, step_}) sub->add_option("--threads", threads_, "threads; 0: all cores")->check(CLI::Range(0, 4096));
  }

  int run(const Common& common) override {
    const bool json = json_ || common.json;
    if (threads_ > 0) use_threads(threads_);
    if (kernels_->parsed()) return print_kernels(json);
    return gemm_->parsed() ? bench_gemm(gemm_options_, json) : bench_step(step_options_, static_cast<uint64_t>(common.seed), json);
  }

 private:
  CLI::App *kernels_ = nullptr, *gemm_ = nullptr, *step_ = nullptr;
  GemmOptions gemm_options_;
  StepOptions step_options_;
  int64_t threads_ = 0;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_bench() { return std::make_unique<Bench>(); }

}  // namespace hellora
