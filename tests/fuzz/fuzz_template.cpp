// A template on a fixed conversation: it ends, in text with spans inside it or in an error, and renders the same again.
#include "hellora/text/template.h"
#include "tests/fuzz/fuzz.h"

namespace {

const hellora::Json& variables() {
  static const hellora::Json json = hellora::parse_json(
      R"({"messages":[{"role":"system","content":"S"},{"role":"user","content":"Grüße 😀"},{"role":"assistant","content":"A\n"}],
          "tools":[{"name":"f","n":[1,2.5,null,true]}],"x":7,"s":"a b","bos_token":"<s>","eos_token":"</s>","add_generation_prompt":true})",
      "variables");
  return json;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hellora;
  return fuzz::only_user_errors([&] {
    const std::string_view source(reinterpret_cast<const char*>(data), size);
    const std::tm clock{};
    const TemplateLimits limits{200'000, int64_t{16} << 20, int64_t{4} << 20, 400};
    const Template parsed = Template::parse(source, "fuzz");
    const Rendered out = parsed.render(variables(), clock, limits);
    size_t last = 0;
    for (const TextSpan& span : out.generated) {
      fuzz::require(last <= span.begin && span.begin <= span.end && span.end <= out.text.size());
      last = span.end;
    }
    fuzz::require(parsed.render(variables(), clock, limits).text == out.text);
  });
}
