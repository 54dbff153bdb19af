#include "hellora/io/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <set>
#include <sstream>

#include "hellora/core/error.h"
#include "hellora/core/json.h"
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
      if (!names.insert(name).second) fail(pair.first, "duplicate key " + Json(key).dump());
      member(pair.first, pair.second, key, depth);
    }
  }

  std::vector<YamlEntry> take() { return std::move(entries_); }

 private:
  void member(const YAML::Node& name, const YAML::Node& value, const std::string& key, int depth) {
    count(name);
    if (value.IsMap()) return map(value, key + ".", depth + 1);
    // "a.b" and "b" inside "a" are the same key.
    if (!keys_.insert(key).second) fail(name, "duplicate key " + Json(key).dump());
    YamlEntry entry{.key = key, .values = {}, .is_list = value.IsSequence(), .line = line(name)};
    if (!entry.is_list) {
      entry.values.push_back(scalar(value, key));
    } else {
      for (const auto& item : value) entry.values.push_back(scalar(item, key));
    }
    entries_.push_back(std::move(entry));
  }

  std::string scalar(const YAML::Node& node, const std::string& key) {
    count(node);
    if (node.IsNull()) return {};
    if (!node.IsScalar()) fail(node, "key " + Json(key).dump() + ": a list may only hold plain values");
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
