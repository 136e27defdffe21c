#!/bin/sh
# The first process of the guest: this machine's files under an overlay, then the program that was asked for.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
modules=/usr/lib/uml/modules/$(uname -r)

if [ "${1:-}" != below ]; then
    mount -t proc proc /proc
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/upper /mnt/work /mnt/root
    overlay=$modules/kernel/fs/overlayfs/overlay.ko
    [ ! -e "$overlay" ] || insmod "$overlay"
    mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
    cd /mnt/root && pivot_root . mnt && exec chroot . "$0" below
fi

power_off() {
    # No sync(2): it would wait for servers that are gone.
    sync "$GUEST_OUT/status"
    echo o >/proc/sysrq-trigger
    sleep 5
}
trap power_off EXIT
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
ln -sfn /proc/self/fd /dev/fd
for place in /run /var/lib/nfs /var/log; do
    mkdir -p "$place"
    mount -t tmpfs tmpfs "$place"
done
mkdir -p /lib/modules "$GUEST_OUT" /guest
ln -sfn "$modules" "/lib/modules/$(uname -r)"
mount -t hostfs none "$GUEST_OUT" -o "$GUEST_OUT"
mount -t tmpfs tmpfs /guest
ip link set lo up
hostname guest
cd "$GUEST_TOP" || exit 1
"$GUEST_PYTHON" -I -S "$GUEST_TOP/tests/nfs/follow.py" "$GUEST_OUT" >"$GUEST_OUT/stdout" 2>"$GUEST_OUT/stderr"
echo $? >"$GUEST_OUT/status"
