//! The system call filter: a list of what is allowed, compiled to a binary tree.
//!
//! A list walked from the start costs the kernel about 0.7 ms when it is loaded (it runs the program once
//! for each call number to learn which answers are constant); the tree visits nine nodes instead of three
//! hundred. What is allowed stands in [`list`]; this file only turns it into instructions.
//!
//! A foreign architecture and the x32 calls kill. `clone3` and `openat2` answer ENOSYS, since their
//! arguments lie in memory where no filter can look, and so do the rings of asynchronous IO; calls newer than the list
//! answer ENOSYS too, so that the C library falls back. Everything else that is not listed answers EPERM.
//!
//! Where the kernel can tell somebody of a call, the keeper is asked for the answer to what is refused, and told of what
//! is [`Verdict::Watched`]; it answers what the list says, so that being told is no part of the wall.

mod list;
#[cfg(test)]
mod tests;

use seccompiler::{BpfProgram, sock_filter};

mod names;

pub(crate) use list::Surface;
pub(crate) use names::name_of;

/// What happens to one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Allow,
    /// Allowed, and told of where anybody listens: calls that are few and lead nowhere.
    Watched,
    /// Refused, and told of where anybody listens.
    Errno(i32),
    /// Answered as by a kernel that does not have it, which is no refusal to tell of.
    Absent,
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
const RETURN_ASK: u32 = 0x7fc0_0000;

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
    compile(list::verdicts(surface), Telling::Nobody)
}

/// The same for a task whose keeper listens.
pub(crate) fn program_that_tells(surface: Surface) -> BpfProgram {
    compile(list::verdicts(surface), Telling::Listener)
}

/// The program for init, from the moment at which the task runs.
pub(crate) fn program_of_init() -> BpfProgram {
    compile(list::verdicts_of_init(), Telling::Nobody)
}

/// Whether somebody answers for the filter where it refuses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Telling {
    Nobody,
    Listener,
}

/// What is answered to a call that was told of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// The kernel goes on with it.
    GoOn,
    /// It fails with this error.
    Errno(i32),
}

/// What the list says to calls, for whoever listens.
#[derive(Debug)]
pub(crate) struct Answers(Vec<(u32, Verdict)>);

impl Answers {
    /// The answers of the filter for `surface`.
    pub(crate) fn of(surface: Surface) -> Self {
        Self(list::verdicts(surface))
    }

    /// The answer to one call.
    pub(crate) fn to(&self, number: i32, arguments: &[u64; 6]) -> Answer {
        let listed = u32::try_from(number).ok().and_then(|number| {
            let found = self.0.iter().find(|(known, _)| *known == number);
            found.map(|(_, verdict)| *verdict)
        });
        match decided(listed.unwrap_or(Verdict::Errno(libc::EPERM)), arguments) {
            Verdict::Allow | Verdict::Watched => Answer::GoOn,
            Verdict::Errno(errno) => Answer::Errno(errno),
            Verdict::Absent | Verdict::Check(..) => Answer::Errno(libc::ENOSYS),
        }
    }
}

/// The verdict on a call with these arguments, as the program comes to it.
fn decided(verdict: Verdict, arguments: &[u64; 6]) -> Verdict {
    let Verdict::Check(arms, otherwise) = verdict else {
        return verdict;
    };
    let holds = |test: &Test| {
        let whole = arguments.get(usize::from(test.argument)).copied();
        let low = whole.unwrap_or_default() & u64::from(u32::MAX);
        (low & u64::from(test.mask) == u64::from(test.value)) == test.holds_if_equal
    };
    let arm = arms.iter().find(|arm| arm.tests.iter().all(holds));
    decided(arm.map_or(*otherwise, |arm| arm.then), arguments)
}

fn compile(verdicts: Vec<(u32, Verdict)>, telling: Telling) -> BpfProgram {
    let spans = spans(verdicts);
    let mut code = vec![
        step(LOAD_WORD, OFFSET_ARCHITECTURE),
        jump(JUMP_IF_EQUAL, ARCHITECTURE, 1, 0),
        step(RETURN, RETURN_KILL_PROCESS),
        step(LOAD_WORD, OFFSET_NUMBER),
        jump(JUMP_IF_AT_LEAST, X32_BIT, 0, 1),
        step(RETURN, RETURN_KILL_PROCESS),
    ];
    tree(&spans, telling, &mut code);
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
    push(list::NEWEST_KNOWN + 1, Verdict::Absent);
    spans
}

/// Appends the search tree over `spans`; the call number is in the accumulator.
fn tree(spans: &[Span], telling: Telling, code: &mut BpfProgram) {
    let (left, right) = spans.split_at(spans.len() / 2);
    let Some(middle) = right.first() else { return };
    if left.is_empty() {
        return leaf(middle.verdict, telling, code);
    }
    let mut below = BpfProgram::new();
    tree(left, telling, &mut below);
    // Conditional jumps reach 255 instructions only, so the far side is reached by a plain jump.
    code.push(jump(JUMP_IF_AT_LEAST, middle.first, 0, 1));
    code.push(step(JUMP, u32::try_from(below.len()).unwrap_or(u32::MAX)));
    code.append(&mut below);
    tree(right, telling, code);
}

fn leaf(verdict: Verdict, telling: Telling, code: &mut BpfProgram) {
    let fails = |errno: i32| RETURN_ERRNO | errno.unsigned_abs();
    let end = match (verdict, telling) {
        (Verdict::Check(arms, otherwise), _) => {
            for arm in arms {
                check(arm, telling, code);
            }
            return leaf(*otherwise, telling, code);
        }
        (Verdict::Watched | Verdict::Errno(_), Telling::Listener) => RETURN_ASK,
        (Verdict::Allow | Verdict::Watched, _) => RETURN_ALLOW,
        (Verdict::Errno(errno), _) => fails(errno),
        (Verdict::Absent, _) => fails(libc::ENOSYS),
    };
    code.push(step(RETURN, end));
}

/// Appends one arm: each test that fails jumps behind the arm.
fn check(arm: &Arm, telling: Telling, code: &mut BpfProgram) {
    const TEST_STEPS: usize = 3;
    let mut then = BpfProgram::new();
    leaf(arm.then, telling, &mut then);
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
