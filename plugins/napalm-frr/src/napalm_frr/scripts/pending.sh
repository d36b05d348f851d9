# Does a commit wait for its confirmation?
find_state
is_pending || exit 89
[ ! -f "$pending/failed" ] || { section words "$pending/failed"; exit 90; }
