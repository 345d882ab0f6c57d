//! `host policy learn`: the least rules for what recorded runs were seen to use.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use host_core::{Capability, Denial, GrantLine, RunId, Shown, TaskName, Used};
use host_node::{HIDDEN, LearnedLine, is_seen};
use host_policy::{Learned, LearnedTask, Observed, directory_of, learn};
use host_task::ASKS_MAX;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::audit::open_to_look;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Printer};
use crate::wording::{reason, shown};

/// How many of what runs wanted are told for one task.
const WANTED_MAX: usize = 50;
/// How many runs are named for one task.
const RUNS_MAX: usize = 10;
/// The format of what is written with `--asks`.
const ASKS_FORMAT: &str = "host.asks/1";

/// Write the least rules that permit what runs with --learn were seen to use
///
/// The rules go to standard output, to be read before they are put into a set: they permit what the runs did, which may be
/// less than the task needs another day, or more than it should have. What a run looked for and did not have is told as a
/// comment. Each caller is permitted what their own runs used; where nobody was named with --as, and no group is, the rules are
/// for everybody and say so. What is not seen at all is in `docs/SECURITY.md`: files that are only asked about, what the kernel
/// opens itself, and commands of the system, which a run has in its jail.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host run ./service report --learn --allow fs.read:/etc/nginx
  host policy learn > policies/web-ops/learned.cedar
  host policy learn --task service::report --group ops --directories
  host policy learn --asks asks.json && host bundle pack ./service --asks asks.json")]
pub(crate) struct LearnArgs {
    /// Learn from this run; else from all that were made with --learn (may be repeated)
    #[arg(long, value_name = "ID")]
    run: Vec<RunId>,

    /// Learn of this task alone
    #[arg(long, value_name = "NAME")]
    task: Option<TaskName>,

    /// Permit it to this group, whoever ran it
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,

    /// Write into a new file what the tasks have to ask for, for `host bundle pack --asks`
    #[arg(long, value_name = "FILE")]
    asks: Option<PathBuf>,

    /// Take the directory where more than three files of it were used, as far as the runs had all of it
    #[arg(long)]
    directories: bool,

    /// Permit also what the runs looked for and did not have
    #[arg(long)]
    wanted: bool,
}

/// A run of the audit log that learned.
#[derive(Debug)]
struct LearnRun {
    run: RunId,
    observed: Observed,
    wanted: Vec<Capability>,
    beyond: u64,
    /// Whether some of what it did could not be seen at all.
    blind: bool,
    /// How much of its record cannot be read.
    unread: usize,
}

/// What the audit log has of runs that learned.
#[derive(Debug, Default)]
struct OnRecord {
    /// Oldest first.
    runs: Vec<LearnRun>,
    /// Lines that cannot be read, or have no such run in a form that is known.
    unread: usize,
}

pub(super) fn run(context: &Context, arguments: &LearnArgs) -> Result<Exit, Failure> {
    if let Some(group) = &arguments.group {
        check_group(group)?;
    }
    let OnRecord { runs, unread } = on_record(context)?;
    if unread > 0 {
        context.printer.note(&format!(
            "note: {unread} lines of the audit log cannot be read; nothing is learned from them"
        ));
    }
    let runs = chosen(runs, arguments)?;
    let observed: Vec<Observed> = runs.iter().map(|run| seen(run, arguments)).collect();
    let learned = learn(&observed, arguments.group.as_deref());
    let asks = asks_of(&learned);
    if let Some(path) = &arguments.asks {
        write_asks(path, &learned, &asks)?;
    }
    let printer = context.printer;
    if printer.mode() == OutputMode::Human {
        print(printer, arguments, &learned, &runs);
    } else {
        printer.json(&as_json(&learned, &runs, asks));
    }
    Ok(Exit::Done)
}

/// A group as a rule names it.
fn check_group(group: &str) -> Result<(), Failure> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    if group.is_empty() || !group.chars().all(is_plain) {
        return Err(Failure::usage(format!(
            "`{}` is no name of a group",
            Shown(group)
        )));
    }
    Ok(())
}

/// The runs of the audit log that learned.
fn on_record(context: &Context) -> Result<OnRecord, Failure> {
    let mut on_record = OnRecord::default();
    let Some(store) = open_to_look(context)? else {
        return Ok(on_record);
    };
    let lines = store
        .journal()
        .read()
        .map_err(|error| Failure::new(Exit::Machine, &error))?;
    for line in lines {
        match line {
            Ok(line) if line.get("learned").is_none() => {}
            Ok(line) => match read(&line) {
                Some(run) => on_record.runs.push(run),
                None => on_record.unread += 1,
            },
            Err(_) => on_record.unread += 1,
        }
    }
    Ok(on_record)
}

