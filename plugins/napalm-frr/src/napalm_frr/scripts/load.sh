# Is the candidate well formed, and for daemons that run? Wants: bytes.
receive candidate "$bytes"
frr -C -f "$folder/candidate" >"$folder/words" 2>&1 &
# Starting vtysh costs most, so one for both: the daemons are the first line.
frr -c 'show daemons' -c 'show running-config no-header' >"$folder/state" 2>"$folder/failed" || {
    wait "$!"
    cat "$folder/state" >>"$folder/failed"
    section words "$folder/failed"
    exit 85
}
wait "$!"
code=$?
section state "$folder/state"
section words "$folder/words"
[ "$code" -eq 0 ] || exit 90
