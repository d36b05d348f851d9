# The configuration of the next boot: one file, or where `service integrated-vtysh-config` is off, one of each daemon.
place=${config_dir:-/etc/frr}
if [ -s "$place/frr.conf" ]; then
    cp "$place/frr.conf" "$folder/startup" || exit 92
else
    for file in "$place"/*d.conf "$place/zebra.conf"; do
        [ ! -s "$file" ] || cat "$file"
    done >"$folder/startup"
fi
section startup "$folder/startup"