/// What a line of the audit log tells of a run that learned; what of that cannot be read is counted.
fn read(line: &Value) -> Option<LearnRun> {
    // A record that was too long is not there, but what can be told in a few words is.
    let field = |name: &str| {
        let in_record = line.pointer(&format!("/record/{name}"));
        in_record.or_else(|| line.get(name))
    };
    let (lines, mut unread) = each::<LearnedLine>(line.get("learned"))?;
    let (grant, unread_grants) = each::<GrantLine>(field("grant")).unwrap_or_default();
    unread += unread_grants;
    let (denials, _) = each::<Denial>(field("denials")).unwrap_or_default();
    let mut had = Had::default();
    let mut used: Vec<Capability> = Vec::new();
    for line in &grant {
        let Ok(capability) = line.capability.parse::<Capability>() else {
            unread += 1;
            continue;
        };
        // Nobody sees whether a variable is read, so what was granted of these is taken for used.
        if line.used == Used::Unknown && !is_seen(&capability) {
            used.push(capability.clone());
        }
        had.granted.push(capability);
    }
    let hidden = denials.iter();
    let hidden = hidden.filter(|denial| denial.reason.starts_with(HIDDEN));
    had.hidden = hidden
        .filter_map(|denial| denial.capability.parse().ok())
        .collect();
    let files = lines.iter().filter(|line| line.granted && line.file);
    let files = files
        .filter_map(|line| Some((line.capability.clone(), had.directory(&line.capability)?)))
        .collect();
    let (granted, missed): (Vec<LearnedLine>, Vec<LearnedLine>) =
        lines.into_iter().partition(|line| line.granted);
    let granted = granted.into_iter().map(|line| line.capability);
    let caller = field("caller").and_then(Value::as_str).unwrap_or_default();
    Some(LearnRun {
        run: of(field("run"))?,
        observed: Observed {
            caller: caller.parse().ok(),
            task: of(field("task"))?,
            used: granted.chain(used).collect(),
            files,
        },
        wanted: missed.into_iter().map(|line| line.capability).collect(),
        beyond: of(line.get("learned_beyond")).unwrap_or_default(),
        blind: of(line.get("learned_blind")).unwrap_or_default(),
        unread,
    })
}

/// What a run had of files.
#[derive(Debug, Default)]
struct Had {
    granted: Vec<Capability>,
    /// What lay in that and was hidden.
    hidden: Vec<Capability>,
}

impl Had {
    /// The directory of a file, where the run had all of it.
    fn directory(&self, file: &Capability) -> Option<Capability> {
        let directory = directory_of(file)?;
        let is_granted = self
            .granted
            .iter()
            .any(|granted| granted.covers(&directory));
        // Whatever is hidden is so from reading.
        let hides = |hidden: &Capability| {
            let (Capability::FsRead(hidden) | Capability::FsWrite(hidden)) = hidden else {
                return false;
            };
            directory.covers(&Capability::FsRead(hidden.clone()))
        };
        (is_granted && !self.hidden.iter().any(hides)).then_some(directory)
    }
}

/// Each element of a list that has the form, and how many have not; nothing where there is no list.
fn each<T: DeserializeOwned>(list: Option<&Value>) -> Option<(Vec<T>, usize)> {
    let list = list?.as_array()?;
    let read: Vec<T> = list.iter().filter_map(|one| of(Some(one))).collect();
    let unread = list.len() - read.len();
    Some((read, unread))
}

fn of<T: DeserializeOwned>(value: Option<&Value>) -> Option<T> {
    serde_json::from_value(value?.clone()).ok()
}

/// Those that are asked for.
fn chosen(all: Vec<LearnRun>, arguments: &LearnArgs) -> Result<Vec<LearnRun>, Failure> {
    const HINT: &str = "make one: host run BUNDLE TASK --learn";
    if all.is_empty() {
        return Err(Failure::usage("no run on record was made with --learn").hint(HINT));
    }
    if let Some(missing) = arguments
        .run
        .iter()
        .find(|run| !all.iter().any(|known| known.run == **run))
    {
        return Err(Failure::usage(format!(
            "run {missing} is not on record as one with --learn"
        ))
        .hint(HINT));
    }
    let is_chosen = |run: &LearnRun| {
        let is_named = arguments.run.is_empty() || arguments.run.contains(&run.run);
        let task = arguments.task.as_ref();
        is_named && task.is_none_or(|task| run.observed.task == *task)
    };
    let chosen: Vec<LearnRun> = all.into_iter().filter(is_chosen).collect();
    match (&arguments.task, chosen.is_empty()) {
        (Some(task), true) => Err(Failure::usage(format!(
            "no run of `{task}` on record was made with --learn"
        ))
        .hint(HINT)),
        _ => Ok(chosen),
    }
}

fn seen(run: &LearnRun, arguments: &LearnArgs) -> Observed {
    let mut observed = run.observed.clone();
    if arguments.wanted {
        observed.used.extend(run.wanted.iter().cloned());
    }
    if !arguments.directories {
        observed.files.clear();
    }
    observed
}

/// What is missed of what a run wanted, once these rules are in place.
fn still_wanted<'r>(
    task: &TaskName,
    asks: &[Capability],
    runs: &'r [LearnRun],
) -> BTreeSet<&'r Capability> {
    let of_task = runs.iter().filter(|run| run.observed.task == *task);
    let wanted = of_task.flat_map(|run| &run.wanted);
    wanted
        .filter(|wanted| !asks.iter().any(|ask| ask.covers(wanted)))
        .collect()
}

