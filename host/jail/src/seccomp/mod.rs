//! The system call filter: a list of what is allowed, compiled to a binary tree.
//!
//! A list walked from the start costs the kernel about 0.7 ms when it is loaded (it runs the program once
//! for each call number to learn which answers are constant); the tree visits nine nodes instead of three
//! hundred. What is allowed stands in [`list`]; this file only turns it into instructions.
//!
//! A foreign architecture and the x32 calls kill. `clone3` and `openat2` answer ENOSYS, since their
//! arguments lie in memory where no filter can look, and so do the rings of asynchronous IO; calls newer than the list answer ENOSYS too, so that
//! the C library falls back. Everything else that is not listed answers EPERM.

mod list;
#[cfg(test)]
mod tests;

use seccompiler::{BpfProgram, sock_filter};

pub(crate) use list::Surface;

/// What happens to one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Allow,
    Errno(i32),
    /// The first arm whose tests all hold decides, the second value if none does.
    Check(&'static [Arm], &'static Verdict),
}

/// Tests that must all hold, and what follows then.
#[derive(Debug, Eq, PartialEq)]
struct Arm {
    tests: &'static [Test],
    then: Verdict,
}

/// Whether `argument & mask` is `value`, on the lower 32 bits, or is not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Test {
    argument: u8,
    mask: u32,
    value: u32,
    holds_if_equal: bool,
}

const LOAD_WORD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

const RETURN_KILL_PROCESS: u32 = 0x8000_0000;
const RETURN_ERRNO: u32 = 0x0005_0000;
const RETURN_ALLOW: u32 = 0x7fff_0000;

// Offsets in `struct seccomp_data`: nr, arch, instruction_pointer, args[6].
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
const OFFSET_ARGUMENTS: u32 = 16;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
/// Set in the numbers of x32 calls.
const X32_BIT: u32 = 0x4000_0000;

/// The program for the task.
pub(crate) fn program(surface: Surface) -> BpfProgram {
    compile(list::verdicts(surface))
}

/// The program for init, from the moment at which the task runs.
pub(crate) fn program_of_init() -> BpfProgram {
    compile(list::verdicts_of_init())
}

fn compile(verdicts: Vec<(u32, Verdict)>) -> BpfProgram {
    let spans = spans(verdicts);
    let mut code = vec![
        step(LOAD_WORD, OFFSET_ARCHITECTURE),
        jump(JUMP_IF_EQUAL, ARCHITECTURE, 1, 0),
        step(RETURN, RETURN_KILL_PROCESS),
        step(LOAD_WORD, OFFSET_NUMBER),
        jump(JUMP_IF_AT_LEAST, X32_BIT, 0, 1),
        step(RETURN, RETURN_KILL_PROCESS),
    ];
    tree(&spans, &mut code);
    code
}

/// Call numbers from `first` up to the next span's, with one verdict.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Span {
    first: u32,
    verdict: Verdict,
}

/// Fills the gaps between the listed calls and joins neighbours that share a verdict.
fn spans(mut listed: Vec<(u32, Verdict)>) -> Vec<Span> {
    listed.sort_by_key(|(number, _)| *number);
    let mut spans: Vec<Span> = Vec::new();
    let mut push = |first: u32, verdict: Verdict| {
        if spans.last().is_none_or(|last| last.verdict != verdict) {
            spans.push(Span { first, verdict });
        }
    };
    let mut next = 0;
    for (number, verdict) in listed {
        if number > next {
            push(next, Verdict::Errno(libc::EPERM));
        }
        push(number, verdict);
        next = number + 1;
    }
    push(next, Verdict::Errno(libc::EPERM));
    push(list::NEWEST_KNOWN + 1, Verdict::Errno(libc::ENOSYS));
    spans
}

/// Appends the search tree over `spans`; the call number is in the accumulator.
fn tree(spans: &[Span], code: &mut BpfProgram) {
    let (left, right) = spans.split_at(spans.len() / 2);
    let Some(middle) = right.first() else { return };
    if left.is_empty() {
        return leaf(middle.verdict, code);
    }
    let mut below = BpfProgram::new();
    tree(left, &mut below);
    // Conditional jumps reach 255 instructions only, so the far side is reached by a plain jump.
    code.push(jump(JUMP_IF_AT_LEAST, middle.first, 0, 1));
    code.push(step(JUMP, u32::try_from(below.len()).unwrap_or(u32::MAX)));
    code.append(&mut below);
    tree(right, code);
}

fn leaf(verdict: Verdict, code: &mut BpfProgram) {
    match verdict {
        Verdict::Allow => code.push(step(RETURN, RETURN_ALLOW)),
        Verdict::Errno(errno) => code.push(step(RETURN, RETURN_ERRNO | errno.unsigned_abs())),
        Verdict::Check(arms, otherwise) => {
            for arm in arms {
                check(arm, code);
            }
            leaf(*otherwise, code);
        }
    }
}

/// Appends one arm: each test that fails jumps behind the arm.
fn check(arm: &Arm, code: &mut BpfProgram) {
    const TEST_STEPS: usize = 3;
    let mut then = BpfProgram::new();
    leaf(arm.then, &mut then);
    let whole = arm.tests.len() * TEST_STEPS + then.len();
    for (index, test) in arm.tests.iter().enumerate() {
        let rest = u8::try_from(whole - (index + 1) * TEST_STEPS).unwrap_or(u8::MAX);
        code.push(step(
            LOAD_WORD,
            OFFSET_ARGUMENTS + 8 * u32::from(test.argument),
        ));
        code.push(step(AND, test.mask));
        let (if_equal, if_not) = if test.holds_if_equal {
            (0, rest)
        } else {
            (rest, 0)
        };
        code.push(jump(JUMP_IF_EQUAL, test.value, if_equal, if_not));
    }
    code.append(&mut then);
}

fn step(code: u16, k: u32) -> sock_filter {
    jump(code, k, 0, 0)
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}
