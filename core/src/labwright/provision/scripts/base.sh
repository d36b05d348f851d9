# The base of every image: login, sudo, SSH by password. Runs as root in the image, after packages.sh, by every way in.
# Set before: user, password, hostname.

for tool in bash sudo sshd; do
    command -v $tool >/dev/null || die "there is no $tool in the image, though its package is installed"
done

# --- name -----------------------------------------------------------------------------------------------------------
echo "$hostname" > /etc/hostname
touch /etc/hosts
grep -Eq '[[:space:]]localhost([[:space:]]|$)' /etc/hosts || echo '127.0.0.1 localhost' >> /etc/hosts
if ! grep -Eq "[[:space:]]$hostname([[:space:]]|\$)" /etc/hosts; then
    # sudo looks its own name up, and waits for a resolver that a lab may not have.
    printf '127.0.1.1 %s\n' "$hostname" >> /etc/hosts
fi

# --- login ----------------------------------------------------------------------------------------------------------
if ! id -u "$user" >/dev/null 2>&1; then
    # A group of that name may be there already.
    own=
    ! grep -q "^$user:" /etc/group || own="--gid $user"
    useradd --create-home --shell /bin/bash $own "$user"
fi
if [ "$user" != root ]; then
    usermod --shell /bin/bash "$user"
    for group in sudo wheel adm; do
        ! grep -q "^$group:" /etc/group || usermod --append --groups "$group" "$user"
    done
fi
printf '%s:%s\n' "$user" "$password" | chpasswd
chage --expiredate -1 --inactive -1 --maxdays 99999 "$user"
home=$(awk -F: -v name="$user" '$1 == name { print $6 }' /etc/passwd)
[ -d "$home" ] || die "the user $user has no home folder"
rm -f /etc/nologin

# --- sudo -----------------------------------------------------------------------------------------------------------
mkdir -p /etc/sudoers.d
grep -Eq '^[#@]includedir[[:space:]]+/etc/sudoers.d' /etc/sudoers || echo '@includedir /etc/sudoers.d' >> /etc/sudoers
# The last rule that matches counts (sudoers(5)), so this one comes after all others.
printf 'Defaults:%s !requiretty\n%s ALL=(ALL:ALL) NOPASSWD: ALL\n' "$user" "$user" > /etc/sudoers.d/zz-labwright
chmod 440 /etc/sudoers.d/zz-labwright
visudo -c -q || die "the image's sudoers is not valid: visudo -c says why"
[ "$user" = root ] || sudo -n -u "$user" -- sudo -n true || die "sudo asks $user for a password"

# --- SSH ------------------------------------------------------------------------------------------------------------
configuration=/etc/ssh/sshd_config
if [ ! -f $configuration ] && [ -f /usr/etc/ssh/sshd_config ]; then
    # SUSE has its defaults there; a file in /etc takes their place.
    cp -p /usr/etc/ssh/sshd_config $configuration
fi
[ -f $configuration ] || die "there is no $configuration"
mark='# labwright: the login of a lab'
if ! grep -qF "$mark" $configuration; then
    # The first value of a keyword counts (sshd_config(5)): before everything, drop-ins of others too.
    copy=$(cat $configuration)
    root=
    [ "$user" != root ] || root='PermitRootLogin yes'
    printf '%s\nPasswordAuthentication yes\n%s\n%s\n' "$mark" "$root" "$copy" > $configuration
fi
mkdir -p /run/sshd /var/empty
key=/run/labwright-key
rm -f $key $key.pub
ssh-keygen -q -t ed25519 -N '' -f $key
effective() { "$(command -v sshd)" -T -h $key -C "user=$user,host=localhost,addr=10.0.2.2" 2>&1; }
open() {
    said=$(effective) || return 1
    echo "$said" | grep -qx 'passwordauthentication yes' &&
        echo "$said" | grep -qx 'port 22' &&
        echo "$said" | grep -Eq '^listenaddress (0\.0\.0\.0|\[::\]):22$' &&
        ! echo "$said" | grep -Eq '^(allowusers|denyusers|allowgroups|denygroups) ' &&
        ! echo "$said" | grep -E '^authenticationmethods ' | grep -qvx 'authenticationmethods any' &&
        ! echo "$said" | grep -E '^(forcecommand|chrootdirectory) ' | grep -qv ' none$' || return 1
    [ "$user" != root ] || echo "$said" | grep -qx 'permitrootlogin yes'
}
closed='PasswordAuthentication|AuthenticationMethods|Port|ListenAddress|AllowUsers|DenyUsers|AllowGroups|DenyGroups|ForceCommand|ChrootDirectory'
[ "$user" != root ] || closed="$closed|PermitRootLogin"
if ! open; then
    # Match blocks, lists of users and other ports: what keeps the login out is put out of force, and can be read still.
    for file in $configuration /etc/ssh/sshd_config.d/*.conf; do
        [ -f "$file" ] || continue
        sed -i -E "/^PasswordAuthentication yes\$|^PermitRootLogin yes\$/! s/^[[:space:]]*($closed)[[:space:]=]/# labwright: &/I" "$file"
    done
fi
if ! open; then
    echo "$said" | grep -Ei "^($closed|.*error|.*bad|.*line) ?" >&2 || echo "$said" | tail -n 5 >&2
    die "sshd would not let $user in with a password: the lines above are what it says of its configuration"
fi
rm -f $key $key.pub

# --- first boot -----------------------------------------------------------------------------------------------------
if [ -d /etc/cloud ]; then
    mkdir -p /etc/cloud/cloud.cfg.d
    cat > /etc/cloud/cloud.cfg.d/zz-labwright.cfg <<'CLOUD'
# A lab is no cloud: the login is in the image, and nothing is asked for over the network.
ssh_pwauth: true
users: []
preserve_hostname: true
datasource_list: [NoCloud, None]
CLOUD
fi
if command -v systemctl >/dev/null; then
    unit=ssh
    [ -e /lib/systemd/system/ssh.service ] || [ -e /usr/lib/systemd/system/ssh.service ] || unit=sshd
    keys=
    for known in 'sshd-keygen@.service' sshd-keygen.service labwright-host-keys.service sshdgenkeys.service; do
        for folder in /etc /usr/lib /lib; do [ ! -e "$folder/systemd/system/$known" ] || keys=$known; done
    done
    ! grep -qs ssh-keygen /usr/sbin/sshd-gen-keys-start || keys=suse
    if [ -z "$keys" ]; then
        cat > /etc/systemd/system/labwright-host-keys.service <<'UNIT'
[Unit]
Description=Make the SSH host keys that this machine does not have yet
DefaultDependencies=no
After=local-fs.target
Before=ssh.service sshd.service ssh.socket sshd.socket

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
UNIT
        systemctl --quiet enable labwright-host-keys.service
    fi
    systemctl --quiet unmask $unit.service
    systemctl --quiet enable $unit.service
    rm -f /etc/ssh/sshd_not_to_be_run
elif command -v rc-update >/dev/null; then
    rc-update add sshd default
fi
