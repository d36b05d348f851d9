uname -n >"$folder/hostname"
show_running 2>/dev/null | sed -n 's/^domainname //p' >"$folder/domain"
section uptime /proc/uptime
section hostname "$folder/hostname"
section domain "$folder/domain"
