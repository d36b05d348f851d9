# Is the candidate well formed, and for daemons that run? Wants: bytes.
receive candidate "$bytes"
show_running >"$folder/running" 2>"$folder/words" || { section words "$folder/words"; exit 85; }
frr -c 'show daemons' >"$folder/daemons" 2>&1
frr -C -f "$folder/candidate" >"$folder/words" 2>&1
code=$?
section running "$folder/running"
section daemons "$folder/daemons"
section words "$folder/words"
[ "$code" -eq 0 ] || exit 90
