# The configuration of the next boot: one file, or where `service integrated-vtysh-config` is off, one of each daemon.
# What cannot be read must not look like what is empty.
place=${config_dir:-/etc/frr}
[ -r "$place" ] && [ -x "$place" ] || exit 92
if [ -s "$place/frr.conf" ]; then
    cp "$place/frr.conf" "$folder/startup" || exit 92
else
    : >"$folder/startup"
    for file in "$place"/*d.conf "$place/zebra.conf"; do
        [ ! -s "$file" ] || cat "$file" >>"$folder/startup" || exit 92
    done
fi
section startup "$folder/startup"
