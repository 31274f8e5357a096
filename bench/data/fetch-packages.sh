#!/bin/bash
# Downloads the pinned Debian 12 packages whose files are the benchmarks' data, and checks them.
# usage: fetch-packages.sh FOLDER
set -e
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?folder for the packages}"
cd "$1"
if ! sha256sum --quiet --check "$here/packages.sha256" 2>/dev/null; then
  for package in golang-1.19-src=1.19.8-2 libboost1.74-dev=1.74.0+ds1-21 llvm-14-dev=1:14.0.6-12 \
    libllvm14=1:14.0.6-12 texlive-latex-base-doc=2022.20230122-3 openclipart-png=1:0.18+dfsg-19 \
    fonts-noto-cjk=1:20220127+repack1-1 kicad-symbols=6.0.10-1 wordnet-base=1:3.0-37 \
    rust-src=1.63.0+dfsg1-2 gcc-12=12.2.0-14+deb12u1 freecad-common=0.20.2+dfsg1-4+deb12u1 \
    octave-doc=7.3.0-2; do
    apt-get download -qq "$package"
  done
  sha256sum --quiet --check "$here/packages.sha256"
fi
