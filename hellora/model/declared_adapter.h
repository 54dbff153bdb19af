// An adapter folder of a method that PEFT does not know: read back by the method that hellora.json names, through the sites of the
// model and the parameters that the method declares.
#pragma once

#include "hellora/model/adapter_dir.h"

namespace hellora {

/// Keys of the `adapter` section and the method's own, with their values as text: what the parameters were declared from.
Json adapter_settings(const AdapterSet& adapters);

/// The same read back. FormatError names a key that the method does not have, or a value out of its range.
AdapterConfig read_adapter_settings(const Json& settings, const std::string& method, const std::string& where);

/// Hash of what is made from the seed and therefore not in the file; empty where there is nothing.
std::string seeded_hash(const AdapterSet& adapters);

/// The values of adapter_model.safetensors for an adapter of these settings. FormatError: a tensor is missing, not declared, of
/// another shape or no floating point; what the seed makes has another hash than the one that hellora.json recorded. CheckFailed:
/// a value that is not finite.
std::unique_ptr<AdapterSet> read_declared_adapter(const Path& file, const ModelShape& shape, const AdapterConfig& config,
                                                  const AdapterOrigin& origin, at::ScalarType dtype);

}  // namespace hellora
