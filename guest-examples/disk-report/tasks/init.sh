#!/bin/sh
# Names the largest files below the directories that it may read, and says which file systems are full.
# Plain POSIX, and read-only, so a run without effect (noop) is like any other.
set -u
export LC_ALL=C

threshold=${PT_threshold:-90}
count=${PT_count:-5}

fail() {
  printf '{"_error": {"kind": "disk_report/%s", "msg": "%s", "details": {}}}\n' "$1" "$2"
  exit 1
}

# Text inside a JSON string: what is no printable ASCII becomes a question mark.
escape() {
  printf '%s' "$1" | tr '\000-\037\177-\377' '?' | sed 's/[\\"]/\\&/g'
}

# "kibibytes<tab>path" for each file. Some files vanish meanwhile and some are not ours to see: those do not count,
# and neither do names with a newline in them, which could pass for a line of their own.
newline='
'
sizes() {
  for directory in "$@"; do
    find "$directory" -xdev -type f ! -path "*$newline*" -exec du -k {} + 2>/dev/null
  done
}

# Those file systems at or above the threshold, as JSON objects with commas between.
full() {
  comma=
  for directory in "$@"; do
    used=$(df -P "$directory" 2>/dev/null | sed -n '2s/.* \([0-9][0-9]*\)% .*/\1/p')
    if [ -n "$used" ] && [ "$used" -ge "$threshold" ]; then
      printf '%s{"path": "%s", "used_percent": %s}' "$comma" "$(escape "$directory")" "$used"
      comma=', '
    fi
  done
}

# The first lines of standard input, as JSON objects with commas between.
largest() {
  comma=
  while IFS='	' read -r kibibytes path; do
    [ -n "$kibibytes" ] || continue
    printf '%s{"path": "%s", "bytes": %s}' "$comma" "$(escape "$path")" "$((kibibytes * 1024))"
    comma=', '
  done
}

sum() {
  total=0
  while IFS='	' read -r kibibytes path; do
    total=$((total + ${kibibytes:-0}))
  done
  printf '%s' "$((total * 1024))"
}

[ -r /var/log ] || fail unreadable "/var/log cannot be read"
set -- /var/log
# Asked for as optional: without the grant there is no such directory here.
[ -r /var/cache ] && set -- "$@" /var/cache

found=$(sizes "$@" | sort -rn)
printf '{"full": [%s], "largest": [%s], "bytes": %s}\n' \
  "$(full "$@")" \
  "$(printf '%s\n' "$found" | head -n "$count" | largest)" \
  "$(printf '%s\n' "$found" | sum)"
