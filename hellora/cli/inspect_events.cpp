#include "hellora/cli/inspect_events.h"

#include <cmath>

#include "hellora/core/printable.h"
#include "hellora/core/text.h"
#include "hellora/io/tensorboard_reader.h"
#include "hellora/recipe/progress.h"
#include "hellora/recipe/table.h"

namespace hellora {
namespace {

const char* kind_name(TagKind kind) {
  switch (kind) {
    case TagKind::scalar: return "scalar";
    case TagKind::histogram: return "histogram";
    case TagKind::other: return "other";
  }
  return "";
}

std::string number_text(double value) {
  const double size = std::fabs(value);
  return size == 0 || (size >= 0.01 && size < 1e6) ? fixed(value, 4) : rate_text(value);
}

std::string last_text(const EventTag& tag) {
  switch (tag.kind) {
    case TagKind::scalar: return number_text(tag.last);
    case TagKind::histogram: return fixed(tag.last, 0) + " counted";
    case TagKind::other: return "";
  }
  return "";
}

}  // namespace

Description describe_events(const Path& file) {
  const EventFile events = read_event_file(file);
  std::vector<std::vector<std::string>> rows = {{"tag", "kind", "records", "first step", "last step", "last value"}};
  Json tags = Json::array();
  for (const EventTag& tag : events.tags) {
    rows.push_back({printable(tag.name), kind_name(tag.kind), std::to_string(tag.records), std::to_string(tag.first_step),
                    std::to_string(tag.last_step), last_text(tag)});
    Json one{{"tag", tag.name},
             {"kind", kind_name(tag.kind)},
             {"records", tag.records},
             {"first_step", tag.first_step},
             {"last_step", tag.last_step}};
    if (tag.kind != TagKind::other) one["last"] = tag.last;
    tags.push_back(one);
  }
  return {(events.tags.empty() ? "" : format_table(rows)) + "event file: " + with_commas(events.records) + " records, " +
              std::to_string(events.tags.size()) + " tags, every checksum holds\n",
          Json{{"kind", "events"}, {"records", events.records}, {"tags", tags}}};
}

}  // namespace hellora
