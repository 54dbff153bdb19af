#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/io/staged_folder.h"
#include "hellora/model/gguf/import.h"
#include "hellora/recipe/verify.h"

namespace hellora {
namespace {

class Import : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("file", file_, "a GGUF file, version 2 or 3")->required();
    app.add_option("--out", out_, "model folder to write")->required();
    app.add_option("--dtype", dtype_, "of the weights: bf16, or fp32 for files twice as large")->check(CLI::IsMember({"bf16", "fp32"}));
  }

  int run(const Common& common) override {
    refuse_existing(out_);
    GgufImport made;
    write_staged(out_, false, [&](const Path& folder) { made = import_gguf(file_, folder, dtype_ == "fp32"); });
    log_info(out_ + ": " + made.model_type + " with " + with_commas(made.parameters) + " parameters in " + with_commas(made.tensors) +
             " tensors of " + dtype_);
    if (common.json) {
      std::cout << dump_json({{"out", out_},
                              {"architecture", made.architecture},
                              {"model_type", made.model_type},
                              {"parameters", made.parameters},
                              {"tensors", made.tensors}})
                << "\n";
    }
    return 0;
  }

 private:
  std::string file_, out_, dtype_ = "bf16";
};

}  // namespace

std::unique_ptr<Command> make_import() { return std::make_unique<Import>(); }

}  // namespace hellora