fn print(printer: Printer, arguments: &LearnArgs, learned: &Learned, runs: &[LearnRun]) {
    let mut is_first = true;
    for (task, of_task) in &learned.tasks {
        if !is_first {
            printer.line("");
        }
        is_first = false;
        let names = runs.iter().filter(|run| run.observed.task == *task);
        let names: Vec<String> = names.map(|run| run.run.to_string()).collect();
        let more = match names.len().saturating_sub(RUNS_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let shown = names.get(..RUNS_MAX).unwrap_or(&names);
        printer.line(&format!(
            "// `{task}`, as seen in run {}{more}",
            shown.join(", ")
        ));
        let wanted = still_wanted(task, &of_task.asks, runs);
        for capability in wanted.iter().take(WANTED_MAX) {
            let text = capability.to_string();
            printer.line(&format!(
                "// it looked for this and did not have it: {}",
                Shown(&text)
            ));
        }
        if wanted.len() > WANTED_MAX {
            printer.line(&format!("// and for {} more", wanted.len() - WANTED_MAX));
        }
        printer.line(of_task.rules.trim_end());
    }
    tell_what_is_missing(printer, runs);
    let is_wanted = learned
        .tasks
        .iter()
        .any(|(task, of_task)| !still_wanted(task, &of_task.asks, runs).is_empty());
    if is_wanted {
        printer.hint(
            "permit what they looked for too: --wanted; or run it again with --learn and --allow",
        );
    }
    if let Some(path) = &arguments.asks {
        printer.note(&format!(
            "asks are written to {}",
            crate::wording::shown(path)
        ));
        printer.hint(&format!(
            "seal them beside the module: host bundle pack MODULE --asks {}",
            crate::wording::shown(path)
        ));
    }
}

fn tell_what_is_missing(printer: Printer, runs: &[LearnRun]) {
    if runs.iter().any(|run| run.beyond > 0) {
        printer.note(
            "note: some of what these runs did could not be noted, so these rules may be too few",
        );
    }
    if runs.iter().any(|run| run.blind) {
        printer.note(
            "note: some of what these runs did could not be seen, and is not permitted for having been granted",
        );
    }
    let unread: usize = runs.iter().map(|run| run.unread).sum();
    if unread > 0 {
        printer.note(&format!(
            "note: {unread} things that stand in the records of these runs cannot be read, and are left out"
        ));
    }
}

fn as_json(learned: &Learned, runs: &[LearnRun], asks: Value) -> Value {
    let tasks = learned.tasks.iter().map(|(task, of_task)| {
        let names = runs.iter().filter(|run| run.observed.task == *task);
        json!({
            "task": task,
            "runs": names.map(|run| run.run).collect::<Vec<_>>(),
            "rules": of_task.rules,
            "asks": of_task.asks,
            "wanted": still_wanted(task, &of_task.asks, runs),
        })
    });
    json!({
        "format": "host.policy-learn/1",
        "rules": learned.rules(),
        "tasks": tasks.collect::<Vec<_>>(),
        "asks": asks,
        "beyond": runs.iter().map(|run| run.beyond).sum::<u64>(),
        "blind": runs.iter().any(|run| run.blind),
        "unread": runs.iter().map(|run| run.unread).sum::<usize>(),
    })
}

/// The asks as they are sealed beside a module.
fn asks_of(learned: &Learned) -> Value {
    let tasks: serde_json::Map<String, Value> = learned
        .tasks
        .iter()
        .map(|(task, of_task)| (task.to_string(), json!({"asks": of_task.asks})))
        .collect();
    json!({"format": ASKS_FORMAT, "tasks": tasks})
}

/// Writes the asks of one module, never over a file that is there.
fn write_asks(path: &Path, learned: &Learned, asks: &Value) -> Result<(), Failure> {
    let modules: BTreeSet<&str> = learned
        .tasks
        .keys()
        .map(|task| task.module().as_str())
        .collect();
    if modules.len() > 1 {
        let modules: Vec<&str> = modules.into_iter().collect();
        return Err(Failure::usage(format!(
            "asks are sealed beside one module, and these runs are of several: {}",
            modules.join(", ")
        ))
        .hint("name the task with --task, or the runs with --run"));
    }
    let too_many = |task: &LearnedTask| task.asks.len() > ASKS_MAX;
    if let Some((task, _)) = learned.tasks.iter().find(|(_, task)| too_many(task)) {
        return Err(Failure::usage(format!(
            "`{task}` would ask for more than {ASKS_MAX} things"
        ))
        .hint("take directories instead of files with --directories, or name fewer runs"));
    }
    let unwritten = |error: &std::io::Error| {
        Failure::usage(format!(
            "`{}` cannot be written: {}",
            shown(path),
            reason(error)
        ))
    };
    let mut file = File::create_new(path).map_err(|error| unwritten(&error))?;
    let text = format!("{asks:#}\n");
    file.write_all(text.as_bytes())
        .map_err(|error| unwritten(&error))
}
