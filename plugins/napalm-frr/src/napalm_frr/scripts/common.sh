# Sent to the device before each of the other files, after assignments of:
#   vty_socket config_dir frr_reload hostname_file  where things are, or empty
#   limit  seconds that one command may take      mark  a random word before each section of the answer
# Codes from 80 on are ours; device.py has their names.
umask 077
# PYTHONUTF8 is for frr-reload.py: a description may have any letters.
export LC_ALL=C PYTHONUTF8=1 PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
# The caller may be gone when we answer; what was begun is finished all the same.
trap '' PIPE
folder=$(mktemp -d "${TMPDIR:-/tmp}/napalm-frr.XXXXXX") || exit 80
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' HUP INT TERM

limited() {
    timeout "$limit" "$@" </dev/null
    status=$?
    [ "$status" -ne 124 ] || echo "no end within $limit s: $1" >&2
    return "$status"
}

frr() {
    limited vtysh ${vty_socket:+--vty_socket "$vty_socket"} ${config_dir:+--config_dir "$config_dir"} "$@"
}

show_running() {
    frr -c 'show running-config no-header'
}

# receive NAME BYTES: a file from standard input. A connection that broke must not leave half a configuration to apply.
receive() {
    cat >"$folder/$1" || exit 81
    [ "$(wc -c <"$folder/$1")" -eq "$2" ] || exit 81
}

# section NAME FILE
section() {
    printf '\n%s %s\n' "$mark" "$1"
    cat "$2"
}

find_reload() {
    for reload in "$frr_reload" /usr/lib/frr/frr-reload.py /usr/libexec/frr/frr-reload.py /usr/lib64/frr/frr-reload.py
    do
        if [ -n "$reload" ] && [ -x "$reload" ]; then
            return
        fi
    done
    exit 82
}

# reload FOLDER --reload|--test: with FOLDER/frr.conf. Three things are not by chance:
# - with its file at CONFDIR/frr.conf, frr-reload.py leaves out its own `write`, which would make a commit that is still
#   to be confirmed, or one half applied, the configuration of the next boot;
# - RUNDIR is where it writes lines with passwords, so a folder that nobody else reads;
# - --stdout keeps the lines, passwords included, out of /var/log/frr/frr-reload.log.
reload() {
    printf 'service integrated-vtysh-config\n' >"$1/vtysh.conf"
    vtysh_path=$(command -v vtysh)
    limited "$reload" ${vty_socket:+--vty_socket "$vty_socket"} --bindir "${vtysh_path%/*}" \
        --confdir "$1" --rundir "$1" "$2" --stdout --log-level error "$1/frr.conf"
}

# Where a commit waits for its confirmation: a folder of each user, which all see and only he writes. FRR's users have
# no folder that all of them can write, and with one root would obey what others put there. Not in /dev/shm: systemd
# empties that of a user who logs out. A reboot reverts by itself, so the boot's id is kept too.
find_state() {
    sockets=$(cd -P -- "${vty_socket:-/var/run/frr}" && pwd -P) && [ -r "$sockets" ] || exit 83
    instance=$(printf %s "$sockets" | sha256sum | cut -c 1-16)
    user=$(id -u)
    if [ "$user" = 0 ]; then
        state=/run/napalm-frr/$instance
        mkdir -p "$state" && chmod 755 /run/napalm-frr || exit 83
    else
        state=/tmp/napalm-frr-$instance-$user
        mkdir "$state" 2>/dev/null
    fi
    [ -d "$state" ] && [ ! -L "$state" ] && [ -O "$state" ] && chmod 755 "$state" || exit 83
    pending=$state/pending
}

# Only one of us changes a device at a time, the timer that reverts included. What is locked is the folder of the
# sockets: all users of one FRR have it. An end by a signal would leave half a change, so what is begun is finished.
lock() {
    find_state
    exec 9<"$sockets"
    timeout "${1:-$limit}" flock 9 || exit 84
    trap : HUP INT TERM
}

# waits FOLDER: is there a commit of this boot in it?
waits() {
    [ -f "$1/token" ] && [ -f "$1/boot" ] &&
        [ "$(cat "$1/boot" 2>/dev/null)" = "$(cat /proc/sys/kernel/random/boot_id)" ]
}

# Wants the lock: what waited before a reboot is deleted here.
is_pending() {
    waits "$pending" && return
    drop_pending
    return 1
}

# The token first: whatever ends us in between, nothing seems to wait that is only half there.
drop_pending() {
    rm -f "$pending/token"
    rm -rf "$pending"
}

# Does a commit of another user wait? Sets other.
find_other() {
    for other in "/run/napalm-frr/$instance" "/tmp/napalm-frr-$instance"-*; do
        if [ "$other" != "$state" ] && waits "$other/pending"; then
            stat -c %U "$other" >"$folder/other"
            return
        fi
    done
    return 1
}

refuse_other() {
    if find_other; then
        section other "$folder/other"
        exit 93
    fi
}

set_hostname() {
    [ -z "$1" ] || [ "$(uname -n)" = "$1" ] || printf '%s' "$1" >/proc/sys/kernel/hostname
}

# put_back FOLDER: make FOLDER/frr.conf the running configuration. Twice, where once was not enough: frr-reload.py does
# not know the order in which all things can be removed.
put_back() {
    reload "$1" --reload || reload "$1" --reload || return 1
    set_hostname "$(sed -n 's/^hostname //p' "$1/frr.conf" | tail -n 1)" || return 1
    rm -f "$state/hostname"
}

# What is pending becomes undone; when that fails it stays, with the words in $pending/failed.
revert_pending() {
    if put_back "$pending" >"$folder/reverting" 2>&1; then
        drop_pending
    else
        cp "$folder/reverting" "$pending/failed"
        return 1
    fi
}

# The timer's own argument has the token in it, so nobody else's process of the same number is ended.
end_timer() {
    read -r timer <"$pending/pid"
    if grep -q "$(cat "$pending/token")" "/proc/$timer/cmdline" 2>/dev/null; then
        # As dash, busybox and bash all take it: `kill -TERM -- -PID` is an error in dash.
        kill -s TERM -- "-$timer" 2>/dev/null
    fi
}

# save: the running configuration is that of the next boot; a host name that a commit has set likewise.
save() {
    frr -c 'write memory' >"$folder/saved" 2>&1 && keep_hostname
}

keep_hostname() {
    [ -f "$state/hostname" ] || return 0
    [ -z "$hostname_file" ] || uname -n >"$hostname_file" 2>>"$folder/saved" || return 1
    rm -f "$state/hostname"
}

# show_and_save: as show_running and save, into $folder/after and $folder/saved, but with one vtysh: starting it is what
# costs. A running configuration ends with the line `end`.
show_and_save() {
    frr -c 'show running-config no-header' -c 'write memory' >"$folder/both" 2>"$folder/saved"
    code=$?
    sed '/^end$/q' "$folder/both" >"$folder/after"
    sed '1,/^end$/d' "$folder/both" >>"$folder/saved"
    [ "$code" -eq 0 ] && keep_hostname
}
