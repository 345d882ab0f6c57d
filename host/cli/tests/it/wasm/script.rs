//! A program that is a list of calls to preview 1, one after the other, and says what came of each.
//!
//! It knows no more than the calls themselves: no library stands between what a test says and what the host is asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::lab::{Lab, Ran};

/// The descriptors that every program has, and the first of its directories.
pub(crate) const STDOUT: i32 = 1;
pub(crate) const FIRST_DIR: i32 = 3;

/// Flags of `path_open`: how the path is looked up, then how it is opened.
pub(crate) const FOLLOW: i32 = 1;
pub(crate) const CREATE: i32 = 1;
pub(crate) const DIRECTORY: i32 = 2;
pub(crate) const TRUNCATE: i32 = 8;
/// Rights to read, and to write too; what else there is comes with either.
pub(crate) const READ: i64 = 1 << 1 | 1 << 14 | 1 << 21;
pub(crate) const WRITE: i64 = READ | 1 << 6 | 1 << 22;

/// Where things lie in the program's memory.
const VECTOR: u32 = 0;
const WRITTEN: u32 = 8;
const DIGITS: u32 = 16;
const SLOTS: u32 = 64;
/// Where what was read is put.
pub(crate) const BUFFER: u32 = 4_096;
pub(crate) const BUFFER_BYTES: u32 = 4_096;
const TEXTS: u32 = 16_384;
const PAGE: usize = 65_536;

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arg<'a> {
    Int(i32),
    Long(i64),
    /// A text: where it lies, and how long it is.
    Text(&'a str),
    /// What an earlier call left in a slot.
    Slot(u32),
    /// Where a call leaves what it gives besides an error.
    Into(u32),
}

/// A path, and the directory that it begins in.
pub(crate) type Place<'a> = (Arg<'a>, &'a str);

/// A program in the making.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// The types of what is called.
    imports: BTreeMap<String, String>,
    body: String,
    texts: Vec<u8>,
    loops: usize,
}

impl Script {
    pub(crate) fn new() -> Self {
        let mut script = Self::default();
        script.import("fd_write", "i32 i32 i32 i32");
        script.import("fd_read", "i32 i32 i32 i32");
        script
    }

    fn import(&mut self, name: &str, types: &str) {
        let known = self.imports.insert(name.to_owned(), types.to_owned());
        assert!(known.is_none_or(|known| known == types), "{name}: {types}");
    }

    /// Puts a text into the memory; gives where it is.
    fn text(&mut self, text: &str) -> (u32, usize) {
        let at = TEXTS as usize + self.texts.len();
        self.texts.extend(text.as_bytes());
        (u32::try_from(at).unwrap(), text.len())
    }

