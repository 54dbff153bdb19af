// What the tables of filters and tests share.
#pragma once

#include <functional>

#include "hellora/text/jinja/python.h"

namespace hellora::jinja {

std::span<const Routine> text_filters();
std::span<const Routine> list_filters();
std::span<const Routine> value_filters();

/// str(value) as text that lives as long as the machine.
std::string_view text_of(Machine& machine, const Value& value);
/// The argument, or what stands for it when it is absent.
inline Value given(const Value* argument, const Value& otherwise) { return argument == nullptr ? otherwise : *argument; }
inline bool flag(const Value* argument) { return argument != nullptr && truth(*argument); }

/// `a.b.0` of an item, as the parameter `attribute` of filters means it; null or none is the item itself. `otherwise`, where given,
/// takes the place of what is undefined on the way.
Value path(Machine& machine, const Value& item, const Value* attribute, const Value* otherwise = nullptr);
/// Strings in lower case unless `case_sensitive`.
Value folded(Machine& machine, const Value& value, bool case_sensitive);

}  // namespace hellora::jinja
