# Keep what waits. Wants: token (of the caller's own commit, or empty: whichever of this user waits).
# The lock decides between this and the timer: whoever has it first.
lock
is_pending || { refuse_other; exit 89; }
[ -z "$token" ] || [ "$(cat "$pending/token")" = "$token" ] || exit 86
save
code=$?
section words "$folder/saved"
[ "$code" -eq 0 ] || exit 90
end_timer
drop_pending
