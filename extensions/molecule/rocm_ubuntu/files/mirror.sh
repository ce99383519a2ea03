#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A mirror as operators have it: what AMD has on two servers below one folder, signed by a key of their own.
# usage: sh mirror.sh FOLDER REPOSITORY...
set -eu
folder=$1
shift
mkdir -p "$folder"
for repository; do cp --recursive "/fakegpu/repositories/$repository/." "$folder"; done
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
gpg --batch --quiet --passphrase '' --quick-generate-key mirror@example.org rsa3072 sign never
find "$folder" -name Release | while read -r release; do
    rm -f "${release%/*}/InRelease" "$release.gpg"
    gpg --batch --quiet --clearsign --output "${release%/*}/InRelease" "$release"
done
gpg --batch --armor --export >"$folder/mirror.asc"
