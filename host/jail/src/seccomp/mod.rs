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
//! is [`Verdict::Watched`]; it answers what the list says, so that being told is no part of the wall. Of a run that learns it
//! is told more, and answers the same.

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

/// The same for a task of whose use of files and programs somebody takes note. A function has nobody who would answer for
/// what it is refused: that is not told of.
pub(crate) fn program_that_learns(surface: Surface) -> BpfProgram {
    let telling = match surface {
        Surface::Function => Telling::OfWatched,
        Surface::Program | Surface::ProgramWithSockets => Telling::Listener,
    };
    compile(list::verdicts_of_learning(surface), telling)
}

/// The program for init, from the moment at which the task runs.
pub(crate) fn program_of_init() -> BpfProgram {
    compile(list::verdicts_of_init(), Telling::Nobody)
}

/// The program for a relay, once it serves.
pub(crate) fn program_of_relay() -> BpfProgram {
    compile(list::verdicts_of_relay(), Telling::Nobody)
}

/// Whether somebody answers for the filter where it refuses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Telling {
    Nobody,
    Listener,
    /// Somebody who hears only of what is watched.
    OfWatched,
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
    let mut code = Backwards::new(telling);
    let calls = code.tree(&spans(verdicts));
    let killed = code.end(RETURN_KILL_PROCESS);
    code.branch(JUMP_IF_AT_LEAST, X32_BIT, killed, calls);
    let native = code.step(LOAD_WORD, OFFSET_NUMBER);
    code.branch(JUMP_IF_EQUAL, ARCHITECTURE, native, killed);
    code.step(LOAD_WORD, OFFSET_ARCHITECTURE);
    code.program()
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

/// An instruction, by how many stand behind it.
type Place = usize;

/// How far a conditional jump reaches, and with room for one more instruction before it.
const REACH: usize = 255;
const NEAR: usize = REACH - 1;

/// A program that is written from its end: all jumps lead forward, so that what they lead to is there already, and ends are
/// shared by all who are near enough.
struct Backwards {
    telling: Telling,
    /// The last instruction first.
    code: BpfProgram,
    ends: Vec<(u32, Place)>,
}

impl Backwards {
    fn new(telling: Telling) -> Self {
        Self {
            telling,
            code: BpfProgram::new(),
            ends: Vec::new(),
        }
    }

    fn program(mut self) -> BpfProgram {
        self.code.reverse();
        self.code
    }

    /// The search tree over `spans`, for a call number in the accumulator.
    fn tree(&mut self, spans: &[Span]) -> Place {
        let (left, right) = spans.split_at(spans.len() / 2);
        let Some(middle) = right.first() else {
            return self.end(RETURN_KILL_PROCESS);
        };
        if left.is_empty() {
            return self.leaf(middle.verdict);
        }
        let right = self.tree(right);
        let left = self.tree(left);
        self.branch(JUMP_IF_AT_LEAST, middle.first, right, left)
    }

    fn leaf(&mut self, verdict: Verdict) -> Place {
        let fails = |errno: i32| RETURN_ERRNO | errno.unsigned_abs();
        let end = match (verdict, self.telling) {
            (Verdict::Check(arms, otherwise), _) => {
                let mut next = self.leaf(*otherwise);
                for arm in arms.iter().rev() {
                    next = self.arm(arm, next);
                }
                return next;
            }
            (Verdict::Watched | Verdict::Errno(_), Telling::Listener)
            | (Verdict::Watched, Telling::OfWatched) => RETURN_ASK,
            (Verdict::Allow | Verdict::Watched, _) => RETURN_ALLOW,
            (Verdict::Errno(errno), _) => fails(errno),
            (Verdict::Absent, _) => fails(libc::ENOSYS),
        };
        self.end(end)
    }

    /// One arm; `next` is where each test leads that fails.
    fn arm(&mut self, arm: &Arm, next: Place) -> Place {
        let mut then = self.leaf(arm.then);
        for test in arm.tests.iter().rev() {
            let (if_equal, if_not) = if test.holds_if_equal {
                (then, next)
            } else {
                (next, then)
            };
            self.branch(JUMP_IF_EQUAL, test.value, if_equal, if_not);
            self.step(AND, test.mask);
            let argument = OFFSET_ARGUMENTS + 8 * u32::from(test.argument);
            then = self.step(LOAD_WORD, argument);
        }
        then
    }

    /// An end with this answer that can be reached from here.
    fn end(&mut self, answer: u32) -> Place {
        let here = self.code.len();
        let known = self.ends.iter_mut().find(|(known, _)| *known == answer);
        match known {
            Some((_, place)) if here - *place < NEAR => *place,
            Some((_, place)) => {
                *place = here;
                self.step(RETURN, answer)
            }
            None => {
                self.ends.push((answer, here));
                self.step(RETURN, answer)
            }
        }
    }

    fn branch(&mut self, code: u16, k: u32, if_so: Place, if_not: Place) -> Place {
        let (if_so, if_not) = (self.within_reach(if_so), self.within_reach(if_not));
        let from = self.code.len();
        let far = |place: Place| u8::try_from(from - place - 1).unwrap_or(u8::MAX);
        let (jt, jf) = (far(if_so), far(if_not));
        self.push(sock_filter { code, jt, jf, k })
    }

    /// The place, or that of a plain jump to it, which reaches any.
    fn within_reach(&mut self, place: Place) -> Place {
        let distance = self.code.len() - place;
        if distance < NEAR {
            return place;
        }
        self.step(JUMP, u32::try_from(distance - 1).unwrap_or(u32::MAX))
    }

    fn step(&mut self, code: u16, k: u32) -> Place {
        let (jt, jf) = (0, 0);
        self.push(sock_filter { code, jt, jf, k })
    }

    fn push(&mut self, instruction: sock_filter) -> Place {
        self.code.push(instruction);
        self.code.len() - 1
    }
}
