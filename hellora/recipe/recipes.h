// Recipes: defaults that belong together, by name.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace hellora {

struct RecipeSetting {
  std::string_view key, value;
};

struct Recipe {
  std::string_view name;
  std::vector<RecipeSetting> settings;
};

std::span<const Recipe> recipes();

}  // namespace hellora
