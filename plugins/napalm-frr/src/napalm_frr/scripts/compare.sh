# What frr-reload.py would do to reach the target. Wants: bytes.
find_reload
receive frr.conf "$bytes"
reload "$folder" --test >"$folder/diff" 2>"$folder/words"
code=$?
section diff "$folder/diff"
section words "$folder/words"
[ "$code" -eq 0 ] || exit 90
