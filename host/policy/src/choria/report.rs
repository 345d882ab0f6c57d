//! What became of every line, and what its author should know.

use std::fmt;

use host_core::Shown;

/// What an import did, file by file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// The files, agents by name, then the groups.
    pub files: Vec<FileReport>,
}

/// What an import did with one file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileReport {
    /// The file that was read.
    pub file: String,
    /// The file that was written, if any.
    pub written: Option<String>,
    /// What concerns the whole file.
    pub notes: Vec<Note>,
    /// Its lines, without blank ones and remarks.
    pub lines: Vec<LineReport>,
}

/// What an import did with one line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LineReport {
    /// The line, counted from 1.
    pub line: usize,
    /// The line as it was.
    pub text: String,
    /// What became of it.
    pub carried: Carried,
    /// What its author should know.
    pub notes: Vec<Note>,
}

/// What became of a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Carried {
    /// It is a rule that permits.
    Permit {
        /// The rule's id.
        id: String,
    },
    /// It is an exception to the rules of later lines that permit.
    Exception,
    /// It is a part of the rule that asks for `run_no_wait` or `run_and_wait`.
    RunGate,
    /// It is what holds where no line matches.
    Default,
    /// It is a group.
    Group,
    /// It decides nothing about a run here.
    Nothing,
}

/// What an author should know.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// The Go server skipped the line, so it had no effect there.
    SkippedByServer {
        /// Whether the line denies, so that without it more was allowed.
        denies: bool,
    },
    /// The Ruby plugin compares such facts differently.
    ServerComparison,
    /// `and` and `or` bind alike.
    LeftToRight,
    /// The Ruby plugin looks into no hashes.
    DottedFact,
    /// A later line took its place.
    Replaced {
        /// That line.
        by: usize,
    },
    /// These actions decide nothing about a run.
    Actions(Vec<&'static str>),
    /// An earlier line denies all that this one allows.
    Unreachable,
    /// These modules have files of their own, which decide about all of their tasks.
    Elsewhere(Vec<String>),
    /// A run is asked for once here.
    TwoQuestions,
    /// No line lets anything run.
    NothingRuns,
    /// Agents have this file's rules because they have none of their own.
    HoldsForOthers,
    /// The default is not used.
    DefaultUnused,
    /// The default is not used but for named agents, because Bolt's file speaks for the others.
    DefaultBesideBolt,
    /// Bolt tasks were asked for by the default too.
    DefaultForBolt,
    /// The setting is not carried.
    Unconfigured,
}

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::SkippedByServer { denies: true } => {
                "the Go server skips compound statements, so this line denied nothing there; it denies again now"
            }
            Self::SkippedByServer { denies: false } => {
                "the Go server skips compound statements, so this line allowed nothing there; it allows again now"
            }
            Self::ServerComparison => {
                "facts are compared as the Go server does: by type, and without regard to case"
            }
            Self::LeftToRight => {
                "`and` and `or` bind alike, from left to right, as they did in Ruby"
            }
            Self::DottedFact => {
                "the Ruby plugin looks for a fact of this whole name and never into a hash, and so does this"
            }
            Self::Replaced { by } => {
                return write!(out, "line {by} takes its place, as it did before");
            }
            Self::Actions(names) => {
                return write!(out, "{} decide nothing about a run here", names.join(", "));
            }
            Self::Elsewhere(modules) => {
                let modules = modules.join(", ");
                return write!(
                    out,
                    "tasks of {modules} are decided by other files, as actions of those agents"
                );
            }
            Self::Unreachable => "an earlier line denies all that this one allows",
            Self::TwoQuestions => {
                "a task needs its own name allowed, and `run_no_wait` or `run_and_wait` too; the import keeps both"
            }
            Self::NothingRuns => {
                "no line allows `run_no_wait` or `run_and_wait`, so no task may run"
            }
            Self::HoldsForOthers => "this holds for every module that has no file of its own",
            Self::DefaultUnused => "not used: the default is not enabled",
            Self::DefaultBesideBolt => {
                "bolt_tasks.policy speaks for every module without a file of its own, so this holds for named agents only"
            }
            Self::DefaultForBolt => {
                "without a bolt_tasks.policy this decided about Bolt tasks too, by `run_*` and by name; here a task is taken for an action of its module"
            }
            Self::Unconfigured => {
                "not carried: agents without a file stay refused, as the Go server did whatever `allow_unconfigured` said"
            }
        };
        out.write_str(text)
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permit { id } => write!(out, "rule {id}"),
            Self::Exception => out.write_str("exception to later rules"),
            Self::RunGate => out.write_str("part of what every run needs"),
            Self::Default => out.write_str("default"),
            Self::Group => out.write_str("group"),
            Self::Nothing => out.write_str("decides nothing here"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            write!(out, "{}", Shown(&file.file))?;
            match &file.written {
                Some(written) => writeln!(out, " -> {written}")?,
                None => writeln!(out)?,
            }
            for note in &file.notes {
                writeln!(out, "  note: {note}")?;
            }
            for line in &file.lines {
                writeln!(out, "  {}: {}", line.line, line.carried)?;
                for note in &line.notes {
                    writeln!(out, "    note: {note}")?;
                }
            }
        }
        Ok(())
    }
}
