#!/bin/sh
# Installs the Debian packages that the build needs and that are missing, and says which.
#   tools/install.sh [MORE PACKAGES ...]
set -eu
# The program builds without MPI too (-Dmpi=disabled); it is here so that its tests run. Open MPI: what mpirun and
# srun --mpi=pmix of Debian's own packages start.
# gcc only recommends libc6-dev; libgomp and the sanitizers' libraries come with gcc, python3 with meson.
packages="gcc libc6-dev meson ninja-build pkg-config libyaml-dev libhdf5-dev libpng-dev libjansson-dev
    libxxhash-dev libdnnl-dev libopenmpi-dev openmpi-bin"
missing=""
for package in $packages "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing" >&2
as_root=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "run as root: apt-get install$missing" >&2; exit 1; }
    as_root=sudo
fi
$as_root apt-get update -qq >/dev/null
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
