;; Does what it is told, as the module in `obedient.wat` does, through WASI 0.2: the same arguments mean the same calls,
;; and those that only one of them has take the place of what the other lacks, or follow behind.
;;
;; What comes back is gathered in a buffer, which is written to the file `leak` of the second directory at the end.
(component
  ;; What WASI has. The linker compares every type to the last name, and gives nothing that is not asked for here.
  (import "wasi:io/error@0.2.0" (instance $io-error
    (export "error" (type $error (sub resource)))
    (export "[method]error.to-debug-string" (func (param "self" (borrow $error)) (result string)))))
  (alias export $io-error "error" (type $error))

  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "error" (type (eq $error)))
    (type $failure (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $failure)))
    (export "input-stream" (type $input (sub resource)))
    (export "output-stream" (type $output (sub resource)))
    (export "[method]input-stream.blocking-read" (func (param "self" (borrow $input)) (param "len" u64)
      (result (result (list u8) (error $stream-error)))))
    (export "[method]output-stream.blocking-write-and-flush" (func (param "self" (borrow $output))
      (param "contents" (list u8)) (result (result (error $stream-error)))))
    (export "[method]output-stream.blocking-splice" (func (param "self" (borrow $output))
      (param "src" (borrow $input)) (param "len" u64) (result (result u64 (error $stream-error)))))))
  (alias export $streams "input-stream" (type $input-stream))
  (alias export $streams "output-stream" (type $output-stream))

  (import "wasi:filesystem/types@0.2.0" (instance $types
    (export "input-stream" (type (eq $input-stream)))
    (export "output-stream" (type (eq $output-stream)))
    (type $kinds (enum "unknown" "block-device" "character-device" "directory" "fifo" "symbolic-link" "regular-file"
      "socket"))
    (export "descriptor-type" (type $kind (eq $kinds)))
    (type $modes (flags "read" "write" "file-integrity-sync" "data-integrity-sync" "requested-write-sync"
      "mutate-directory"))
    (export "descriptor-flags" (type $flags (eq $modes)))
    (type $ways (flags "symlink-follow"))
    (export "path-flags" (type $path-flags (eq $ways)))
    (type $openings (flags "create" "directory" "exclusive" "truncate"))
    (export "open-flags" (type $open-flags (eq $openings)))
    (type $moment (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $moment)))
    (type $times (variant (case "no-change") (case "now") (case "timestamp" $datetime)))
    (export "new-timestamp" (type $time (eq $times)))
    (type $attributes (record (field "type" $kind) (field "link-count" u64) (field "size" u64)
      (field "data-access-timestamp" (option $datetime)) (field "data-modification-timestamp" (option $datetime))
      (field "status-change-timestamp" (option $datetime))))
    (export "descriptor-stat" (type $stat (eq $attributes)))
    (type $item (record (field "type" $kind) (field "name" string)))
    (export "directory-entry" (type $entry (eq $item)))
    (type $halves (record (field "lower" u64) (field "upper" u64)))
    (export "metadata-hash-value" (type $hash (eq $halves)))
    (type $purposes (enum "normal" "sequential" "random" "will-need" "dont-need" "no-reuse"))
    (export "advice" (type $advice (eq $purposes)))
    (type $codes (enum "access" "would-block" "already" "bad-descriptor" "busy" "deadlock" "quota" "exist"
      "file-too-large" "illegal-byte-sequence" "in-progress" "interrupted" "invalid" "io" "is-directory" "loop"
      "too-many-links" "message-size" "name-too-long" "no-device" "no-entry" "no-lock" "insufficient-memory"
      "insufficient-space" "not-directory" "not-empty" "not-recoverable" "unsupported" "no-tty" "no-such-device"
      "overflow" "not-permitted" "pipe" "read-only" "invalid-seek" "text-file-busy" "cross-device"))
    (export "error-code" (type $code (eq $codes)))
    (export "descriptor" (type $descriptor (sub resource)))
    (export "directory-entry-stream" (type $entries (sub resource)))

    (export "[method]descriptor.read-via-stream" (func (param "self" (borrow $descriptor)) (param "offset" u64)
      (result (result (own $input-stream) (error $code)))))
    (export "[method]descriptor.write-via-stream" (func (param "self" (borrow $descriptor)) (param "offset" u64)
      (result (result (own $output-stream) (error $code)))))
    (export "[method]descriptor.append-via-stream" (func (param "self" (borrow $descriptor))
      (result (result (own $output-stream) (error $code)))))
    (export "[method]descriptor.advise" (func (param "self" (borrow $descriptor)) (param "offset" u64)
      (param "length" u64) (param "advice" $advice) (result (result (error $code)))))
    (export "[method]descriptor.sync-data" (func (param "self" (borrow $descriptor)) (result (result (error $code)))))
    (export "[method]descriptor.get-flags" (func (param "self" (borrow $descriptor))
      (result (result $flags (error $code)))))
    (export "[method]descriptor.get-type" (func (param "self" (borrow $descriptor))
      (result (result $kind (error $code)))))
    (export "[method]descriptor.set-size" (func (param "self" (borrow $descriptor)) (param "size" u64)
      (result (result (error $code)))))
    (export "[method]descriptor.set-times" (func (param "self" (borrow $descriptor))
      (param "data-access-timestamp" $time) (param "data-modification-timestamp" $time)
      (result (result (error $code)))))
    (export "[method]descriptor.read" (func (param "self" (borrow $descriptor)) (param "length" u64)
      (param "offset" u64) (result (result (tuple (list u8) bool) (error $code)))))
    (export "[method]descriptor.write" (func (param "self" (borrow $descriptor)) (param "buffer" (list u8))
      (param "offset" u64) (result (result u64 (error $code)))))
    (export "[method]descriptor.read-directory" (func (param "self" (borrow $descriptor))
      (result (result (own $entries) (error $code)))))
    (export "[method]descriptor.sync" (func (param "self" (borrow $descriptor)) (result (result (error $code)))))
    (export "[method]descriptor.create-directory-at" (func (param "self" (borrow $descriptor)) (param "path" string)
      (result (result (error $code)))))
    (export "[method]descriptor.stat" (func (param "self" (borrow $descriptor))
      (result (result $stat (error $code)))))
    (export "[method]descriptor.stat-at" (func (param "self" (borrow $descriptor)) (param "path-flags" $path-flags)
      (param "path" string) (result (result $stat (error $code)))))
    (export "[method]descriptor.set-times-at" (func (param "self" (borrow $descriptor))
      (param "path-flags" $path-flags) (param "path" string) (param "data-access-timestamp" $time)
      (param "data-modification-timestamp" $time) (result (result (error $code)))))
    (export "[method]descriptor.link-at" (func (param "self" (borrow $descriptor))
      (param "old-path-flags" $path-flags) (param "old-path" string) (param "new-descriptor" (borrow $descriptor))
      (param "new-path" string) (result (result (error $code)))))
    (export "[method]descriptor.open-at" (func (param "self" (borrow $descriptor)) (param "path-flags" $path-flags)
      (param "path" string) (param "open-flags" $open-flags) (param "flags" $flags)
      (result (result (own $descriptor) (error $code)))))
    (export "[method]descriptor.readlink-at" (func (param "self" (borrow $descriptor)) (param "path" string)
      (result (result string (error $code)))))
    (export "[method]descriptor.remove-directory-at" (func (param "self" (borrow $descriptor)) (param "path" string)
      (result (result (error $code)))))
    (export "[method]descriptor.rename-at" (func (param "self" (borrow $descriptor)) (param "old-path" string)
      (param "new-descriptor" (borrow $descriptor)) (param "new-path" string) (result (result (error $code)))))
    (export "[method]descriptor.symlink-at" (func (param "self" (borrow $descriptor)) (param "old-path" string)
      (param "new-path" string) (result (result (error $code)))))
    (export "[method]descriptor.unlink-file-at" (func (param "self" (borrow $descriptor)) (param "path" string)
      (result (result (error $code)))))
    (export "[method]descriptor.is-same-object" (func (param "self" (borrow $descriptor))
      (param "other" (borrow $descriptor)) (result bool)))
    (export "[method]descriptor.metadata-hash" (func (param "self" (borrow $descriptor))
      (result (result $hash (error $code)))))
    (export "[method]descriptor.metadata-hash-at" (func (param "self" (borrow $descriptor))
      (param "path-flags" $path-flags) (param "path" string) (result (result $hash (error $code)))))
    (export "[method]directory-entry-stream.read-directory-entry" (func (param "self" (borrow $entries))
      (result (result (option $entry) (error $code)))))))
  (alias export $types "descriptor" (type $descriptor))
  (alias export $types "directory-entry-stream" (type $directory-entry-stream))

  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (export "descriptor" (type (eq $descriptor)))
    (export "get-directories" (func (result (list (tuple (own $descriptor) string)))))))
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-arguments" (func (result (list string))))))

  ;; 0x100: handles of descriptors, one in each of sixteen slots; no handle is zero, so that zero is an empty slot.
  ;; 0x200: what a call returns. 0x10000: the buffer. 0x20000 to the end: lists and strings that calls return.
  (core module $Memory
    (memory (export "memory") 4)
    (global $start (mut i32) (i32.const 0x20000))
    (global $free (mut i32) (i32.const 0x20000))

    ;; Whoever asks has the whole length from the start: nothing grows, and so nothing is copied.
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (local.get $at))
    ;; Keeps what was returned until now for good, or forgets what was returned since.
    (func (export "keep") (global.set $start (global.get $free)))
    (func (export "forget") (global.set $free (global.get $start))))
  (core instance $memory (instantiate $Memory))
  (alias core export $memory "memory" (core memory $bytes))
  (alias core export $memory "realloc" (core func $realloc))

  (core func $get-arguments
    (canon lower (func $environment "get-arguments") (memory $bytes) (realloc $realloc)))
  (core func $get-directories
    (canon lower (func $preopens "get-directories") (memory $bytes) (realloc $realloc)))
  (core func $debug
    (canon lower (func $io-error "[method]error.to-debug-string") (memory $bytes) (realloc $realloc)))
  (core func $stream-read
    (canon lower (func $streams "[method]input-stream.blocking-read") (memory $bytes) (realloc $realloc)))
  (core func $stream-write
    (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $bytes)))
  (core func $splice
    (canon lower (func $streams "[method]output-stream.blocking-splice") (memory $bytes)))
  (core func $read-stream
    (canon lower (func $types "[method]descriptor.read-via-stream") (memory $bytes)))
  (core func $write-stream
    (canon lower (func $types "[method]descriptor.write-via-stream") (memory $bytes)))
  (core func $append-stream
    (canon lower (func $types "[method]descriptor.append-via-stream") (memory $bytes)))
  (core func $advise
    (canon lower (func $types "[method]descriptor.advise") (memory $bytes)))
  (core func $sync-data
    (canon lower (func $types "[method]descriptor.sync-data") (memory $bytes)))
  (core func $get-flags
    (canon lower (func $types "[method]descriptor.get-flags") (memory $bytes)))
  (core func $get-type
    (canon lower (func $types "[method]descriptor.get-type") (memory $bytes)))
  (core func $set-size
    (canon lower (func $types "[method]descriptor.set-size") (memory $bytes)))
  (core func $set-times
    (canon lower (func $types "[method]descriptor.set-times") (memory $bytes)))
  (core func $read
    (canon lower (func $types "[method]descriptor.read") (memory $bytes) (realloc $realloc)))
  (core func $write
    (canon lower (func $types "[method]descriptor.write") (memory $bytes)))
  (core func $read-directory
    (canon lower (func $types "[method]descriptor.read-directory") (memory $bytes)))
  (core func $sync
    (canon lower (func $types "[method]descriptor.sync") (memory $bytes)))
  (core func $create-directory
    (canon lower (func $types "[method]descriptor.create-directory-at") (memory $bytes)))
  (core func $stat
    (canon lower (func $types "[method]descriptor.stat") (memory $bytes)))
  (core func $stat-at
    (canon lower (func $types "[method]descriptor.stat-at") (memory $bytes)))
  (core func $set-times-at
    (canon lower (func $types "[method]descriptor.set-times-at") (memory $bytes)))
  (core func $link
    (canon lower (func $types "[method]descriptor.link-at") (memory $bytes)))
  (core func $open
    (canon lower (func $types "[method]descriptor.open-at") (memory $bytes)))
  (core func $readlink
    (canon lower (func $types "[method]descriptor.readlink-at") (memory $bytes) (realloc $realloc)))
  (core func $remove-directory
    (canon lower (func $types "[method]descriptor.remove-directory-at") (memory $bytes)))
  (core func $rename
    (canon lower (func $types "[method]descriptor.rename-at") (memory $bytes)))
  (core func $symlink
    (canon lower (func $types "[method]descriptor.symlink-at") (memory $bytes)))
  (core func $unlink
    (canon lower (func $types "[method]descriptor.unlink-file-at") (memory $bytes)))
  (core func $is-same
    (canon lower (func $types "[method]descriptor.is-same-object")))
  (core func $hash
    (canon lower (func $types "[method]descriptor.metadata-hash") (memory $bytes)))
  (core func $hash-at
    (canon lower (func $types "[method]descriptor.metadata-hash-at") (memory $bytes)))
  (core func $read-entry
    (canon lower (func $types "[method]directory-entry-stream.read-directory-entry") (memory $bytes)
      (realloc $realloc)))
  (core func $drop-error (canon resource.drop $error))
  (core func $drop-input (canon resource.drop $input-stream))
  (core func $drop-output (canon resource.drop $output-stream))
  (core func $drop-descriptor (canon resource.drop $descriptor))
  (core func $drop-entries (canon resource.drop $directory-entry-stream))

  (core module $Program
    (import "memory" "memory" (memory 4))
    (import "memory" "keep" (func $keep))
    (import "memory" "forget" (func $forget))
    ;; The last parameter of nearly all is where they put what they return.
    (import "wasi" "get-arguments" (func $get-arguments (param i32)))
    (import "wasi" "get-directories" (func $get-directories (param i32)))
    (import "wasi" "debug" (func $debug (param i32 i32)))
    (import "wasi" "stream-read" (func $stream-read (param i32 i64 i32)))
    (import "wasi" "stream-write" (func $stream-write (param i32 i32 i32 i32)))
    (import "wasi" "splice" (func $splice (param i32 i32 i64 i32)))
    (import "wasi" "read-stream" (func $read-stream (param i32 i64 i32)))
    (import "wasi" "write-stream" (func $write-stream (param i32 i64 i32)))
    (import "wasi" "append-stream" (func $append-stream (param i32 i32)))
    (import "wasi" "advise" (func $advise (param i32 i64 i64 i32 i32)))
    (import "wasi" "sync-data" (func $sync-data (param i32 i32)))
    (import "wasi" "get-flags" (func $get-flags (param i32 i32)))
    (import "wasi" "get-type" (func $get-type (param i32 i32)))
    (import "wasi" "set-size" (func $set-size (param i32 i64 i32)))
    (import "wasi" "set-times" (func $set-times (param i32 i32 i64 i32 i32 i64 i32 i32)))
    (import "wasi" "read" (func $read (param i32 i64 i64 i32)))
    (import "wasi" "write" (func $write (param i32 i32 i32 i64 i32)))
    (import "wasi" "read-directory" (func $read-directory (param i32 i32)))
    (import "wasi" "sync" (func $sync (param i32 i32)))
    (import "wasi" "create-directory" (func $create-directory (param i32 i32 i32 i32)))
    (import "wasi" "stat" (func $stat (param i32 i32)))
    (import "wasi" "stat-at" (func $stat-at (param i32 i32 i32 i32 i32)))
    (import "wasi" "set-times-at" (func $set-times-at (param i32 i32 i32 i32 i32 i64 i32 i32 i64 i32 i32)))
    (import "wasi" "link" (func $link (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "wasi" "open" (func $open (param i32 i32 i32 i32 i32 i32 i32)))
    (import "wasi" "readlink" (func $readlink (param i32 i32 i32 i32)))
    (import "wasi" "remove-directory" (func $remove-directory (param i32 i32 i32 i32)))
    (import "wasi" "rename" (func $rename (param i32 i32 i32 i32 i32 i32 i32)))
    (import "wasi" "symlink" (func $symlink (param i32 i32 i32 i32 i32 i32)))
    (import "wasi" "unlink" (func $unlink (param i32 i32 i32 i32)))
    (import "wasi" "is-same" (func $is-same (param i32 i32) (result i32)))
    (import "wasi" "hash" (func $hash (param i32 i32)))
    (import "wasi" "hash-at" (func $hash-at (param i32 i32 i32 i32 i32)))
    (import "wasi" "read-entry" (func $read-entry (param i32 i32)))
    (import "wasi" "drop-error" (func $drop-error (param i32)))
    (import "wasi" "drop-input" (func $drop-input (param i32)))
    (import "wasi" "drop-output" (func $drop-output (param i32)))
    (import "wasi" "drop-descriptor" (func $drop-descriptor (param i32)))
    (import "wasi" "drop-entries" (func $drop-entries (param i32)))

    (global $arguments (mut i32) (i32.const 0))
    (global $letters (mut i32) (i32.const 0))
    (global $at (mut i32) (i32.const 0))
    (global $filled (mut i32) (i32.const 0))
    (data (i32.const 0x300) "leak")

    (type $op (func))
    (table funcref (elem
      ;; As in the module, but that moving a descriptor is our own doing, and that the two calls of preview 1 which WASI
      ;; 0.2 has not, to allocate and to set the flags of a file, are those to write and to append to it by a stream.
      $do-open $do-close $do-read $do-write $do-create-directory $do-remove-directory $do-unlink $do-rename $do-link
      $do-symlink $do-readlink $do-move $do-set-size $do-set-times-at $do-list $do-stream-write $do-stream-append
      ;; Beyond.
      $do-stream-read $do-splice $do-stat $do-stat-at $do-hash $do-hash-at $do-compare $do-set-times $do-describe
      $do-sync $do-directories))

    ;; What the call at hand says.
    (func $byte (param $offset i32) (result i32)
      (local $p i32)
      (local.set $p (i32.add (global.get $at) (i32.shl (local.get $offset) (i32.const 1))))
      (i32.or
        (i32.shl (i32.and (i32.sub (i32.load8_u (local.get $p)) (i32.const 97)) (i32.const 15)) (i32.const 4))
        (i32.and (i32.sub (i32.load8_u offset=1 (local.get $p)) (i32.const 97)) (i32.const 15))))
    (func $slot (param $offset i32) (result i32)
      (i32.add (i32.const 0x100) (i32.shl (i32.and (call $byte (local.get $offset)) (i32.const 15)) (i32.const 2))))
    (func $fd (result i32) (i32.load (call $slot (i32.const 1))))
    (func $other (result i32) (i32.load (call $slot (i32.const 2))))
    (func $argument (param $offset i32) (result i32 i32)
      (local $p i32)
      (local.set $p (i32.add (global.get $arguments)
        (i32.shl (i32.add (i32.const 2) (i32.and (call $byte (local.get $offset)) (i32.const 63))) (i32.const 3))))
      (i32.load (local.get $p))
      (i32.load offset=4 (local.get $p)))
    (func $path (result i32 i32) (call $argument (i32.const 3)))
    (func $other-path (result i32 i32) (call $argument (i32.const 4)))
    (func $flag (param $bit i32) (result i32)
      (i32.and (i32.shr_u (call $byte (i32.const 5)) (local.get $bit)) (i32.const 1)))
    (func $follow (result i32) (call $flag (i32.const 0)))
    (func $number (result i64) (i64.extend_i32_u (call $byte (i32.const 7))))
    ;; A time to set, by two bits that are those of preview 1: to the given one, to now, or to neither and to both not.
    (func $time (param $shift i32) (result i32)
      (i32.rem_u (i32.sub (i32.const 3)
        (i32.and (i32.shr_u (call $byte (i32.const 6)) (local.get $shift)) (i32.const 3))) (i32.const 3)))
    (func $times (result i32 i64 i32 i32 i64 i32)
      (call $time (i32.const 0)) (i64.const 0) (i32.const 1)
      (call $time (i32.const 2)) (i64.const 0) (i32.const 2))

    ;; What it returned.
    (func $is-ok (result i32) (i32.eqz (i32.load8_u (i32.const 0x200))))
    (func $learn (param $start i32) (param $length i32)
      (if (i32.gt_u (i32.add (global.get $filled) (local.get $length)) (i32.const 0x10000)) (then (return)))
      (memory.copy (i32.add (i32.const 0x10000) (global.get $filled)) (local.get $start) (local.get $length))
      (global.set $filled (i32.add (global.get $filled) (local.get $length))))
    ;; A failure of a stream may have more to say, and says it in a handle that must not be left.
    (func $hear (param $error i32)
      (local $handle i32)
      (if (i32.or (call $is-ok) (i32.load8_u (local.get $error))) (then (return)))
      (local.set $handle (i32.load offset=4 (local.get $error)))
      (call $debug (local.get $handle) (i32.const 0x200))
      (call $learn (i32.load (i32.const 0x200)) (i32.load (i32.const 0x204)))
      (call $drop-error (local.get $handle)))
    ;; A descriptor goes to the first empty slot, as in preview 1, and is closed at once where there is none.
    (func $hold (param $handle i32)
      (local $slot i32)
      (local.set $slot (i32.const 0x100))
      (loop $next
        (if (i32.eqz (i32.load (local.get $slot)))
          (then (i32.store (local.get $slot) (local.get $handle)) (return)))
        (local.set $slot (i32.add (local.get $slot) (i32.const 4)))
        (br_if $next (i32.lt_u (local.get $slot) (i32.const 0x140))))
      (call $drop-descriptor (local.get $handle)))

    (func $do-open
      (call $open (call $fd) (call $follow) (call $path)
        (i32.and (i32.shr_u (call $byte (i32.const 5)) (i32.const 1)) (i32.const 15))
        ;; To read unless the last bit says no, to write, to change a directory, and to wait for the disk.
        (i32.or
          (i32.or (i32.xor (call $flag (i32.const 7)) (i32.const 1)) (i32.shl (call $flag (i32.const 5)) (i32.const 1)))
          (i32.or (i32.shl (call $flag (i32.const 6)) (i32.const 5))
            (i32.and (call $byte (i32.const 6)) (i32.const 0x1c))))
        (i32.const 0x200))
      (if (call $is-ok) (then (call $hold (i32.load (i32.const 0x204))))))
    (func $do-close
      (call $drop-descriptor (call $fd))
      (i32.store (call $slot (i32.const 1)) (i32.const 0)))
    (func $do-read
      (call $read (call $fd) (i64.const 256) (call $number) (i32.const 0x200))
      (if (call $is-ok) (then (call $learn (i32.load (i32.const 0x204)) (i32.load (i32.const 0x208))))))
    (func $do-write
      (call $write (call $fd) (global.get $letters) (i32.const 16) (call $number) (i32.const 0x200)))
    (func $do-create-directory (call $create-directory (call $fd) (call $path) (i32.const 0x200)))
    (func $do-remove-directory (call $remove-directory (call $fd) (call $path) (i32.const 0x200)))
    (func $do-unlink (call $unlink (call $fd) (call $path) (i32.const 0x200)))
    (func $do-rename
      (if (call $other) (then
        (call $rename (call $fd) (call $path) (call $other) (call $other-path) (i32.const 0x200)))))
    (func $do-link
      (if (call $other) (then
        (call $link (call $fd) (call $follow) (call $path) (call $other) (call $other-path) (i32.const 0x200)))))
    (func $do-symlink
      (if (call $other) (then (call $symlink (call $other) (call $path) (call $other-path) (i32.const 0x200)))))
    (func $do-readlink
      (call $readlink (call $fd) (call $path) (i32.const 0x200))
      (if (call $is-ok) (then (call $learn (i32.load (i32.const 0x204)) (i32.load (i32.const 0x208))))))
    (func $do-move
      (local $handle i32)
      (if (i32.or (i32.eqz (call $other)) (i32.eq (call $fd) (call $other))) (then (return)))
      (call $drop-descriptor (call $other))
      (i32.store (call $slot (i32.const 2)) (call $fd))
      (i32.store (call $slot (i32.const 1)) (i32.const 0)))
    (func $do-set-size (call $set-size (call $fd) (call $number) (i32.const 0x200)))
    (func $do-set-times-at (call $set-times-at (call $fd) (call $follow) (call $path) (call $times) (i32.const 0x200)))
    ;; Of a directory the names are learned.
    (func $do-list
      (local $entries i32)
      (call $read-directory (call $fd) (i32.const 0x200))
      (if (i32.eqz (call $is-ok)) (then (return)))
      (local.set $entries (i32.load (i32.const 0x204)))
      (block $done (loop $next
        (call $forget)
        (call $read-entry (local.get $entries) (i32.const 0x200))
        (br_if $done (i32.eqz (call $is-ok)))
        (br_if $done (i32.eqz (i32.load8_u (i32.const 0x204))))
        (call $learn (i32.load (i32.const 0x20c)) (i32.load (i32.const 0x210)))
        (br $next)))
      (call $drop-entries (local.get $entries)))
    (func $pour (param $stream i32)
      (call $stream-write (local.get $stream) (global.get $letters) (i32.const 16) (i32.const 0x200))
      (call $hear (i32.const 0x204))
      (call $drop-output (local.get $stream)))
    (func $do-stream-write
      (call $write-stream (call $fd) (call $number) (i32.const 0x200))
      (if (call $is-ok) (then (call $pour (i32.load (i32.const 0x204))))))
    (func $do-stream-append
      (call $append-stream (call $fd) (i32.const 0x200))
      (if (call $is-ok) (then (call $pour (i32.load (i32.const 0x204))))))
    (func $do-stream-read
      (local $stream i32)
      (call $read-stream (call $fd) (call $number) (i32.const 0x200))
      (if (i32.eqz (call $is-ok)) (then (return)))
      (local.set $stream (i32.load (i32.const 0x204)))
      (call $stream-read (local.get $stream) (i64.const 256) (i32.const 0x200))
      (if (call $is-ok)
        (then (call $learn (i32.load (i32.const 0x204)) (i32.load (i32.const 0x208))))
        (else (call $hear (i32.const 0x204))))
      (call $drop-input (local.get $stream)))
    ;; From the other descriptor to this one, past the program's own memory.
    (func $do-splice
      (local $in i32)
      (local $out i32)
      (if (i32.eqz (call $other)) (then (return)))
      (call $read-stream (call $other) (call $number) (i32.const 0x200))
      (if (i32.eqz (call $is-ok)) (then (return)))
      (local.set $in (i32.load (i32.const 0x204)))
      (call $write-stream (call $fd) (i64.const 0) (i32.const 0x200))
      (if (call $is-ok) (then
        (local.set $out (i32.load (i32.const 0x204)))
        (call $splice (local.get $out) (local.get $in) (i64.const 256) (i32.const 0x200))
        (call $hear (i32.const 0x208))
        (call $drop-output (local.get $out))))
      (call $drop-input (local.get $in)))
    (func $do-stat
      (call $stat (call $fd) (i32.const 0x200))
      (if (call $is-ok) (then (call $learn (i32.const 0x200) (i32.const 104)))))
    (func $do-stat-at
      (call $stat-at (call $fd) (call $follow) (call $path) (i32.const 0x200))
      (if (call $is-ok) (then (call $learn (i32.const 0x200) (i32.const 104)))))
    (func $do-hash
      (call $hash (call $fd) (i32.const 0x200))
      (if (call $is-ok) (then (call $learn (i32.const 0x200) (i32.const 24)))))
    (func $do-hash-at
      (call $hash-at (call $fd) (call $follow) (call $path) (i32.const 0x200))
      (if (call $is-ok) (then (call $learn (i32.const 0x200) (i32.const 24)))))
    (func $do-compare
      (if (i32.eqz (call $other)) (then (return)))
      (i32.store8 (i32.const 0x200) (call $is-same (call $fd) (call $other)))
      (call $learn (i32.const 0x200) (i32.const 1)))
    (func $do-set-times (call $set-times (call $fd) (call $times) (i32.const 0x200)))
    (func $do-describe
      (call $get-flags (call $fd) (i32.const 0x200))
      (call $learn (i32.const 0x200) (i32.const 2))
      (call $get-type (call $fd) (i32.const 0x200))
      (call $learn (i32.const 0x200) (i32.const 2)))
    (func $do-sync
      (call $advise (call $fd) (i64.const 0) (call $number)
        (i32.rem_u (call $byte (i32.const 6)) (i32.const 6)) (i32.const 0x200))
      (call $learn (i32.const 0x200) (i32.const 1))
      (call $sync-data (call $fd) (i32.const 0x200))
      (call $learn (i32.const 0x200) (i32.const 1))
      (call $sync (call $fd) (i32.const 0x200))
      (call $learn (i32.const 0x200) (i32.const 1)))
    ;; The directories are given anew each time that one asks.
    (func $do-directories
      (local $p i32)
      (local $end i32)
      (call $get-directories (i32.const 0x200))
      (local.set $p (i32.load (i32.const 0x200)))
      (local.set $end (i32.add (local.get $p) (i32.mul (i32.load (i32.const 0x204)) (i32.const 12))))
      (block $done (loop $next
        (br_if $done (i32.eq (local.get $p) (local.get $end)))
        (call $hold (i32.load (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 12)))
        (br $next))))

    ;; A call on an empty slot does nothing: to the host it would be the end of the program, and of the input with it.
    (func $step
      (call $forget)
      (if (call $fd) (then (call_indirect (type $op) (i32.rem_u (call $byte (i32.const 0)) (i32.const 28))))))
    (func $write-down
      (call $forget)
      (call $get-directories (i32.const 0x200))
      (call $open (i32.load offset=12 (i32.load (i32.const 0x200))) (i32.const 0) (i32.const 0x300) (i32.const 4)
        ;; To be made or truncated, and written.
        (i32.const 9) (i32.const 2) (i32.const 0x200))
      (if (call $is-ok) (then
        (call $write (i32.load (i32.const 0x204)) (i32.const 0x10000) (global.get $filled) (i64.const 0)
          (i32.const 0x200)))))

    (func (export "run") (result i32)
      (local $end i32)
      (call $get-arguments (i32.const 0x200))
      (global.set $arguments (i32.load (i32.const 0x200)))
      (global.set $letters (i32.load offset=8 (global.get $arguments)))
      (call $keep)
      (call $do-directories)
      (global.set $at (global.get $letters))
      (local.set $end (i32.add (global.get $letters) (i32.load offset=12 (global.get $arguments))))
      (block $done (loop $next
        (br_if $done (i32.eq (global.get $at) (local.get $end)))
        (call $step)
        (global.set $at (i32.add (global.get $at) (i32.const 16)))
        (br $next)))
      (call $write-down)
      (i32.const 0)))

  (core instance $program (instantiate $Program
    (with "memory" (instance $memory))
    (with "wasi" (instance
      (export "get-arguments" (func $get-arguments))
      (export "get-directories" (func $get-directories))
      (export "debug" (func $debug))
      (export "stream-read" (func $stream-read))
      (export "stream-write" (func $stream-write))
      (export "splice" (func $splice))
      (export "read-stream" (func $read-stream))
      (export "write-stream" (func $write-stream))
      (export "append-stream" (func $append-stream))
      (export "advise" (func $advise))
      (export "sync-data" (func $sync-data))
      (export "get-flags" (func $get-flags))
      (export "get-type" (func $get-type))
      (export "set-size" (func $set-size))
      (export "set-times" (func $set-times))
      (export "read" (func $read))
      (export "write" (func $write))
      (export "read-directory" (func $read-directory))
      (export "sync" (func $sync))
      (export "create-directory" (func $create-directory))
      (export "stat" (func $stat))
      (export "stat-at" (func $stat-at))
      (export "set-times-at" (func $set-times-at))
      (export "link" (func $link))
      (export "open" (func $open))
      (export "readlink" (func $readlink))
      (export "remove-directory" (func $remove-directory))
      (export "rename" (func $rename))
      (export "symlink" (func $symlink))
      (export "unlink" (func $unlink))
      (export "is-same" (func $is-same))
      (export "hash" (func $hash))
      (export "hash-at" (func $hash-at))
      (export "read-entry" (func $read-entry))
      (export "drop-error" (func $drop-error))
      (export "drop-input" (func $drop-input))
      (export "drop-output" (func $drop-output))
      (export "drop-descriptor" (func $drop-descriptor))
      (export "drop-entries" (func $drop-entries))))))
  (func $run (result (result)) (canon lift (core func $program "run")))
  (instance $runs (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $runs)))
