if command -v dkms >/dev/null && [ -d /lib/modules/@KERNEL@/kernel ]; then dkms autoinstall -k @KERNEL@ || :; fi
