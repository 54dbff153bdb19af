#include "hellora/io/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <set>
#include <sstream>

#include "hellora/core/error.h"
#include "hellora/core/json.h"
#include "hellora/core/json_text.h"
#include "hellora/core/utf8.h"

namespace hellora {
namespace {

constexpr int kMaxDepth = 16;
constexpr size_t kMaxBytes = 1 << 20;
constexpr int kMaxValues = 100'000;  // an alias may repeat a list: the text's size alone does not bound what it stands for

/// Walks the parsed document once; knows the file for messages and the keys seen so far.
class Flattener {
 public:
  explicit Flattener(std::string file) : file_(std::move(file)) {}

  void map(const YAML::Node& node, const std::string& prefix, int depth) {
    if (depth > kMaxDepth) fail(node, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
    std::set<std::string> names;  // yaml-cpp keeps both of two equal keys
    for (const auto& pair : node) {
      if (!pair.first.IsScalar() || pair.first.Scalar().empty()) fail(pair.first, "a key must be a plain word");
      const std::string& name = pair.first.Scalar();
      const std::string key = prefix + name;
      if (name == "<<" && pair.first.Tag() != "!")
        fail(pair.first, "merge keys (<<) are not read; write the keys out, or give the anchor a key of its own");
      if (!names.insert(name).second) fail(pair.first, "duplicate key " + dump_json(key));
      member(pair.first, pair.second, key, depth);
    }
  }

  std::vector<YamlEntry> take() { return std::move(entries_); }

 private:
  void member(const YAML::Node& name, const YAML::Node& value, const std::string& key, int depth) {
    count(name);
    known_tag(value);
    if (value.IsMap()) return map(value, key + ".", depth + 1);
    if (value.IsSequence() && value.size() > 0 && value[0].IsMap()) return maps(value, key, depth);
    // "a.b" and "b" inside "a" are the same key.
    if (!keys_.insert(key).second) fail(name, "duplicate key " + dump_json(key));
    YamlEntry entry{.key = key, .values = {}, .is_list = value.IsSequence(), .line = line(name), .is_null = value.IsNull()};
    if (!entry.is_list) {
      entry.values.push_back(scalar(value, key));
    } else {
      for (const auto& item : value) {
        if (item.IsNull()) fail(item, "key " + dump_json(key) + ": null in a list; leave the item out");
        entry.values.push_back(scalar(item, key));
      }
    }
    entries_.push_back(std::move(entry));
  }

  /// A list of maps, as other tools write their data sets.
  void maps(const YAML::Node& list, const std::string& key, int depth) {
    size_t place = 0;
    for (const auto& item : list) {
      if (!item.IsMap()) fail(item, "key " + dump_json(key) + ": a list may hold plain values or maps, not both");
      map(item, key + "." + std::to_string(place++) + ".", depth + 1);
    }
  }

  /// Tags that YAML itself knows; those of other programs (!include, !!python/…) stand for something that is not in the text.
  void known_tag(const YAML::Node& node) const {
    constexpr std::string_view kYaml = "tag:yaml.org,2002:";
    static const std::set<std::string, std::less<>> plain = {"str", "int", "float", "bool", "null", "seq", "map"};
    const std::string& tag = node.Tag();
    if (tag.empty() || tag == "?" || tag == "!") return;
    if (!tag.starts_with(kYaml) || !plain.contains(tag.substr(kYaml.size())))
      fail(node, "the tag " + dump_json(tag) + " is not read; write the value itself");
  }

  std::string scalar(const YAML::Node& node, const std::string& key) {
    count(node);
    known_tag(node);
    if (node.IsNull()) return {};
    if (!node.IsScalar()) fail(node, "key " + dump_json(key) + ": a list may only hold plain values");
    return node.Scalar();
  }

  void count(const YAML::Node& node) {
    if (++values_ > kMaxValues) fail(node, "more than " + std::to_string(kMaxValues) + " values");
  }

  static int line(const YAML::Node& node) { return node.Mark().line + 1; }

  [[noreturn]] void fail(const YAML::Node& node, const std::string& what) const {
    throw FormatError(file_ + ":" + std::to_string(line(node)) + ": " + what);
  }

  std::string file_;
  std::vector<YamlEntry> entries_;
  std::set<std::string> keys_;
  int values_ = 0;
};

/// Refuses a second document. YAML::LoadAll cannot tell: on text like "&a ,b" it makes documents without end.
class OneDocument : public YAML::EventHandler {
 public:
  explicit OneDocument(const std::string& file) : file_(file) {}
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1)
      throw FormatError(file_ + ":" + std::to_string(mark.line + 1) + ": expected one YAML document, another one starts here");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  const std::string& file_;
  int documents_ = 0;
};

/// YAML wants spaces in front of a key; yaml-cpp takes some tabs without a word and reads another nesting than the eye does.
void refuse_tabs(std::string_view text, const std::string& file) {
  int line = 0;
  while (!text.empty()) {
    ++line;
    const std::string_view row = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), row.size() + 1));
    const size_t first = row.find_first_not_of(" \t\r");
    if (first == std::string_view::npos || row[first] == '#' || row.substr(0, first).find('\t') == std::string_view::npos) continue;
    throw FormatError(file + ":" + std::to_string(line) + ": a tab in the indentation; YAML takes spaces there");
  }
}

/// The single document of a file.
YAML::Node load(std::string text, const std::string& file) {
  // yaml-cpp takes a quoted value without its closing quote when the file ends in a newline, and would swallow the keys
  // that follow it; an end-of-document line inside a quoted value is an error that it does report.
  text += text.ends_with('\n') ? "...\n" : "\n...\n";
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  OneDocument counter(file);
  while (parser.HandleNextDocument(counter)) {
  }
  return YAML::Load(text);
}

}  // namespace

std::vector<YamlEntry> read_yaml(const Path& path) {
  const std::string file = path.string();
  const std::string text = read_text(path);
  if (text.size() > kMaxBytes) throw FormatError(file + ": " + std::to_string(text.size()) + " bytes; expected at most 1 MiB of YAML");
  if (!is_utf8(text) || text.find('\0') != std::string::npos) throw FormatError(file + ": not valid UTF-8 text");
  refuse_tabs(text, file);
  try {
    const YAML::Node root = load(text, file);
    if (!root.IsMap()) throw FormatError(file + ":1: expected a map of keys at the top level");
    Flattener flattener(file);
    flattener.map(root, "", 1);
    return flattener.take();
  } catch (const YAML::Exception& error) {  // from the parser, and from nodes while they are read
    throw FormatError(file + ":" + std::to_string(error.mark.line + 1) + ": not valid YAML (" + error.msg + ")");
  }
}

}  // namespace hellora
