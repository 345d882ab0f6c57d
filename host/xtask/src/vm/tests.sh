# Process 1 of the machine once its root is made. Says what the machine is, runs the tests as root and as an ordinary
# user, and ends the machine. Lines that begin with `::` are for whoever started it; everything else is for people.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 NO_COLOR=1
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t securityfs securityfs /sys/kernel/security
/stage/busybox ip link set lo up

echo "::is kernel $(uname -r)"
echo "::is controllers $(cat /sys/fs/cgroup/cgroup.controllers)"
echo "::is security $(cat /sys/kernel/security/lsm)"

export HOST_TEST_BIN=/stage/host HOST_TEST_DATA=/stage/package/tests HOST_TEST_GUESTS=/stage/guests
export CARGO_MANIFEST_DIR=/stage/package
seconds=$(cat /stage/seconds)

# as NAME PREFIX...: what `host doctor` says, and the tests, by way of the prefix.
as() {
  echo "::as $1"
  export HOME="/home/$1"
  shift
  "$@" /stage/host doctor
  echo "::tests"
  started=$(date +%s)
  "$@" timeout --kill-after=5 "$seconds" /stage/it --color never --exact $(cat /stage/names)
  echo "::ended $? $(($(date +%s) - started))"
}

mkdir /home/root /home/nobody
chown nobody /home/nobody
cd /stage/package
as root env
as nobody setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups
echo "::done"
/stage/busybox reboot -f
