#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Inside the image: builds the rpm packages, makes their indexes and signs. Arguments: where the work lies, id of the key.
# WORK/keys keeps the keys (made once), WORK/specs is what rpm.py wrote, WORK/repository what machines get.
set -eu
work=$1 key=$2
export HOME=/tmp LC_ALL=C.UTF-8 GNUPGHOME=/tmp/gnupg
mkdir -p "$GNUPGHOME"
chmod 700 "$GNUPGHOME"
gpg="gpg --batch --quiet --no-tty --pinentry-mode loopback --passphrase= --digest-algo SHA256"

if [ ! -e "$work/keys/$key.sec" ]; then
    $gpg --quick-generate-key "gpufleet tests, $key (not the vendor's) <$key@example.org>" rsa3072 sign never
    mkdir -p "$work/keys"
    $gpg --export --armor "$key@example.org" >"$work/keys/$key.asc"
    $gpg --export-secret-keys --armor "$key@example.org" >"$work/keys/$key.new"
    mv "$work/keys/$key.new" "$work/keys/$key.sec"
else
    $gpg --import "$work/keys/$key.sec"
fi
cp "$work/keys/$key.asc" "$work/repository/repository-key.asc"

find "$work/repository" -name Release | while read -r release; do
    $gpg --local-user "$key@example.org" --clearsign --output "${release%Release}InRelease" "$release"
    $gpg --local-user "$key@example.org" --detach-sign --armor --output "$release.gpg" "$release"
done

if [ -d "$work/specs" ]; then
    # shellcheck disable=SC2016  # the inner shell expands them
    find "$work/specs" -name '*.spec' -print0 | xargs -0 -P "$(nproc)" -I SPEC sh -c '
        rpmbuild -bb --quiet --nodeps --target x86_64 --define "_topdir /tmp/rpm/$(basename SPEC)" --define "_sourcedir '"$work"'/specs" \
            --define "_rpmdir '"$work"'/repository" --define "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" \
            --define "_buildhost tests" --define "use_source_date_epoch_as_buildtime 1" SPEC >/tmp/$(basename SPEC).log 2>&1 ||
        { cat /tmp/$(basename SPEC).log >&2; exit 255; }'
    cd "$work/repository"
    while read -r folder package; do
        mkdir -p "$folder"
        mv "$package" "$folder/"
    done <"$work/specs/places"
    find . -name '*.rpm' -print0 | xargs -0 -P "$(nproc)" -n 24 rpmsign --addsign --define "_gpg_name $key@example.org" \
        --define "_gpg_sign_cmd_extra_args --batch --pinentry-mode loopback" >/tmp/sign.log 2>&1 || { cat /tmp/sign.log >&2; exit 1; }
    find . -name '*.rpm' -printf '%h\n' | sort -u | while read -r folder; do
        createrepo_c --quiet --general-compress-type=gz --no-database "$folder"
        if [ -e "$work/specs/modules.yaml" ]; then modifyrepo_c --mdtype=modules --compress-type=gz "$work/specs/modules.yaml" "$folder/repodata" >/dev/null; fi
        $gpg --local-user "$key@example.org" --detach-sign --armor --output "$folder/repodata/repomd.xml.asc" "$folder/repodata/repomd.xml"
        cp repository-key.asc "$folder/repodata/repomd.xml.key"
    done
fi
