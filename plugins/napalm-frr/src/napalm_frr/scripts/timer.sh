# Runs on the device by itself: reverts a commit that nobody confirmed. Wants: revert_in, token.
find_state
sleep "$revert_in"
lock 86400
if is_pending && [ "$(cat "$pending/token")" = "$token" ]; then
    find_reload
    revert_pending
fi
