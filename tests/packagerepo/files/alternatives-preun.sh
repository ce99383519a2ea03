#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
set -e
case ${1:-} in
    remove | upgrade | deconfigure | [0-9]*)
        command -v update-alternatives >/dev/null || exit 0
        links="@LINKS@"
        for words in $links; do
            name=${words#*:}
            update-alternatives --remove "${name%%:*}" "${words##*:}" || true
        done ;;
esac
