#!/bin/busybox sh
# The first program of the machine, in the archive that its kernel starts with. It makes a system of the disk, which is
# empty, and of directories of the machine outside, which cannot be written, and hands over to the tests.
#
# The root is a file system of its own and not an overlay, as on most machines: an overlay has no id-mapped mounts.

export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
# The kernel's own words go to the first line, ours and those of the tests to the second.
exec </dev/null >/dev/ttyS1 2>&1
stty raw -echo </dev/ttyS1

fail() {
  echo "::broken $1"
  reboot -f
}

for module in /modules/*; do
  insmod "$module" || fail "the module $module cannot be loaded"
done
mount -t ext4 /dev/vda /system || fail "the disk cannot be mounted"
mount -t virtiofs -o ro share /share || fail "the shared directories cannot be mounted"
cd /system || fail "there is no disk"
mkdir -p dev home mnt opt proc root run srv sys tmp var/cache var/lib var/log var/tmp
chmod 700 root
chmod 1777 tmp var/tmp
for shared in /share/*; do
  name="${shared##*/}"
  if [ -L "$shared" ]; then
    cp -a "$shared" "$name"
  else
    mkdir "$name"
    mount -o bind "$shared" "$name" || fail "$name cannot be mounted"
  fi
done
for moved in dev proc sys; do
  mount -o move "/$moved" "$moved"
done
# A root that was only changed into, and not switched to, lets nobody make user namespaces.
exec switch_root . /bin/sh /stage/tests.sh
