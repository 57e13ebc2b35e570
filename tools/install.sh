#!/bin/sh
# Installs the Debian packages that the build needs and that are missing, and says which.
set -eu
packages="gcc meson ninja-build pkg-config libyaml-dev libhdf5-dev libpng-dev libjansson-dev libxxhash-dev libdnnl-dev"
for extra in "$@"; do packages="$packages $extra"; done
missing=""
for p in $packages; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
echo "installing:$missing" >&2
as_root=""
[ "$(id -u)" = 0 ] || as_root=sudo
$as_root apt-get update -qq >/dev/null
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
