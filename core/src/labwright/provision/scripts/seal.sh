# What clones must not share, and what only fills the disk, goes. The last thing that runs in an image.
# Set before: live, and the function clean.
set -eu

clean
! grep -qs '^# labwright$' /usr/sbin/policy-rc.d || rm -f /usr/sbin/policy-rc.d
rm -f /etc/ssh/ssh_host_*
if [ -e /etc/machine-id ] || [ -d /etc/systemd ]; then
    # Empty, so that the first boot makes one (machine-id(5)).
    rm -f /etc/machine-id
    : > /etc/machine-id
    chmod 444 /etc/machine-id
fi
# A link to the other one is made again at boot.
rm -f /var/lib/dbus/machine-id
rm -rf /var/lib/systemd/random-seed /var/lib/random-seed /var/lib/urandom/random-seed /var/lib/seedrng /var/lib/misc/random-seed \
    /var/lib/systemd/credential.secret /var/lib/systemd/timesync /var/lib/cloud \
    /etc/udev/rules.d/70-persistent-net.rules
for folder in /var/lib/dhcp /var/lib/dhclient /var/lib/dhcpcd /var/tmp /var/crash /var/log/journal; do
    [ ! -d "$folder" ] || find "$folder" -xdev -mindepth 1 -delete
done
[ ! -d /var/lib/NetworkManager ] || find /var/lib/NetworkManager -type f -delete
if [ "$live" = no ]; then
    # In a machine that runs, they belong to what runs.
    for folder in /tmp /run; do find "$folder" -xdev -mindepth 1 -maxdepth 1 ! -name "labwright*" -exec rm -rf {} +; done
fi
find /var/log -xdev -type f \( -name '*.gz' -o -name '*.xz' -o -name '*.old' -o -name '*.[0-9]' \) -delete
find /var/log -xdev -type f -exec sh -c 'for file; do : > "$file"; done' sh {} +
for home in /root /home/*; do
    [ -d "$home" ] && ! [ -L "$home" ] || continue
    rm -rf "$home"/.*_history "$home"/.wget-hsts "$home"/.lesshst "$home"/.viminfo "$home"/.ansible "$home"/.cache \
        "$home"/.sudo_as_admin_successful
done
[ ! -d /var/lib/systemd/linger ] || rmdir /var/lib/systemd/linger 2>/dev/null || true
rm -f /etc/passwd- /etc/shadow- /etc/group- /etc/gshadow- /etc/subuid- /etc/subgid- /etc/.pwd.lock
if [ -f /etc/selinux/config ] && grep -Eq '^SELINUX=(enforcing|permissive)' /etc/selinux/config && [ "$live" = no ]; then
    # Written without labels from here: the first boot gives them (fixfiles(8)).
    touch /.autorelabel
fi
rm -f /run/labwright-certificates.pem
sync
