#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/cli/verify.h"

namespace hellora {
namespace {

class Export : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("--model", model_, "model folder")->required();
    app.add_option("--adapter", adapter_, "adapter folder")->required();
    app.add_option("--format", format_, "peft-full or peft-fused")->required();
    app.add_option("--out", out_, "folder to write")->required();
  }

  int run(const Common& common) override {
    const ExportFormat& format = find_export(format_);
    const AdaptedModel model = open_adapted(model_, adapter_);
    refuse_existing(out_);
    format.write(out_, *model.adapter.adapters, model.adapter.origin, model.shape);
    const ChangeDifference difference = verify_export(model, format, out_);
    if (common.json) std::cout << export_json(difference, format, out_).dump() << "\n";
    return 0;
  }

 private:
  std::string model_, adapter_, format_, out_;
};

}  // namespace

std::unique_ptr<Command> make_export() { return std::make_unique<Export>(); }

}  // namespace hellora
