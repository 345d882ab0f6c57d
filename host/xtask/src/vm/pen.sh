# Process 1 of namespaces of its own, in which it mounts what the machine is to see, starts what shares that, and
# becomes the machine, which is "$@". When it ends, and it ends when whoever started it does, everything in them ends
# with it: no process and no mount is left. Nothing is written but in the working directory.
set -eu

# Whoever shares directories keeps a file there.
mount -t tmpfs tmpfs /run
mkdir -p share
mount -t tmpfs -o mode=755 tmpfs share
share() {
  mkdir "share/$2"
  # Without what is mounted below.
  mount --bind "$1" "share/$2"
  mount -o remount,bind,ro "share/$2"
}
share /usr usr
share /etc etc
share stage stage
for name in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$name" ]; then
    cp -P "/$name" share
  elif [ -d "/$name" ]; then
    share "/$name" "$name"
  fi
done

rm -f share.socket
LD_LIBRARY_PATH="$LIBRARIES" "$SHARER" -f --socket-path=share.socket -o source="$PWD/share" -o cache=always \
  >share.log 2>&1 &
tries=100
until [ -S share.socket ]; do
  tries=$((tries - 1))
  if [ "$tries" = 0 ]; then
    cat share.log
    echo "::broken $SHARER does not share anything"
    exit 1
  fi
  sleep 0.1
done
LD_LIBRARY_PATH="$LIBRARIES" exec "$@"
