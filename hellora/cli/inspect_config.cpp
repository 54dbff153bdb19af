#include "hellora/cli/inspect_config.h"

#include "hellora/cli/config_table.h"
#include "hellora/core/printable.h"
#include "hellora/recipe/run_config.h"
#include "hellora/recipe/table.h"

namespace hellora {

Description describe_config(const Path& file) {
  RunConfig config, plain;
  load_config(&config, file, {});
  const Fields fields = config_fields(&config), defaults = config_fields(&plain);
  std::vector<std::vector<std::string>> rows = {{"key", "value", "default"}};
  Json changed = Json::object();
  for (size_t i = 0; i < fields.all().size(); ++i) {
    const Field& field = fields.all()[i];
    const std::string value = default_text(field), usual = default_text(defaults.all()[i]);
    if (value == usual) continue;
    rows.push_back({field.key, printable(value), usual.empty() ? "none" : usual});
    changed[field.key] = field.is_list ? Json(field.get()) : Json(field.get().at(0));
  }
  const size_t count = rows.size() - 1, all = fields.all().size();
  return {(count == 0 ? "" : format_table(rows)) + "configuration: " + std::to_string(count) + " of " + std::to_string(all) +
              " keys differ from the defaults\n",
          Json{{"kind", "configuration"}, {"changed", changed}, {"keys", all}}};
}

}  // namespace hellora
