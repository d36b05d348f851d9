# inside.sh FOLDER SETUP: becomes process 1 of a machine that has this host's files, and an overlay for what it writes.
#
# Runs in new namespaces of every kind. SETUP: a script, run in the machine before systemd.
set -eu
folder=$1
machine=$folder/overlay/root
mount -t tmpfs -o mode=755 none "$folder/overlay"
mkdir "$folder/overlay/upper" "$folder/overlay/work" "$machine"
mount -t overlay -o "lowerdir=/,upperdir=$folder/overlay/upper,workdir=$folder/overlay/work" none "$machine"
mount -t proc proc "$machine/proc"
mount -t sysfs -o ro sysfs "$machine/sys"
mount -t tmpfs -o mode=755 none "$machine/sys/fs/cgroup"
mkdir "$machine/sys/fs/cgroup/systemd"
mount -t cgroup -o none,name=systemd cgroup "$machine/sys/fs/cgroup/systemd"
mount -t tmpfs -o mode=755 none "$machine/run"
mount -t tmpfs none "$machine/tmp"
cp "$2" "$machine/run/setup"
mount -t tmpfs -o mode=755 none "$machine/dev"
for name in null zero full random urandom tty; do
    : >"$machine/dev/$name"
    mount --bind "/dev/$name" "$machine/dev/$name"
done
mkdir "$machine/dev/pts" "$machine/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$machine/dev/pts"
ln -s pts/ptmx "$machine/dev/ptmx"
cd "$machine"
mkdir -p .outside
pivot_root . .outside
cd /
umount -l .outside
sh /run/setup
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=kmsg \
    --log-level=crit --unit=multi-user.target
