// The table of kernel rows, and which one is in use.
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "hellora/core/error.h"
#include "hellora/core/text.h"
#include "hellora/kernels/row.h"

namespace hellora::kernels {

extern const Primitives<float> kReferenceF32, kAvx2F32, kAvx512F32, kAvx512Bf16F32, kAmxF32;

namespace {

std::string lacks(bool has, const char* what) { return has ? "" : std::string("the processor has no ") + what; }

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

bool has_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kTiles = 1U << 24, kBf16 = 1U << 22;  // leaf 7, register d
  return has_avx512() && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kTiles) != 0 && (d & kBf16) != 0;
}

/// The kernel lets a process use tile registers once it has asked.
bool amx_granted() {
  constexpr long kAskForState = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
}

constexpr std::array<KernelRow, 5> kRows = {{
    {"amx", "AMX tiles of 32 x 32 for bf16, AVX-512 for fp32",
     [] {
       if (!has_amx()) return lacks(false, "AMX with bf16 (amx_tile, amx_bf16)");
       return amx_granted() ? std::string() : std::string("the operating system does not grant AMX tile registers");
     },
     true, &kAmxF32},
    {"avx512_bf16", "AVX-512 with bf16 dot products, 14 x 32 tiles",
     [] { return lacks(has_avx512() && __builtin_cpu_supports("avx512bf16"), "AVX-512 with bf16 dot products (avx512_bf16)"); }, true,
     &kAvx512Bf16F32},
    {"avx512", "AVX-512, fp32 arithmetic, 14 x 32 tiles", [] { return lacks(has_avx512(), "AVX-512 (f, bw, dq, vl)"); }, false,
     &kAvx512F32},
    {"avx2", "AVX2 and FMA, fp32 arithmetic, 6 x 32 tiles", [] { return lacks(has_avx2(), "AVX2 with FMA"); }, false, &kAvx2F32},
    {"reference", "plain loops: the oracle, and the row of every other processor", [] { return std::string(); }, false, &kReferenceF32},
}};

const KernelRow* first_that_applies() {
  for (const KernelRow& row : kRows) {
    if (row.why_not().empty()) return &row;
  }
  return &kRows.back();
}

const KernelRow*& active() {
  static const KernelRow* row = first_that_applies();
  return row;
}

}  // namespace

std::span<const KernelRow> kernel_rows() { return kRows; }

const KernelRow& active_row() { return *active(); }

void force_row(const std::string& name) {
  std::vector<std::string> known;
  for (const KernelRow& row : kRows) {
    known.emplace_back(row.name);
    if (row.name != name) continue;
    const std::string reason = row.why_not();
    if (!reason.empty()) throw ConfigError("HELLORA_KERNEL=" + name + ": " + reason + "; `hellora bench kernels` lists what it has");
    active() = &row;
    return;
  }
  throw ConfigError("HELLORA_KERNEL=" + name + ": unknown kernel; known: " + join(known, ", "));
}

}  // namespace hellora::kernels
