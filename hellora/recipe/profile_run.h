// The profile of a run, by the base model or during a short warm-up, and the plan that comes of it.
#pragma once

#include "hellora/recipe/workspace.h"
#include "hellora/select/profile.h"

namespace hellora {

/// Whether the configuration's plan comes from a profile. A dense model has nothing to select: its plan is empty.
bool takes_profile(const RunConfig& config, const ModelShape& shape);

/// A routing profile as the `select` section asks for. Throws Interrupted, with the command that begins it again, after Ctrl-C.
Profile take_profile(const RunConfig& config, Workspace& space, const Dataset& train, const std::string& resume_command = "");

/// The plan as the `select` section asks for; `profile` may be null for policy all.
Plan make_plan(const RunConfig& config, const Decoder& decoder, const Profile* profile);

/// Frozen weights by name, for adapters that start from them.
BaseWeight base_reader(const Workspace& space);

}  // namespace hellora
