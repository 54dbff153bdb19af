#include "hellora/text/template.h"

#include <algorithm>

#include "hellora/core/error.h"
#include "hellora/text/jinja/evaluate.h"
#include "hellora/text/jinja/parser.h"

namespace hellora {

struct Template::Impl {
  std::string where;
  jinja::Body body;
  bool marks = false;
};

namespace {

bool has_generation(const jinja::Body& body) {
  return std::any_of(body.begin(), body.end(), [](const jinja::Stmt& stmt) {
    return stmt.kind == jinja::StmtKind::generation || std::any_of(stmt.bodies.begin(), stmt.bodies.end(), has_generation);
  });
}

}  // namespace

Template::Template(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Template Template::parse(std::string_view source, const std::string& where) {
  auto impl = std::make_unique<Impl>();
  impl->where = where;
  impl->body = jinja::parse_template(jinja::tokenize(source, where), where);
  impl->marks = has_generation(impl->body);
  return Template(std::move(impl));
}

bool Template::marks_generation() const { return impl_->marks; }

Rendered Template::render(const Json& variables, const std::optional<std::tm>& now, const TemplateLimits& limits) const {
  HELLORA_CHECK(variables.is_object(), "the variables of a template are an object");
  jinja::Machine machine(impl_->where, limits);
  jinja::Output output;
  machine.output = &output;
  machine.now = now;
  jinja::Scope& context = *machine.scope(nullptr);
  for (const auto& [name, value] : variables.items()) context.set(name, machine.from_json(value));
  // What the template sets lies above its variables: the scope of the whole text.
  jinja::execute(machine, impl_->body, *machine.scope(&context));
  Rendered out{std::move(output.text), {}};
  for (const auto& [begin, end] : output.generated) out.generated.push_back({begin, end});
  return out;
}

}  // namespace hellora
