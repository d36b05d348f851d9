# Does a commit wait for its confirmation? Without the lock, so nothing is changed here.
find_state
if waits "$pending"; then
    [ ! -f "$pending/failed" ] || { section words "$pending/failed"; exit 90; }
elif find_other; then
    section other "$folder/other"
    [ ! -f "$other/pending/failed" ] || exit 90
else
    exit 89
fi
