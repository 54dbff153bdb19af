#!/usr/bin/env bash
# Makes a tarball that runs wherever it is unpacked: the program, the parts of libtorch that it needs, and the small system libraries.
#   scripts/package.sh [BUILD] [FOLDER]    BUILD: a built preset (build/release); FOLDER: where the tarball goes (build/package)
# What it needs from the machine: x86-64 Linux with a C and C++ library as new as the building machine's. Its last line is the tarball's path.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
build=${1:-build/release} out=${2:-build/package}

stop() { printf 'package: stopped: %s\n' "$*" >&2; exit 1; }

[ -x "$build/bin/hellora" ] || stop "$build/bin/hellora is not there: scripts/quickstart.sh builds it, or name another build folder"
version=$("$build/bin/hellora" --version) || stop "$build/bin/hellora --version failed"
name=hellora-${version#hellora }-linux-$(uname -m)
stage=$out/$name
rm -rf "$stage" && mkdir -p "$stage" || stop "cannot write $out"
cmake --install "$build" --prefix "$stage" --component program --strip >/dev/null || stop "cmake --install failed"
program=$stage/libexec/hellora/hellora libraries=$stage/lib/hellora
mkdir -p "$libraries"

# Everything that the loader finds for the program, without what every system has as its own: the C and C++ libraries and the loader.
while read -r library path; do
  case "$library" in
    libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | libstdc++.so.* | libgcc_s.so.* | ld-linux*) continue ;;
  esac
  cp -L "$path" "$libraries/$library" || stop "cannot copy $path"
done < <(ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}')
ls "$libraries"/libtorch_cpu.so >/dev/null 2>&1 || stop "no libtorch beside $program: $(ldd "$program" | grep -c 'not found') libraries not found"

# No path of the building machine stays in the program.
cmake -DFILE="$program" -P cmake/relocatable.cmake || stop "cannot set where $program looks for libraries"
cp README.md "$stage/"
tar --sort=name --owner=0 --group=0 --numeric-owner -C "$out" -cf - "$name" | gzip -1 >"$out/$name.tar.gz.tmp" || stop "cannot write $out/$name.tar.gz"
mv "$out/$name.tar.gz.tmp" "$out/$name.tar.gz" && rm -rf "$stage"
echo "$out/$name.tar.gz"
