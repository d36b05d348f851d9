# Apply a candidate, and save it when nobody has to confirm it. Wants: kind (replace or merge), bytes, baseline (SHA-256
# of the running configuration that the caller has seen), hostname (empty: as it is), revert_in (seconds, or empty),
# token, timer (a program).
receive candidate "$bytes"
find_reload
lock
refuse_other
if is_pending; then exit 86; fi
if [ -n "$hostname" ] && [ ! -w /proc/sys/kernel/hostname ]; then exit 87; fi
mkdir "$folder/undo" "$folder/new" || exit 80
show_running >"$folder/undo/frr.conf" 2>"$folder/words" || { section words "$folder/words"; exit 85; }
section before "$folder/undo/frr.conf"
seen=$(sha256sum <"$folder/undo/frr.conf")
[ "${seen%% *}" = "$baseline" ] || exit 88

# The timer first: whatever ends us from here on, the device goes back. Whole, or nothing is changed.
arm() {
    rm -rf "$state/arming" && mkdir "$state/arming" && command -v setsid >/dev/null || return 1
    cp "$folder/undo/frr.conf" "$state/arming/frr.conf" && sum=$(sha256sum <"$state/arming/frr.conf") &&
        [ "$sum" = "$seen" ] || return 1
    cat /proc/sys/kernel/random/boot_id >"$state/arming/boot" && printf '%s\n' "$token" >"$state/arming/token" &&
        [ -s "$state/arming/boot" ] && [ "$(cat "$state/arming/token")" = "$token" ] || return 1
    chmod 644 "$state/arming/boot" && chmod 755 "$state/arming" || return 1
    # Room for the id, which is then written in place: nothing is left to fail once the timer runs.
    printf '%-20s\n' none >"$state/arming/pid" && [ -s "$state/arming/pid" ] || return 1
    setsid sh -c "$timer" "napalm-frr-timer-$token" </dev/null >/dev/null 2>&1 9>&- &
    printf '%-20s\n' "$!" 1<>"$state/arming/pid"
    mv "$state/arming" "$pending"
}
if [ -n "$revert_in" ] && ! arm; then
    rm -rf "$state/arming"
    exit 83
fi

if [ "$kind" = replace ]; then
    mv "$folder/candidate" "$folder/new/frr.conf"
    reload "$folder/new" --reload >"$folder/words" 2>&1
else
    frr -f "$folder/candidate" >"$folder/words" 2>&1
fi
code=$?
if [ "$code" -eq 0 ] && [ -n "$hostname" ]; then
    touch "$state/hostname" 2>>"$folder/words" && set_hostname "$hostname" 2>>"$folder/words"
    code=$?
fi
if [ "$code" -ne 0 ]; then
    section words "$folder/words"
    put_back "$folder/undo" >"$folder/undone" 2>&1
    section undone "$folder/undone"
    if [ -n "$revert_in" ]; then
        end_timer
        drop_pending
    fi
fi
if [ "$code" -eq 0 ] && [ -z "$revert_in" ]; then
    show_and_save || code=91
    section words "$folder/saved"
else
    show_running >"$folder/after" 2>&1
    [ "$code" -eq 0 ] || code=90
fi
section after "$folder/after"
exit "$code"
