#include "hellora/io/map_guard.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

#include "hellora/core/error.h"
#include "hellora/core/printable.h"

namespace hellora {
namespace {

/// What a signal handler may read: no lock, no memory that moves. A free slot has end 0.
struct Slot {
  std::atomic<uintptr_t> begin = 0, end = 0;
  std::unique_ptr<char[]> message;
};

constexpr size_t kSlots = 4096;  // a model has at most some hundred files; what is beyond is not watched
std::array<Slot, kSlots> slots;
std::mutex writing;

uintptr_t address_of(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

const Slot* find_map(uintptr_t address) {
  for (const Slot& slot : slots) {
    if (address >= slot.begin.load(std::memory_order_relaxed) && address < slot.end.load(std::memory_order_acquire)) return &slot;
  }
  return nullptr;
}

void on_fault(int number, siginfo_t* info, void*) {
  if (const Slot* slot = find_map(address_of(info->si_addr)); slot != nullptr) {
    constexpr std::string_view kBegin = "error: ";
    [[maybe_unused]] ssize_t ignored = ::write(STDERR_FILENO, kBegin.data(), kBegin.size());
    ignored = ::write(STDERR_FILENO, slot->message.get(), std::strlen(slot->message.get()));
    ignored = ::write(STDERR_FILENO, "\n", 1);
    constexpr int kBadInput = 2;
    _exit(kBadInput);
  }
  std::signal(number, SIG_DFL);  // not a file of ours: the fault comes again and ends the program as it always did
}

}  // namespace

void install_map_guard() {
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

void watch_map(std::span<const std::byte> map, const Path& path) {
  const std::string message = "cannot read " + printable(path.string()) + ": the file shrank while it was read (or its disk failed)";
  const std::scoped_lock lock(writing);
  for (Slot& slot : slots) {
    if (slot.end.load() != 0) continue;
    slot.message = std::make_unique<char[]>(message.size() + 1);
    std::memcpy(slot.message.get(), message.c_str(), message.size() + 1);
    slot.begin.store(address_of(map.data()), std::memory_order_relaxed);
    slot.end.store(address_of(map.data()) + map.size(), std::memory_order_release);
    return;
  }
}

void forget_map(const std::byte* begin) {
  const std::scoped_lock lock(writing);
  for (Slot& slot : slots) {
    if (slot.end.load() != 0 && slot.begin.load() == address_of(begin)) slot.end.store(0);
  }
}

void check_map(std::span<const std::byte> bytes) {
  const std::scoped_lock lock(writing);
  if (const Slot* slot = find_map(address_of(bytes.data())); slot != nullptr) throw DataError(slot->message.get());
}

}  // namespace hellora
