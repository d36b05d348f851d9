# Back to what was before: the pending commit's, or else what the caller sends. Wants: bytes, keep (1: save it too),
# token (of the caller's own commit that may wait). Who has something to send does not revert another session's.
receive frr.conf "$bytes"
find_reload
lock
if is_pending; then
    if [ "$bytes" -gt 0 ] && [ "$(cat "$pending/token")" != "$token" ]; then exit 86; fi
    cp "$pending/frr.conf" "$folder/frr.conf" || exit 80
    end_timer
    revert_pending
    code=$?
    keep=
elif find_other; then
    section other "$folder/other"
    exit 93
elif [ "$bytes" -eq 0 ]; then
    exit 89
else
    put_back "$folder" >"$folder/reverting" 2>&1
    code=$?
fi
show_running >"$folder/after" 2>&1
section wanted "$folder/frr.conf"
section after "$folder/after"
section words "$folder/reverting"
[ "$code" -eq 0 ] || exit 90
if [ -n "$keep" ]; then
    save
    code=$?
    section words "$folder/saved"
    [ "$code" -eq 0 ] || exit 91
fi
