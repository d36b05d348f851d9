# Packages that are not there yet. Runs as root in the image.
# Set before: packages, and the functions has, refresh, install.
set -eu
umask 022

say() { echo "labwright: $*"; }
die() { echo "labwright: $*" >&2; exit 1; }

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
