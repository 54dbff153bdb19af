#include <array>

#include "hellora/text/chat_template.h"

namespace hellora {
namespace {

// Own texts that write the documented forms; each refuses what its form has no place for.

constexpr std::string_view kOlmoe = R"({{ bos_token }}
{%- for message in messages %}
  {%- if message.role in ('system', 'user') %}
    {{- '<|' + message.role + '|>\n' + message.content + '\n' }}
  {%- elif message.role == 'assistant' %}
    {{- '<|assistant|>\n' }}
    {%- generation %}{{ message.content + eos_token }}{% endgeneration %}
    {{- '' if loop.last else '\n' }}
  {%- else %}
    {{- raise_exception('role "' ~ message.role ~ '" is not system, user or assistant') }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %})";

constexpr std::string_view kMixtral = R"({{ bos_token }}
{%- for message in messages %}
  {%- if message.role != ('user' if loop.index0 % 2 == 0 else 'assistant') %}
    {{- raise_exception('roles must be user, assistant, user, assistant …; there is no place for "' ~ message.role ~ '"') }}
  {%- elif message.role == 'user' %}
    {{- ' [INST] ' + message.content + ' [/INST]' }}
  {%- else %}
    {%- generation %}{{ ' ' + message.content + eos_token }}{% endgeneration %}
  {%- endif %}
{%- endfor %})";

constexpr std::string_view kDeepseek = R"({{ bos_token }}
{%- for message in messages %}
  {%- if message.role == 'user' %}
    {{- 'User: ' + message.content + '\n\n' }}
  {%- elif message.role == 'assistant' %}
    {{- 'Assistant:' }}
    {%- generation %}{{ ' ' + message.content + eos_token }}{% endgeneration %}
  {%- elif message.role == 'system' %}
    {{- message.content + '\n\n' }}
  {%- else %}
    {{- raise_exception('role "' ~ message.role ~ '" is not system, user or assistant') }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ 'Assistant:' }}{% endif %})";

constexpr std::string_view kChatml = R"({%- for message in messages %}
  {{- '<|im_start|>' + message.role + '\n' }}
  {%- if message.role == 'assistant' %}
    {%- generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}
    {{- '\n' }}
  {%- else %}
    {{- message.content + '<|im_end|>\n' }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %})";

constexpr std::string_view kAlpaca = R"({%- for message in messages %}
  {%- if message.role == 'system' and loop.first %}
    {{- message.content + '\n\n' }}
  {%- elif message.role == 'user' %}
    {{- '### Instruction:\n' + message.content + '\n\n' }}
  {%- elif message.role == 'assistant' %}
    {{- '### Response:\n' }}
    {%- generation %}{{ message.content + eos_token }}{% endgeneration %}
    {{- '' if loop.last else '\n\n' }}
  {%- else %}
    {{- raise_exception('there is no place for role "' ~ message.role ~ '"') }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '### Response:\n' }}{% endif %})";

constexpr std::string_view kLlama3 = R"({{ bos_token }}
{%- for message in messages %}
  {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' }}
  {%- if message.role == 'assistant' %}
    {%- generation %}{{ message.content | trim + '<|eot_id|>' }}{% endgeneration %}
  {%- else %}
    {{- message.content | trim + '<|eot_id|>' }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %})";

constexpr std::array<NamedTemplate, 6> kTemplates = {{
    {"alpaca", kAlpaca, "### Instruction: and ### Response:, without special tokens but eos"},
    {"chatml", kChatml, "<|im_start|>role … <|im_end|> (Qwen)"},
    {"deepseek", kDeepseek, "User: … Assistant: … (DeepSeek LLM, DeepSeekMoE)"},
    {"llama3", kLlama3, "<|start_header_id|>role<|end_header_id|> … <|eot_id|>"},
    {"mixtral", kMixtral, "[INST] … [/INST], user and assistant in turn (Mixtral v0.1)"},
    {"olmoe", kOlmoe, "<|user|> and <|assistant|> lines (OLMoE-Instruct)"},
}};

}  // namespace

std::span<const NamedTemplate> named_templates() { return kTemplates; }

}  // namespace hellora