    fn calling(&mut self, name: &str, arguments: &[Arg<'_>]) -> String {
        let (mut types, mut pushed) = (Vec::<&str>::new(), String::new());
        for argument in arguments {
            let (kinds, code): (&[&str], String) = match *argument {
                Arg::Int(value) => (&["i32"], format!("(i32.const {value})")),
                Arg::Long(value) => (&["i64"], format!("(i64.const {value})")),
                Arg::Text(text) => {
                    let (at, length) = self.text(text);
                    let code = format!("(i32.const {at}) (i32.const {length})");
                    (&["i32", "i32"], code)
                }
                Arg::Slot(slot) => (&["i32"], format!("(i32.load (i32.const {}))", at(slot))),
                Arg::Into(slot) => (&["i32"], format!("(i32.const {})", at(slot))),
            };
            types.extend(kinds);
            pushed.push_str(&code);
        }
        self.import(name, &types.join(" "));
        format!("(call ${name} {pushed})")
    }

    /// Makes a call, and says `label` and the error that it gave.
    pub(crate) fn call(mut self, label: &str, name: &str, arguments: &[Arg<'_>]) -> Self {
        let call = self.calling(name, arguments);
        let (text, length) = self.text(label);
        writeln!(
            self.body,
            "(call $tell (i32.const {text}) (i32.const {length}) {call})"
        )
        .unwrap();
        self
    }

    /// Makes a call, and says nothing.
    pub(crate) fn quietly(mut self, name: &str, arguments: &[Arg<'_>]) -> Self {
        let call = self.calling(name, arguments);
        writeln!(self.body, "(drop {call})").unwrap();
        self
    }

    /// Opens a path below a directory for reading, or with other flags and rights.
    pub(crate) fn open(
        self,
        label: &str,
        (dir, path): (Arg<'_>, &str),
        (lookup, flags, rights): (i32, i32, i64),
        slot: u32,
    ) -> Self {
        let arguments = [
            dir,
            Arg::Int(lookup),
            Arg::Text(path),
            Arg::Int(flags),
            Arg::Long(rights),
            Arg::Long(rights),
            Arg::Int(0),
            Arg::Into(slot),
        ];
        self.call(label, "path_open", &arguments)
    }

    /// Makes a call that takes a directory and a path, and nothing else.
    pub(crate) fn at(self, label: &str, name: &str, (dir, path): Place<'_>) -> Self {
        self.call(label, name, &[dir, Arg::Text(path)])
    }

    /// Moves what is at one place to another.
    pub(crate) fn rename(self, label: &str, from: Place<'_>, to: Place<'_>) -> Self {
        let arguments = [from.0, Arg::Text(from.1), to.0, Arg::Text(to.1)];
        self.call(label, "path_rename", &arguments)
    }

    /// Gives what is at one place another name.
    pub(crate) fn link(self, label: &str, lookup: i32, from: Place<'_>, to: Place<'_>) -> Self {
        let (lookup, source, name) = (Arg::Int(lookup), Arg::Text(from.1), Arg::Text(to.1));
        self.call(label, "path_link", &[from.0, lookup, source, to.0, name])
    }

    /// Makes a link that says `target`.
    pub(crate) fn symlink(self, label: &str, target: &str, (dir, path): Place<'_>) -> Self {
        let arguments = [Arg::Text(target), dir, Arg::Text(path)];
        self.call(label, "path_symlink", &arguments)
    }

    /// Looks at a path.
    pub(crate) fn stat(self, label: &str, lookup: i32, (dir, path): Place<'_>) -> Self {
        let found = Arg::Int(BUFFER.cast_signed());
        let arguments = [dir, Arg::Int(lookup), Arg::Text(path), found];
        self.call(label, "path_filestat_get", &arguments)
    }

    /// Waits for so many nanoseconds, in one call.
    pub(crate) fn pause(self, nanoseconds: i64) -> Self {
        // One subscription, whose clock is the monotonic one; what is not said here is zero.
        let (clock, time) = (BUFFER + 16, BUFFER + 24);
        let subscription = Arg::Int(BUFFER.cast_signed());
        let event = Arg::Int((BUFFER + BUFFER_BYTES / 2).cast_signed());
        self.fill(0)
            .raw(&format!("(i32.store (i32.const {clock}) (i32.const 1)) (i64.store (i32.const {time}) (i64.const {nanoseconds}))"))
            .quietly("poll_oneoff", &[subscription, event, Arg::Int(1), Arg::Into(0)])
    }

    /// Looks at a path without following a link at its end; says that it was done only where that is no link.
    pub(crate) fn looks_behind(mut self, label: &str, (dir, path): Place<'_>) -> Self {
        let (found, kind) = (BUFFER, BUFFER + 16);
        let arguments = [
            dir,
            Arg::Int(0),
            Arg::Text(path),
            Arg::Int(found.cast_signed()),
        ];
        let call = self.calling("path_filestat_get", &arguments);
        let (text, length) = self.text(label);
        // 7 is the kind of a link, and 28 an error: not valid.
        let is_link = format!("(i32.eq (i32.load8_u (i32.const {kind})) (i32.const 7))");
        self.raw(&format!("(i32.store8 (i32.const {kind}) (i32.const 0)) (call $tell (i32.const {text}) (i32.const {length}) (select (i32.const 28) {call} {is_link}))"))
    }

    /// Writes a text to a descriptor, and says `label` and the error that it gave.
    pub(crate) fn write(mut self, label: &str, to: Arg<'_>, text: &str) -> Self {
        let (at, length) = self.text(text);
        self.vector(at, u32::try_from(length).unwrap());
        let (vector, one) = (Arg::Int(VECTOR.cast_signed()), Arg::Int(1));
        let written = Arg::Int(WRITTEN.cast_signed());
        self.call(label, "fd_write", &[to, vector, one, written])
    }

    /// Reads from a descriptor into the buffer, and says `label` and the error that it gave.
    pub(crate) fn read(mut self, label: &str, from: Arg<'_>) -> Self {
        self.vector(BUFFER, BUFFER_BYTES);
        let (vector, one) = (Arg::Int(VECTOR.cast_signed()), Arg::Int(1));
        let read = Arg::Int(WRITTEN.cast_signed());
        self.call(label, "fd_read", &[from, vector, one, read])
    }

    /// Prints what lies in the memory.
    pub(crate) fn show(mut self, from: u32, bytes: u32) -> Self {
        self.vector(from, bytes);
        self.raw(&format!("(drop (call $fd_write (i32.const {STDOUT}) (i32.const {VECTOR}) (i32.const 1) (i32.const {WRITTEN})))"))
    }

    /// Says a text on standard error.
    pub(crate) fn warn(mut self, text: &str) -> Self {
        let (at, length) = self.text(text);
        self.vector(at, u32::try_from(length).unwrap());
        self.raw(&format!("(drop (call $fd_write (i32.const 2) (i32.const {VECTOR}) (i32.const 1) (i32.const {WRITTEN})))"))
    }

    /// Fills the buffer with a byte.
    pub(crate) fn fill(self, byte: u8) -> Self {
        self.raw(&format!(
            "(memory.fill (i32.const {BUFFER}) (i32.const {byte}) (i32.const {BUFFER_BYTES}))"
        ))
    }

    /// Does something many times; 0 is for ever.
    pub(crate) fn repeat(mut self, times: u32, act: impl FnOnce(Self) -> Self) -> Self {
        let number = self.loops;
        self.loops += 1;
        let outer = std::mem::take(&mut self.body);
        let mut script = act(self);
        let inner = std::mem::replace(&mut script.body, outer);
        let goes_on = if times == 0 {
            "(i32.const 1)".to_owned()
        } else {
            format!("(i32.lt_u (global.get $n{number}) (i32.const {times}))")
        };
        script.raw(&format!("(global.set $n{number} (i32.const 0)) (loop $l{number} {inner} (global.set $n{number} (i32.add (global.get $n{number}) (i32.const 1))) (br_if $l{number} {goes_on}))"))
    }

    /// Any code that has no result.
    pub(crate) fn raw(mut self, code: &str) -> Self {
        writeln!(self.body, "{code}").unwrap();
        self
    }

    fn vector(&mut self, from: u32, bytes: u32) {
        writeln!(self.body, "(i32.store (i32.const {VECTOR}) (i32.const {from})) (i32.store (i32.const 4) (i32.const {bytes}))").unwrap();
    }

    /// The program as text.
    fn wat(&self) -> String {
        let mut imports = String::new();
        for (name, types) in &self.imports {
            writeln!(imports, "(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param {types}) (result i32)))").unwrap();
        }
        let mut texts = String::new();
        for byte in &self.texts {
            write!(texts, "\\{byte:02x}").unwrap();
        }
        let mut loops = String::new();
        for number in 0..self.loops {
            write!(loops, "(global $n{number} (mut i32) (i32.const 0))").unwrap();
        }
        let pages = (TEXTS as usize + self.texts.len()).div_ceil(PAGE);
        format!(
            r#"(module
            {imports}
            (memory (export "memory") {pages})
            (data (i32.const {TEXTS}) "{texts}")
            {loops}
            (func $print (param $from i32) (param $bytes i32)
                (i32.store (i32.const {VECTOR}) (local.get $from))
                (i32.store (i32.const 4) (local.get $bytes))
                (drop (call $fd_write (i32.const {STDOUT}) (i32.const {VECTOR}) (i32.const 1) (i32.const {WRITTEN}))))
            (func $tell (param $label i32) (param $length i32) (param $error i32)
                (call $print (local.get $label) (local.get $length))
                (i32.store8 (i32.const {DIGITS}) (i32.const 0x20))
                (i32.store8 (i32.const {tens}) (i32.add (i32.const 0x30) (i32.div_u (local.get $error) (i32.const 10))))
                (i32.store8 (i32.const {ones}) (i32.add (i32.const 0x30) (i32.rem_u (local.get $error) (i32.const 10))))
                (i32.store8 (i32.const {end}) (i32.const 0x0a))
                (call $print (i32.const {DIGITS}) (i32.const 4)))
            (func (export "_start") {body}))"#,
            tens = DIGITS + 1,
            ones = DIGITS + 2,
            end = DIGITS + 3,
            body = self.body,
        )
    }

    /// The program in a lab; returns its path.
    #[track_caller]
    pub(crate) fn build(&self, lab: &Lab, name: &str) -> String {
        super::wat(lab, name, &self.wat())
    }
}

const fn at(slot: u32) -> u32 {
    SLOTS + 8 * slot
}

/// What a program said of its calls: each label, with the name of the error.
#[track_caller]
pub(crate) fn told(ran: &Ran) -> Vec<(String, &'static str)> {
    let text = ran.text();
    assert!(!text.is_empty(), "it said nothing:\n{}", ran.stderr);
    text.lines().map(|line| told_in(line)).collect()
}

#[track_caller]
fn told_in(line: &str) -> (String, &'static str) {
    let (label, error) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
    (label.to_owned(), name_of(error.parse().unwrap()))
}

/// The name of an error of preview 1, as far as a test has met it.
fn name_of(error: u8) -> &'static str {
    match error {
        0 => "done",
        2 => "acces",
        8 => "badf",
        20 => "exist",
        27 => "intr",
        28 => "inval",
        29 => "io",
        31 => "isdir",
        32 => "loop",
        37 => "nametoolong",
        44 => "noent",
        48 => "nomem",
        51 => "nospc",
        54 => "notdir",
        55 => "notempty",
        57 => "notsock",
        58 => "notsup",
        63 => "perm",
        69 => "rofs",
        75 => "xdev",
        76 => "notcapable",
        _ => panic!("error {error} has no name here"),
    }
}
