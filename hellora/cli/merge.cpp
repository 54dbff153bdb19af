#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/core/json_text.h"
#include "hellora/recipe/verify.h"

namespace hellora {
namespace {

class Merge : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("--model", model_, "model folder")->required();
    app.add_option("--adapter", adapter_, "adapter folder")->required();
    app.add_option("--out", out_, "model folder to write")->required();
    app.add_option("--dtype", dtype_, "source: as the model stores them; fp32")->check(CLI::IsMember({"source", "fp32"}));
  }

  int run(const Common& common) override {
    refuse_existing(out_);
    const AdaptedModel model = open_adapted(model_, adapter_);
    const MergeReport report = write_merge(model, out_, dtype_ == "fp32");
    if (common.json) std::cout << dump_json(merge_json(report, out_)) << "\n";
    return 0;
  }

 private:
  std::string model_, adapter_, out_, dtype_ = "source";
};

}  // namespace

std::unique_ptr<Command> make_merge() { return std::make_unique<Merge>(); }

}  // namespace hellora
