dkms remove -m @DKMS_MODULE@ -v @VERSION@ -q --all || :
