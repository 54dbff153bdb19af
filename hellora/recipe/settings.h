// The settings of a file and of the command line: names of other tools translated, conflicts refused, then applied in order of
// precedence.
#pragma once

#include <map>

#include "hellora/io/yaml.h"
#include "hellora/recipe/run_config.h"
#include "hellora/recipe/spellings.h"

namespace hellora {

class Settings {
 public:
  explicit Settings(RunConfig* config);
  /// An entry of a YAML file.
  void take(const YamlEntry& entry, const std::string& file);
  /// "key=value". A later argument replaces an earlier one of the same name and everything from the file.
  void take(const std::string& argument);
  /// Sets the configuration: what was taken, then the recipe for what was not, then what depends on other keys.
  void apply();

 private:
  enum class Source : uint8_t { file, argument };
  struct Given {
    std::vector<std::string> values;
    std::string name, where;  // as the user wrote it
    Source source = Source::file;
    const Spelling* row = nullptr;    // of a name that is not ours
    const Spelling* later = nullptr;  // the same, where its rule waits for other keys
  };

  void put(const std::string& name, const Meaning& meaning, std::vector<std::string> values, const std::string& where, Source source);
  void store(const std::string& key, Given given);
  void forget(const std::string& name, const std::string& where);
  std::vector<std::string> checked(const std::string& key, std::vector<std::string> values, const std::string& where);
  static bool joins(const Given& before, const Given& given);
  static bool refines(const Given& one, const Given& other);
  std::string later_value(const Given& given);
  void apply_later(const std::string& key, const Given& given);

  RunConfig* config_;
  RunConfig scratch_;  // parses values without touching the result
  Fields fields_, scratch_fields_;
  std::map<std::string, Given> given_;
};

}  // namespace hellora
