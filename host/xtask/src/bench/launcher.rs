//! Runs from a process that is there already, as they are started on a node, against the same program without a jail and
//! in the jails of others, all started by that process: how long one takes, and how many come to their end.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::arena::Arena;
use super::contest::{Contest, Entry, Rounds};
use super::wasi::FORMS;
use super::{bwrap, runc};
use crate::machine::{program, shown};
use crate::workspace::Workspace;

/// The program in the arena.
const PROGRAM: &str = "launcher";
/// What does nothing, in every jail.
const NOTHING: &str = "/usr/bin/true";
/// How many launchers run at once, for how long, to see how many runs come to their end.
const AT_ONCE: usize = 2;

/// Builds the launcher as `host` ships and brings it.
///
/// # Errors
///
/// When it does not build, or the disk does not allow it.
pub(crate) fn prepare(workspace: &Workspace, arena: &mut Arena<'_>) -> Result<()> {
    arena.bring(&workspace.build_launcher()?, PROGRAM)
}

/// Measures both, and gives the rows.
///
/// # Errors
///
/// When something cannot be started or ends otherwise than it should.
pub(crate) fn measure(
    who: &str,
    arena: &Arena<'_>,
    rounds: u32,
    seconds: u32,
) -> Result<Vec<Vec<String>>> {
    let ways = ways(arena)?;
    let mut rows = one_by_one(who, arena, &ways, rounds)?;
    rows.push(Vec::new());
    rows.extend(at_once(who, arena, &ways, seconds)?);
    Ok(rows)
}

/// A way to run what does nothing.
struct Way {
    name: &'static str,
    /// What ours is called above its ratios.
    role: Option<&'static str>,
    /// What each launcher is told.
    orders: Vec<String>,
}

/// The ways that there are for whoever measures.
fn ways(arena: &Arena<'_>) -> Result<Vec<Way>> {
    let same = |order: &str| vec![order.to_owned(); AT_ONCE];
    let mut bwrap = bwrap::command();
    bwrap.arg(NOTHING);
    let mut ways = vec![
        Way {
            name: "true, fork and exec",
            role: None,
            orders: same(&exec(&program(NOTHING))?),
        },
        Way {
            name: "bwrap .. true",
            role: None,
            orders: same(&exec(&bwrap)?),
        },
    ];
    if arena.is_ours() {
        let mut orders = Vec::new();
        for number in 0..AT_ONCE {
            let bundle = arena.path(&format!("runc-{number}"));
            // One that a bench left behind has the name of no other.
            let name = format!("bench-{}-{number}", std::process::id());
            orders.push(exec(&runc::command(&bundle, &[NOTHING], &name)?)?);
        }
        ways.push(Way {
            name: "runc run .. true",
            role: None,
            orders,
        });
    }
    for (name, role, order) in [
        ("true in the jail", "true", "program"),
        ("a WASI program in the jail", "WASI", "wasi"),
        ("the jail, and nothing in it", "jail", "function"),
    ] {
        ways.push(Way {
            name,
            role: Some(role),
            orders: same(order),
        });
    }
    Ok(ways)
}

/// The order to run a command, whose words are told by the spaces between them.
fn exec(command: &Command) -> Result<String> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<&str> = words
        .map(|word| word.to_str().filter(|word| !word.contains(' ')))
        .collect::<Option<_>>()
        .with_context(|| format!("`{}` has a space in a word", shown(command)))?;
    Ok(format!("exec {}", words.join(" ")))
}

fn one_by_one(who: &str, arena: &Arena<'_>, ways: &[Way], rounds: u32) -> Result<Vec<Vec<String>>> {
    let launcher = Rc::new(RefCell::new(Launcher::start(arena)?));
    let title = format!("runs from a launcher that is there, {who}");
    println!("measuring: {title}");
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for way in ways {
        let order = way.orders.first().cloned().unwrap_or_default();
        let asked = Rc::clone(&launcher);
        let entry = Entry::timed(way.name, move || asked.borrow_mut().once(&order));
        match way.role {
            Some(role) => ours.push(entry.called(role)),
            None => peers.push(entry),
        }
    }
    let mut contest = Contest { title, ours, peers };
    contest.time(Rounds::warm(rounds))?;
    let mut rows = contest.rows();
    rows.extend(contest.more_than_first_peer());
    Ok(rows)
}

fn at_once(who: &str, arena: &Arena<'_>, ways: &[Way], seconds: u32) -> Result<Vec<Vec<String>>> {
    let title = format!("{AT_ONCE} launchers at once for {seconds} s, {who}");
    println!("measuring: {title}");
    let mut rows = vec![
        [&title, "runs a second", "a launcher's memory", "open files"]
            .map(str::to_owned)
            .into(),
    ];
    for way in ways {
        let mut launchers = Vec::new();
        for order in &way.orders {
            let mut launcher = Launcher::start(arena)?;
            launcher.tell(&format!("for {seconds} {order}"))?;
            launchers.push(launcher);
        }
        let (mut runs, mut held) = (0, None);
        for launcher in &mut launchers {
            let answer = launcher.numbers()?;
            let [done, memory, files, memory_later, files_later] = answer.as_slice() else {
                anyhow::bail!("a launcher said {answer:?}");
            };
            runs += done;
            held = Some((*memory, *memory_later, *files, *files_later));
        }
        let (memory, memory_later, files, files_later) = held.context("no launcher ran")?;
        rows.push(vec![
            format!("  {}", way.name),
            format!("{}", runs / u64::from(seconds)),
            format!("{memory} to {memory_later} kB"),
            format!("{files} to {files_later}"),
        ]);
    }
    Ok(rows)
}

/// A running launcher.
#[derive(Debug)]
struct Launcher {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Launcher {
    fn start(arena: &Arena<'_>) -> Result<Self> {
        let path: PathBuf = arena.path(PROGRAM);
        let guest = FORMS.first().context("there is no guest")?.program;
        let mut command = arena.peer(program(&path));
        command.arg(arena.path(guest));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("`{}` did not start", shown(&command)))?;
        let orders = child.stdin.take().context("no pipe")?;
        let answers = child.stdout.take().context("no pipe")?;
        Ok(Self {
            child,
            orders,
            answers: BufReader::new(answers),
        })
    }

    fn once(&mut self, what: &str) -> Result<Duration> {
        self.tell(&format!("once {what}"))?;
        let nanoseconds = self.numbers()?;
        let first = nanoseconds.first().context("a launcher said nothing")?;
        Ok(Duration::from_nanos(*first))
    }

    fn tell(&mut self, order: &str) -> Result<()> {
        writeln!(self.orders, "{order}").context("a launcher is gone")
    }

    fn numbers(&mut self) -> Result<Vec<u64>> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(
            !line.is_empty(),
            "a launcher ended with {}",
            self.child.wait()?
        );
        let numbers = line.split_whitespace().map(str::parse::<u64>);
        Ok(numbers.collect::<Result<_, _>>()?)
    }
}

/// One that is told nothing more ends.
impl Drop for Launcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
