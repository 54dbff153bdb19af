#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/core/json_text.h"
#include "hellora/recipe/verify.h"

namespace hellora {
namespace {

class Export : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("--model", model_, "model folder")->required();
    app.add_option("--adapter", adapter_, "adapter folder")->required();
    app.add_option("--format", format_, "peft-full or peft-fused; see `hellora formats`")->required();
    app.add_option("--out", out_, "folder to write")->required();
    app.add_option("--base-name", base_name_, "what base_model_name_or_path says, such as org/model; default: the model's absolute path");
    app.add_option("--dtype", dtype_, "of the factors: fp32, or bf16 for files half as large")->check(CLI::IsMember({"fp32", "bf16"}));
  }

  int run(const Common& common) override {
    const ExportFormat& format = find_export(format_);
    refuse_existing(out_);
    const AdaptedModel model = open_adapted(model_, adapter_);
    const ExportSettings settings = export_settings(model, base_name_, dtype_ == "bf16" ? at::kBFloat16 : at::kFloat);
    const ChangeDifference difference = write_export(model, format, settings, out_);
    if (common.json) std::cout << dump_json(export_json(difference, format, out_)) << "\n";
    return 0;
  }

 private:
  std::string model_, adapter_, format_, out_, base_name_, dtype_ = "fp32";
};

}  // namespace

std::unique_ptr<Command> make_export() { return std::make_unique<Export>(); }

}  // namespace hellora
