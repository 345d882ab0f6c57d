#!/bin/sh
# Does what PT_do says. README.md says what each is; py.py and ../src/main.rs do the same.

x() {
    head -c "$PT_bytes" /dev/zero | tr '\0' x
}

# What the shell was started with, and not what it has made of it.
environment() {
    cat "/proc/$$/environ"
}

change() {
    cd "$PT_path" &&
        mkdir below &&
        printf %s "$PT_text" > below/new.txt &&
        printf %s "$PT_text" >> old.txt &&
        mv below/new.txt moved.txt &&
        rm doomed.txt &&
        rmdir below &&
        ls
}

scratch() {
    printf %s "$PT_text" > beside.txt && cat beside.txt "$HOME/beside.txt" &&
        mkdir below && printf %s "$PT_text" > below/inner.txt && cat ./below/inner.txt &&
        printf %s "$PT_text" > "$TMPDIR/temporary.txt" && cat "$TMPDIR/temporary.txt"
}

secret() {
    case $(cat) in
        *"$PT_secret"*) echo "{\"on_stdin\": true, \"characters\": ${#PT_secret}}" ;;
        *) echo "{\"on_stdin\": false, \"characters\": ${#PT_secret}}" ;;
    esac
}

# Waits once both streams have said the text.
wait_long() {
    printf %s "$PT_text"
    printf %s "$PT_text" >&2
    sleep 300
}

# One block, which the reading fills.
grow() {
    dd if=/dev/zero of=/dev/null bs="$PT_bytes" count=1 status=none iflag=fullblock && echo grown
}

case ${PT_do-input} in
    input) printf 'stdin\0' && cat && printf '\0environment\0' && environment ;;
    secret) secret ;;
    print) printf %s "$PT_text" ;;
    complain) printf %s "$PT_text" >&2 ;;
    not-utf8) printf 'a\377b' && printf 'c\377d' >&2 ;;
    flood) x ;;
    flood-stderr) x >&2 ;;
    flood-late) printf %s "$PT_text" >&2 && sleep 1 && x ;;
    leave) printf %s "$PT_text" > "$HOST_OUT/$PT_path" ;;
    scratch) scratch ;;
    installed) cat "$PT__installdir/conformance/files/greeting.txt" ;;
    exists) if [ -e "$PT_path" ]; then echo yes; else echo no; fi ;;
    read) cat "$PT_path" ;;
    list) ls "$PT_path/" ;;
    # A redirection would be worded by the shell; tee gives the system's own word.
    write) printf %s "$PT_text" | tee "$PT_path" > /dev/null ;;
    change) change ;;
    sleep) wait_long ;;
    spin) while :; do :; done ;;
    grow) grow ;;
    abort) kill -ABRT $$ ;;
    *) echo "there is no \`$PT_do\`" >&2 && exit 2 ;;
esac || exit 1
exit "${PT_code:-0}"
