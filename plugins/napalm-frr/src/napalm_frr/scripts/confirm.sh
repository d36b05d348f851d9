# The lock decides between this and the timer: whoever has it first.
lock
is_pending || exit 89
save
code=$?
section words "$folder/saved"
[ "$code" -eq 0 ] || exit 90
end_timer
rm -rf "$pending"
