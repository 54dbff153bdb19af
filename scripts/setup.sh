#!/usr/bin/env bash
# Installs what the build needs (Debian packages, libtorch from the torch wheel) where it is missing; run it as often as you like.
#   scripts/setup.sh              the build's packages and libtorch
#   scripts/setup.sh --tests      also the tools of the test run (clang, clang-tidy, clang-format, sanitizer runtimes)
#   scripts/setup.sh --torch      prints the folder of the torch package in use, installs nothing
# HELLORA_TORCH        folder of a torch package that is already installed (2.11 to 2.13)
# HELLORA_TORCH_INDEX  package index to take the torch wheel from, e.g. the one with CPU builds
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
log=$root/build/logs/setup.log
torch_version=2.13.0
packages=(g++ cmake ninja-build ccache pkg-config libcli11-dev nlohmann-json3-dev libyaml-cpp-dev libfmt-dev libspdlog-dev
          libpcre2-dev libutf8proc-dev zlib1g-dev libzstd-dev libedit-dev libgtest-dev)
test_packages=(clang-16 clang-tidy-16 clang-format-16 libclang-rt-16-dev git)

say() { printf 'setup: %s\n' "$*"; }
stop() { printf 'setup: stopped: %s\n' "$*" >&2; exit 1; }
logged() { "$@" >>"$log" 2>&1; }

torch_folder() {
  if [ -n "${HELLORA_TORCH:-}" ]; then printf '%s\n' "$HELLORA_TORCH"; return; fi
  local found
  for found in "$root"/.venv/lib/python3*/site-packages/torch; do
    [ -f "$found/share/cmake/Torch/TorchConfig.cmake" ] && printf '%s\n' "$found" && return
  done
}

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

need_disk() {  # $1: GB that must be free beside the sources
  local free_kb
  free_kb=$(df -Pk "$root" | awk 'NR == 2 {print $4}')
  [ "$free_kb" -ge $(($1 * 1000 * 1000)) ] || stop "$((free_kb / 1000000)) GB free under $root, $1 GB are needed"
}

install_packages() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "no apt-get here: the build needs what Debian 12 calls ${packages[*]}"
    return
  fi
  local wanted=("${packages[@]}") missing=() name as_root=()
  [ "$with_tests" = yes ] && wanted+=("${test_packages[@]}")
  [ -n "${HELLORA_TORCH:-}" ] || python3 -c 'import ensurepip, venv' 2>/dev/null || wanted+=(python3-venv)
  for name in "${wanted[@]}"; do installed "$name" || missing+=("$name"); done
  [ ${#missing[@]} -gt 0 ] || return
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || stop "not root and no sudo; as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  logged ${as_root[@]+"${as_root[@]}"} apt-get update || stop "apt-get update failed (is there a network?), see $log"
  logged ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" ||
    stop "apt-get install ${missing[*]} failed, see $log"
}

have_nvcc() { command -v nvcc >/dev/null || [ -x "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" ]; }

stop_cuda() {  # $1: what is a CUDA build
  stop "$1 is a CUDA build and there is no nvcc here; set HELLORA_TORCH_INDEX to the index of CPU wheels (the address that" \
    "PyTorch's install page shows for 'Compute Platform: CPU'), or install the CUDA toolkit"
}

# A CUDA wheel needs the nvidia packages: seen in its metadata, before gigabytes are fetched.
refuse_cuda_wheel() {
  local report=$root/build/logs/torch_wheel.json
  have_nvcc && return
  logged "$1/bin/pip" install --quiet --dry-run --no-deps --report "$report" "${index[@]}" "torch==$torch_version" || return 0
  ! grep -Eq '"(nvidia|cuda)-' "$report" || stop_cuda "the torch wheel of this package index"
}

install_torch() {
  local folder venv=$root/.venv index=()
  [ -z "${HELLORA_TORCH_INDEX:-}" ] || index=(--index-url "$HELLORA_TORCH_INDEX")
  folder=$(torch_folder)
  if [ -z "$folder" ]; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || stop "python3 has no venv module: install python3-venv"
    say "installing torch $torch_version into .venv (a minute or two)"
    [ -x "$venv/bin/pip" ] || logged python3 -m venv --clear "$venv" || stop "python3 -m venv $venv failed, see $log"
    refuse_cuda_wheel "$venv"
    logged "$venv/bin/pip" install "${index[@]}" "torch==$torch_version" ||
      stop "pip install torch==$torch_version failed (network, or no wheel for this Python and machine), see $log"
    folder=$(torch_folder)
    [ -n "$folder" ] || stop "the torch package under .venv has no share/cmake/Torch, see $log"
  fi
  [ -f "$folder/share/cmake/Torch/TorchConfig.cmake" ] ||
    stop "HELLORA_TORCH=$folder is no torch package: it must be the folder that holds share/cmake/Torch"
  if grep -Eq "^cuda\b[^=]*= *['\"]" "$folder/version.py" && ! have_nvcc; then stop_cuda "the torch package in $folder (remove it)"; fi
  say "libtorch $(sed -n "s/^__version__ *= *['\"]\([^'\"]*\).*/\1/p" "$folder/version.py") in $folder"
}

with_tests=no
case "${1:-}" in
  '') ;;
  --tests) with_tests=yes ;;
  --torch) torch_folder; exit 0 ;;
  *) stop "unknown argument $1: expected --tests or --torch" ;;
esac

mkdir -p "$root/build/logs" && : >"$log" || stop "cannot write $log"
command -v python3 >/dev/null || packages+=(python3)
if [ -n "$(torch_folder)" ]; then need_disk 2; else need_disk 6; fi
install_packages
install_torch
