#include "hellora/core/open_line.h"

#include <iostream>

namespace hellora {
namespace {

constexpr const char* kErase = "\r\033[K";

bool& is_open() {
  static bool open = false;
  return open;
}

}  // namespace

void draw_open_line(const std::string& text) {
  std::cerr << (is_open() ? kErase : "") << text << std::flush;
  is_open() = true;
}

void end_open_line() {
  if (is_open()) std::cerr << "\n" << std::flush;
  is_open() = false;
}

void erase_open_line() {
  if (is_open()) std::cerr << kErase << std::flush;
  is_open() = false;
}

}  // namespace hellora
