#include <iostream>

#include "hellora/cli/commands.h"
#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/core/text.h"
#include "hellora/io/paths.h"
#include "hellora/model/arch.h"
#include "hellora/model/count.h"
#include "hellora/model/init.h"

namespace hellora {
namespace {

/// Small enough for a test, with every feature of the family.
void shrink(ModelShape& shape) {
  shape.vocab = std::min<int64_t>(shape.vocab, 2048);
  shape.hidden = 64;
  shape.layers = std::min<int64_t>(shape.layers, 2);
  const int64_t all_heads = shape.heads;
  shape.heads = 4;
  shape.kv_heads = shape.kv_heads == all_heads ? 4 : 2;
  shape.head_dim = 16;
  if (shape.has_latent()) shape.latent = {shape.latent.q_rank > 0 ? 24 : 0, 32, 16, 8, 16};
  shape.max_positions = 512;
  shape.window = std::min<int64_t>(shape.window, 64);
  shape.experts = std::min<int64_t>(shape.experts, 8);
  shape.expert_width = 32;
  if (shape.dense_width > 0) shape.dense_width = 96;
  if (shape.shared_width > 0) shape.shared_width = 64;
  shape.router.top_k = std::min<int64_t>(shape.router.top_k, 2);
}

class Init : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("--arch", arch_, "a published model: see `hellora archs`");
    app.add_option("--config", config_, "a config.json to follow instead");
    app.add_option("--layers", layers_, "only so many layers")->check(CLI::Range(1, 4096));
    app.add_flag("--tiny", tiny_, "shrink every size, for tests");
    app.add_flag("--fp32", fp32_, "write fp32 instead of bf16");
    app.add_option("--deviation", deviation_, "standard deviation of matrices")->check(CLI::Range(0.0, 10.0));
    app.add_option("--out", out_, "model folder to write")->required();
  }

  int run(const Common& common) override {
    if (arch_.empty() == config_.empty()) throw ConfigError("init: give either --arch or --config");
    const Json given = config_.empty() ? Json::object() : parse_json(read_text(config_), config_);
    ModelShape shape = arch_.empty() ? read_shape(given, config_) : find_preset(arch_);
    if (tiny_) shrink(shape);
    if (layers_ > 0) shape.layers = layers_;
    shape = read_shape(find_arch(shape.arch, "init").config(shape), "init");  // what follows from the new sizes
    if (path_exists(Path(out_) / "model.safetensors")) throw ConfigError(out_ + ": holds a model already; choose another folder");
    init_model(shape, out_, static_cast<uint64_t>(common.seed), fp32_, deviation_, given);
    log_info(out_ + ": " + shape.arch + " with " + with_commas(count_base(shape)) + " random parameters");
    if (common.json) std::cout << dump_json({{"out", out_}, {"parameters", count_base(shape)}}) << "\n";
    return 0;
  }

 private:
  std::string arch_, config_, out_;
  int64_t layers_ = 0;
  double deviation_ = 0.02;
  bool tiny_ = false, fp32_ = false;
};

}  // namespace

std::unique_ptr<Command> make_init() { return std::make_unique<Init>(); }

}  // namespace hellora
