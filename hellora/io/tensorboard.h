// TensorBoard event files, written without protobuf: the few wire kinds and the masked CRC-32C that scalars and histograms need.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "hellora/io/files.h"

namespace hellora {

/// One events.out.tfevents.* file in `folder`. A writer that continues a run tells TensorBoard to forget what
/// earlier files recorded at or after `first_step` (a SessionLog START record).
class EventWriter {
 public:
  EventWriter(const Path& folder, int64_t first_step);
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;
  void scalar(const std::string& tag, int64_t step, float value);
  /// How often each of the numbers 0, 1, … came: a bar for each.
  void histogram(const std::string& tag, int64_t step, std::span<const int64_t> counts);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hellora
