# After a commit that nobody has to confirm.
lock
save
code=$?
section words "$folder/saved"
[ "$code" -eq 0 ] || exit 90
