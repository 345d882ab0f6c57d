//! Somebody on the machine changes a directory while a program goes through it.

use std::fs::{File, exists, read_dir};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{RenameFlags, renameat_with};

use crate::lab::{Lab, Live, Ran};
use crate::wasm::wat;

/// How often a program tries, at least.
const TRIES: u32 = 10_000;

/// A program that opens `turn/file` again and again, with these flags and rights, and counts: what it read that begins
/// with `p`, with `S`, with anything else, and how often there was nothing.
///
/// It goes on until it has met both sides of what is swapped.
fn tries(flags: i32, rights: i64) -> String {
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\80\00\00\00\08\00\00\00")
        (data (i32.const 8) "\00\01\00\00\10\00\00\00")
        (data (i32.const 64) "turn/file")
        (data (i32.const 512) "\0a\02\00\00\03\00\00\00" "\00\00up\0a")
        (func $count (param $at i32)
            (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 1))))
        (func (export "_start") (local $tries i32) (local $first i32)
            (drop (call $write (i32.const 2) (i32.const 512) (i32.const 1) (i32.const 40)))
            (loop $again
                (local.set $tries (i32.add (local.get $tries) (i32.const 1)))
                (if (call $open (i32.const 3) (i32.const 1) (i32.const 64) (i32.const 9) (i32.const {flags}) (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const 32))
                    (then (call $count (i32.const 268)))
                    (else
                        (i32.store8 (i32.const 128) (i32.const 0))
                        (drop (call $read (i32.load (i32.const 32)) (i32.const 0) (i32.const 1) (i32.const 40)))
                        (local.set $first (i32.load8_u (i32.const 128)))
                        (call $count (select (i32.const 256)
                            (select (i32.const 260) (i32.const 264) (i32.eq (local.get $first) (i32.const 0x53)))
                            (i32.eq (local.get $first) (i32.const 0x70))))
                        (drop (call $close (i32.load (i32.const 32))))))
                (br_if $again (i32.or (i32.lt_u (local.get $tries) (i32.const {TRIES}))
                    (i32.or (i32.eqz (i32.load (i32.const 268))) (i32.eqz (i32.load (i32.const 256)))))))
            (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 40)))))"#
    )
}

/// Swaps `data/turn`, a directory, for a link to what the program must not see, as long as that runs.
fn swapped(lab: &Lab, mut live: Live<'_>) -> Ran {
    // Before, `host` itself looks at what it is to show, and refuses what moves under its eyes.
    live.hears("up\n");
    let data = File::open(lab.path("data")).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                renameat_with(&data, "turn", &data, "other", RenameFlags::EXCHANGE).unwrap();
            }
        });
        let _stopping = Stopping(&stop);
        live.end()
    })
}

/// Stops whoever looks at the flag, also where a test fails.
struct Stopping<'s>(&'s AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn furnished(target: &str) -> Lab {
    let lab = Lab::new();
    lab.write("data/turn/file", "plain");
    lab.write("outside/file", "SECRET");
    symlink(
        target.replace("LAB", lab.root().to_str().unwrap()),
        lab.path("data/other"),
    )
    .unwrap();
    lab
}

/// How often a program read what it may, what it must not, something else, and nothing.
#[track_caller]
fn counted(lab: &Lab, program: &str, more: &[&str]) -> [u32; 4] {
    let arguments = [&["run", program, "--limit", "wall=20s"], more].concat();
    let ran = swapped(lab, lab.host(&arguments).start()).exits(0);
    let words: Vec<u32> = ran
        .stdout
        .chunks(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    words.try_into().unwrap()
}

#[test]
fn a_directory_that_is_swapped_for_a_link_never_leads_out() {
    for target in ["../outside", "LAB/outside"] {
        // Once behind the jail's wall alone, and once where what the link leads to is open by another name.
        for more in [
            &["--dir", "data::/data::ro"][..],
            &["--dir", "data", "--dir", "outside::/other::ro"],
        ] {
            let lab = furnished(target);
            let path = wat(&lab, "tries", &tries(0, 2));
            let [plain, secret, other, nothing] = counted(&lab, &path, more);
            assert_eq!(
                (secret, other),
                (0, 0),
                "{target}: {plain} plain, {nothing} nothing"
            );
            assert!(plain > 0 && nothing > 0 && plain + nothing >= TRIES);
        }
    }
}

#[test]
fn what_is_made_in_a_directory_that_is_swapped_is_never_made_outside() {
    let lab = furnished("../outside");
    std::fs::remove_file(lab.path("outside/file")).unwrap();
    // Made if it is not there, and written: the right to write, and to read.
    let path = wat(&lab, "makes", &tries(1, 66));
    let more = ["--dir", "data::/data", "--dir", "outside::/other"];
    let [plain, secret, other, nothing] = counted(&lab, &path, &more);
    assert_eq!((secret, other), (0, 0), "{plain} plain, {nothing} nothing");
    assert!(
        !exists(lab.path("outside/file")).unwrap(),
        "something was made outside"
    );
    assert_eq!(read_dir(lab.path("outside")).unwrap().count(), 0);
}
