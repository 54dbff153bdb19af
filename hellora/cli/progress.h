// The progress line on a terminal, plain lines otherwise; all of it on stderr.
#pragma once

#include <functional>
#include <string>

#include "hellora/train/trainer.h"

namespace hellora {

/// Prints steps under a title ("train", "warm-up"). On a terminal one line is rewritten; otherwise about twenty lines appear.
std::function<void(const StepReport&)> progress_printer(const std::string& title, bool quiet);

}  // namespace hellora
