#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Links of a release, LINK:NAME:TARGET each; what is not there is passed over, as the vendor's script does. dpkg and rpm call it.
set -e
case ${1:-} in
    configure | [0-9]*)
        command -v update-alternatives >/dev/null || exit 0
        links="@LINKS@"
        for words in $links; do
            link=${words%%:*} target=${words##*:} name=${words#*:}
            [ ! -e "$target" ] || update-alternatives --install "$link" "${name%%:*}" "$target" @SCORE@
        done ;;
esac
