#!/bin/sh
# A folder that runs on another x86-64 Linux: the program, the CUDA module where there is one, and every library but
# glibc's and CUDA's.
#   tools/bundle.sh OUT [BUILD]
# BUILD: a finished build folder; default: build-bundle, made here without MPI (ranks then join over TCP). What stays
# outside: glibc (the other machine's must be as new), and libcudart, cublasLt, cuDNN, NCCL, found by LD_LIBRARY_PATH or
# under /usr/local/cuda/lib64.
# Then checks the folder from elsewhere, without LD_LIBRARY_PATH: version, doctor, and the smoke run.
set -eu
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { echo "usage: tools/bundle.sh OUT [BUILD]" >&2; exit 2; }
out=$1 build=${2:-build-bundle} most_mib=60
[ ! -e "$out" ] || { echo "'$out' exists" >&2; exit 2; }
if [ $# -lt 2 ]; then
    [ -f "$build/build.ninja" ] || meson setup "$build" -Dbuildtype=release -Dmpi=disabled >/dev/null
    ninja -C "$build" src/uda4inst >/dev/null
    if ninja -C "$build" -t query kernels/cuda/uda_cuda.so >/dev/null 2>&1; then
        ninja -C "$build" kernels/cuda/uda_cuda.so >/dev/null
    fi
fi

# Libraries that FILE needs, with paths, one a line; fails on one that is not found.
needs() {
    LD_LIBRARY_PATH=$out/lib ldd "$1" |
        awk '/not found/ { print "missing: " $1 > "/dev/stderr"; bad = 1 } $3 ~ /^\// { print $3 } END { exit bad }'
}
# Of glibc: must be the other machine's. Of CUDA: too large, and bound to its driver.
stays_outside() {
    case $(basename "$1") in
    libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | libresolv.so.* | libutil.so.*) return 0 ;;
    libnss_* | ld-linux*) return 0 ;;
    libcuda*.so* | libcublas*.so* | libcudnn*.so* | libnccl*.so* | libnvrtc*.so* | libnvJitLink*.so*) return 0 ;;
    esac
    return 1
}
take() { # take FILE TO: a stripped copy
    cp -L "$1" "$2"
    chmod 755 "$2"
    strip --strip-unneeded "$2" 2>/dev/null || true
}

mkdir -p "$out/lib"
out=$(realpath "$out")
# libhdf5 wants libcurl, for a driver that this program never opens, and libcurl thirty more: one that can do nothing
# takes its place.
if readelf -V "$(ldd "$build/src/uda4inst" | awk '/libhdf5/ { print $3; exit }')" | grep -q CURL_OPENSSL_4; then
    echo 'CURL_OPENSSL_4 { global: curl_*; local: *; };' >"$out/lib/curl.map"
    cc -shared -fPIC -Os -Wl,-soname,libcurl.so.4 -Wl,--version-script="$out/lib/curl.map" tools/bundle_curl.c \
        -o "$out/lib/libcurl.so.4"
    rm "$out/lib/curl.map"
fi
take "$build/src/uda4inst" "$out/uda4inst"
[ ! -f "$build/kernels/cuda/uda_cuda.so" ] || take "$build/kernels/cuda/uda_cuda.so" "$out/uda_cuda.so"
for file in "$build/src/uda4inst" "$build/kernels/cuda/uda_cuda.so"; do
    [ -f "$file" ] || continue
    for library in $(needs "$file"); do
        [ -e "$out/lib/$(basename "$library")" ] || stays_outside "$library" ||
            take "$library" "$out/lib/$(basename "$library")"
    done
done
mkdir -p "$out/manifests"
cp -R manifests/. "$out/manifests/"
cp README.md LICENSE* "$out/" 2>/dev/null || true

# ---- does it stand alone? ----
full=$out
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
cd "$elsewhere"
unset LD_LIBRARY_PATH
# Every library that is loaded comes from the folder, or stays outside by rule.
LD_TRACE_LOADED_OBJECTS=1 "$full/uda4inst" | awk '$3 ~ /^\// { print $3 }' >loaded
while read -r library; do
    case $library in "$full"/lib/*) continue ;; esac
    stays_outside "$library" || { echo "bundle: '$library' is not from the folder" >&2; exit 1; }
done <loaded
"$full/uda4inst" version
"$full/uda4inst" doctor >doctor
grep '^gpu' doctor
if [ -f "$full/uda_cuda.so" ] && ! grep -q '^gpu *module\|libcudart\|no device' doctor; then
    echo "bundle: the module beside the program is not found" >&2
    exit 1
fi
UDA_SCENES=$elsewhere/scenes "$full/uda4inst" run "$full/manifests/smoke.yaml" --run "$elsewhere/run" >table 2>talk ||
    { tail -3 talk >&2; exit 1; }
tail -1 talk
size=$(du -sm "$full" | cut -f1)
echo "$out: $size MiB, $(find "$full/lib" -type f | wc -l) libraries"
[ "$size" -le $most_mib ] || { echo "bundle: $size MiB, more than $most_mib" >&2; exit 1; }
