;; Does what it is told: each eight bytes of its first argument are one call. A byte is two letters from `a` to `p`.
;;
;; op  fd  other fd  path  other path  flags  more flags  number
;;
;; The arguments behind it are the sixty-four paths. What it writes is its first call.
;;
;; What comes back is gathered in a buffer, which is written to the file `leak` of descriptor 4 at the end: what the
;; program has learned is what it has written down.
(module
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_remove_directory" (func $rmdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename"
    (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_link"
    (func $link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_readlink"
    (func $readlink (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $set_size (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_set_times"
    (func $set_times (param i32 i32 i32 i32 i64 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_allocate" (func $allocate (param i32 i64 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $set_flags (param i32 i32) (result i32)))
  (memory (export "memory") 4)

  ;; 0x100: pointers of arguments. 0x2000: arguments. 0x10000: the buffer. 0x20000: a vector, then what calls return.

  (global $at (mut i32) (i32.const 0))
  (global $filled (mut i32) (i32.const 0))

  (func $byte (param $offset i32) (result i32)
    (local $p i32)
    (local.set $p (i32.add (global.get $at) (i32.shl (local.get $offset) (i32.const 1))))
    (i32.or
      (i32.shl (i32.and (i32.sub (i32.load8_u (local.get $p)) (i32.const 97)) (i32.const 15)) (i32.const 4))
      (i32.and (i32.sub (i32.load8_u offset=1 (local.get $p)) (i32.const 97)) (i32.const 15))))
  ;; Descriptors from 3 to 18: never the standard streams, which are the fuzzer's own.
  (func $fd (param $offset i32) (result i32)
    (i32.add (i32.const 3) (i32.and (call $byte (local.get $offset)) (i32.const 15))))
  (func $path (param $offset i32) (result i32)
    (i32.load offset=0x108 (i32.shl (i32.and (call $byte (local.get $offset)) (i32.const 63)) (i32.const 2))))
  (func $length (param $offset i32) (result i32)
    (local $end i32)
    (local.set $end (call $path (local.get $offset)))
    (block $done (loop $next
      (br_if $done (i32.eqz (i32.load8_u (local.get $end))))
      (local.set $end (i32.add (local.get $end) (i32.const 1)))
      (br $next)))
    (i32.sub (local.get $end) (call $path (local.get $offset))))
  (func $room (result i32) (i32.add (i32.const 0x10000) (global.get $filled)))
  (func $fill
    (global.set $filled (i32.and (i32.add (global.get $filled) (i32.const 256)) (i32.const 0xff00))))
  (func $vector (param $start i32) (param $length i32)
    (i32.store (i32.const 0x20000) (local.get $start))
    (i32.store (i32.const 0x20004) (local.get $length)))

  (func $step
    (block $none (block $flags (block $alloc (block $dir (block $times (block $size (block $renum (block $rdlink
    (block $sym (block $hard (block $ren (block $unl (block $rm (block $mk (block $wr (block $rd (block $cl (block $op
      (br_table $op $cl $rd $wr $mk $rm $unl $ren $hard $sym $rdlink $renum $size $times $dir $alloc $flags $none
        (i32.rem_u (call $byte (i32.const 0)) (i32.const 17)))
    )
      (drop (call $open (call $fd (i32.const 1)) (i32.and (call $byte (i32.const 5)) (i32.const 1))
        (call $path (i32.const 3)) (call $length (i32.const 3))
        (i32.and (i32.shr_u (call $byte (i32.const 5)) (i32.const 1)) (i32.const 15))
        ;; With the right to write, or without it.
        (select (i64.const 0x1fffffff) (i64.const 0x1fffffbf) (i32.and (call $byte (i32.const 5)) (i32.const 32)))
        (i64.const 0x1fffffff)
        (i32.and (call $byte (i32.const 6)) (i32.const 31)) (i32.const 0x20010)))
      return)
      (drop (call $close (call $fd (i32.const 1)))) return)
      (call $vector (call $room) (i32.const 256))
      (drop (call $read (call $fd (i32.const 1)) (i32.const 0x20000) (i32.const 1) (i32.const 0x20010)))
      (call $fill) return)
      (call $vector (i32.load (i32.const 0x104)) (i32.const 16))
      (drop (call $write (call $fd (i32.const 1)) (i32.const 0x20000) (i32.const 1) (i32.const 0x20010))) return)
      (drop (call $mkdir (call $fd (i32.const 1)) (call $path (i32.const 3)) (call $length (i32.const 3)))) return)
      (drop (call $rmdir (call $fd (i32.const 1)) (call $path (i32.const 3)) (call $length (i32.const 3)))) return)
      (drop (call $unlink (call $fd (i32.const 1)) (call $path (i32.const 3)) (call $length (i32.const 3)))) return)
      (drop (call $rename (call $fd (i32.const 1)) (call $path (i32.const 3)) (call $length (i32.const 3))
        (call $fd (i32.const 2)) (call $path (i32.const 4)) (call $length (i32.const 4)))) return)
      (drop (call $link (call $fd (i32.const 1)) (i32.and (call $byte (i32.const 5)) (i32.const 1))
        (call $path (i32.const 3)) (call $length (i32.const 3))
        (call $fd (i32.const 2)) (call $path (i32.const 4)) (call $length (i32.const 4)))) return)
      (drop (call $symlink (call $path (i32.const 3)) (call $length (i32.const 3))
        (call $fd (i32.const 2)) (call $path (i32.const 4)) (call $length (i32.const 4)))) return)
      (drop (call $readlink (call $fd (i32.const 1)) (call $path (i32.const 3)) (call $length (i32.const 3))
        (call $room) (i32.const 256) (i32.const 0x20010)))
      (call $fill) return)
      (drop (call $renumber (call $fd (i32.const 1)) (call $fd (i32.const 2)))) return)
      (drop (call $set_size (call $fd (i32.const 1)) (i64.extend_i32_u (call $byte (i32.const 7))))) return)
      (drop (call $set_times (call $fd (i32.const 1)) (i32.and (call $byte (i32.const 5)) (i32.const 1))
        (call $path (i32.const 3)) (call $length (i32.const 3)) (i64.const 1) (i64.const 2)
        (i32.and (call $byte (i32.const 6)) (i32.const 15)))) return)
      (drop (call $readdir (call $fd (i32.const 1)) (call $room) (i32.const 256) (i64.const 0) (i32.const 0x20010)))
      (call $fill) return)
      (drop (call $allocate (call $fd (i32.const 1)) (i64.const 0) (i64.extend_i32_u (call $byte (i32.const 7)))))
      return)
      (drop (call $set_flags (call $fd (i32.const 1)) (i32.and (call $byte (i32.const 6)) (i32.const 31)))) return)
  )

  (func (export "_start")
    (drop (call $args_get (i32.const 0x100) (i32.const 0x2000)))
    (global.set $at (i32.load (i32.const 0x104)))
    (block $done (loop $next
      (br_if $done (i32.eqz (i32.load8_u (global.get $at))))
      (call $step)
      (global.set $at (i32.add (global.get $at) (i32.const 16)))
      (br $next)))
    (drop (call $open (i32.const 4) (i32.const 0) (i32.const 0x900) (i32.const 4) (i32.const 9)
      (i64.const 0x1fffffff) (i64.const 0x1fffffff) (i32.const 0) (i32.const 0x20020)))
    (call $vector (i32.const 0x10000) (i32.const 0x10000))
    (drop (call $write (i32.load (i32.const 0x20020)) (i32.const 0x20000) (i32.const 1) (i32.const 0x20010))))
  (data (i32.const 0x900) "leak"))
