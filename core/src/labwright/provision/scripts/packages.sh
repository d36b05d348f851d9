# Packages that are not there yet. Runs as root in the image.
# Set before: packages, and the functions has, refresh, install.
set -eu
umask 022

say() { echo "labwright: $*"; }
die() { echo "labwright: $*" >&2; exit 1; }

if [ -d /etc/dpkg ] && ! [ -e /usr/sbin/policy-rc.d ]; then
    # Nothing that is installed here starts here (Debian policy 9.3.3.2).
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
missing=
for package in $packages; do
    has "$package" || missing="$missing $package"
done
if [ -n "$missing" ]; then
    say "installing$missing"
    refresh
    install $missing
    for package in $missing; do
        has "$package" || die "the package manager did not install $package"
    done
fi
