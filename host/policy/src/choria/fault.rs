//! What the import refuses, where, and what to do about it.

use std::fmt;

use host_core::{NameError, Shown};

use super::pattern::PatternFault;
use crate::predicates::FactFault;

/// Everything that stands in the way of an import.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImportErrors {
    problems: Vec<Problem>,
}

impl ImportErrors {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// The problems, by file and line.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ImportErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                out.write_str("\n")?;
            }
            write!(out, "{problem}\n  hint: {}", problem.hint())?;
        }
        Ok(())
    }
}

impl std::error::Error for ImportErrors {}

/// One thing that is not carried, and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, counted from 1; none where the whole file is meant.
    pub line: Option<usize>,
    /// What is wrong.
    pub fault: Fault,
}

impl Problem {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        self.fault.hint()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", Shown(&self.file))?;
        if let Some(line) = self.line {
            write!(out, ":{line}")?;
        }
        write!(out, ": {}", self.fault)
    }
}

/// What is wrong with a file or line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file's name is not that of an agent's policy.
    #[error("this is not named like the policy of an agent")]
    FileName,
    /// Two files have one name.
    #[error("this file is given twice")]
    FileTwice,
    /// More than is read at once.
    #[error("there is too much of it: {0}")]
    TooLarge(&'static str),
    /// A task could be a Bolt task or an agent's action.
    #[error(
        "`{0}` is a Bolt task here, and the policy of agent `{1}` decides about its actions under the same name"
    )]
    TaskOfAgent(String, String),
    /// Two callers of old would be one caller here.
    #[error("`{}` would be the same caller as `{}`", Shown(.0), Shown(.1))]
    CallerTwice(String, String),
    /// A line has characters that no line needs.
    #[error("the line has a carriage return or another control character")]
    Control,
    /// A line is neither a remark nor a rule.
    #[error(
        "this is not a rule, a default or a remark; both readers of old skipped it, so it had no effect"
    )]
    Unknown,
    /// A rule without tabs.
    #[error(
        "the columns of this rule are not split by tabs; both readers of old skipped it, so it had no effect"
    )]
    NoTabs,
    /// A rule with too few columns.
    #[error("this rule lacks columns; both readers of old skipped it, so it had no effect")]
    FewColumns,
    /// A rule with too many columns.
    #[error(
        "this rule has more than five columns; the readers of old took the last one for the classes"
    )]
    ManyColumns,
    /// A tab at the end.
    #[error("this rule ends in a tab, which the readers of old took into the last column")]
    TrailingTab,
    /// No classes.
    #[error(
        "the column of classes is missing: the Go server then refused every request that came to this line, while the Ruby plugin took the facts for a compound statement"
    )]
    NoClasses,
    /// A default that is neither.
    #[error("the default is neither `allow` nor `deny`; both readers of old took it for `deny`")]
    Default,
    /// A default that depends on a setting.
    #[error(
        "the file has no default, which then was that of `allow_unconfigured`: the Ruby plugin allowed, while the Go server asked for a misspelt setting and refused"
    )]
    NoDefault,
    /// Blanks that the readers split differently.
    #[error(
        "the column of {0} has blanks around it or more than one in a row, which Go and Ruby split differently"
    )]
    Blanks(&'static str),
    /// A star among other words.
    #[error("`*` among other {0} means nothing")]
    Star(&'static str),
    /// Neither a caller nor a group.
    #[error("`{}` is neither KIND=ID nor /REGEX/ nor a group of the groups file, so it matched nobody", Shown(.0))]
    Caller(String),
    /// A kind of caller that has no place here.
    #[error("`{}` is a caller of another kind than those that are imported", Shown(.0))]
    CallerKind(String),
    /// An id that is no name here.
    #[error("`{}` cannot be a caller here: {}", Shown(.0), .1)]
    CallerName(String, #[source] NameError),
    /// A regular expression that is none, or is not carried.
    #[error("the regular expression `{}` is not carried: {}", Shown(.0), .1)]
    Pattern(String, #[source] PatternFault),
    /// A regular expression between slashes that do not fit.
    #[error("`{}` is not a regular expression between two slashes", Shown(.0))]
    Slashes(String),
    /// A regular expression sees the kind of a caller, which is gone.
    #[error(
        "a regular expression looks at the kind of a caller, and more than one kind is imported"
    )]
    PatternOfKinds,
    /// An action that cannot be a task.
    #[error("`{}` cannot be the name of a task here: {}", Shown(.0), .1)]
    Action(String, #[source] NameError),
    /// A task under its long name.
    #[error("`{}` would be `{}` here, which was another action", Shown(.0), Shown(.1))]
    Alias(String, String),
    /// No comparison.
    #[error("`{}` is not a comparison of a fact; the Go server then refused every request that came to this line", Shown(.0))]
    Fact(String),
    /// More than one operator, or one at an end.
    #[error("`{}` has more than one operator, which versions of the server read differently", Shown(.0))]
    Operators(String),
    /// A regular expression behind the wrong operator.
    #[error("`{}` looks like a regular expression, which versions of the server read differently behind this operator", Shown(.0))]
    OddPattern(String),
    /// A comparison that cannot be kept exactly.
    #[error("`{}`: {}", Shown(.0), .1)]
    FactFault(String, #[source] FactFault),
    /// Not the name of a class.
    #[error("`{}` is not the name of a class", Shown(.0))]
    Class(String),
    /// A compound statement that is not one.
    #[error("the compound statement is not understood at `{}`", Shown(.0))]
    Compound(String),
    /// A compound statement that asks a data plugin.
    #[error("`{}` asks a data plugin, and there is none here", Shown(.0))]
    DataPlugin(String),
    /// A comparison that never did what it says.
    #[error("`{}` never did what it says: the plugin compares by `=`, `<` and `>` only, as texts", Shown(.0))]
    PluginOperator(String),
    /// A compound statement is too deep.
    #[error("the compound statement is nested too deep or too long")]
    Depth,
    /// A line of the groups file that is none.
    #[error(
        "this is not `NAME KIND=ID ...` with single blanks; one or both readers of old skipped it"
    )]
    Group,
    /// A group's name.
    #[error("`{}` cannot be the name of a group here", Shown(.0))]
    GroupName(String),
    /// A group within a group.
    #[error("`{}` is not KIND=ID; groups hold callers by name only", Shown(.0))]
    Member(String),
}

impl Fault {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::FileName => "name it AGENT.policy, with AGENT of a-z, 0-9 and _",
            Self::FileTwice => "give it once",
            Self::TooLarge(_) => "import it in parts",
            Self::TaskOfAgent(..) => "import the two files apart, or take one of the names away",
            Self::CallerTwice(..) => {
                "import one kind of caller at a time, or rename one of the two"
            }
            Self::Control => "save the file with line feeds alone and without control characters",
            Self::Unknown => "remove the line, or begin it with `#`",
            Self::NoTabs | Self::FewColumns => {
                "put a tab between VERB, CALLERS, ACTIONS, FACTS and CLASSES, or remove the line"
            }
            Self::ManyColumns => "keep five columns",
            Self::TrailingTab => "remove the tab at its end",
            Self::NoClasses => "add a tab and `*`",
            Self::Default | Self::NoDefault => {
                "write `policy default deny` or `policy default allow`"
            }
            Self::Blanks(_) => "leave one blank between two words",
            Self::Star(_) => "write `*` alone, or leave it out",
            Self::Caller(_) => "add the group to the groups file, or remove the word",
            Self::CallerKind(_) => "import this kind of callers too, or remove the word",
            Self::CallerName(..) => "give the caller a name here, and use that",
            Self::Pattern(..) | Self::Slashes(_) => {
                "write it with literals, `.`, sets, `(?:..)`, `|`, `*`, `+`, `?`, `^` and `$` between two slashes, or name what it matches"
            }
            Self::PatternOfKinds => "import one kind, or name the callers",
            Self::Action(..) => "rename the task, or remove the word",
            Self::Alias(..) => "write the name of the module alone",
            Self::Fact(_) => "write FACT=VALUE",
            Self::Operators(_) => "use one operator, and values without `<`, `>` and `=`",
            Self::OddPattern(_) => "write FACT=~/REGEX/",
            Self::FactFault(..) => "compare something else",
            Self::Class(_) => "write the name of a class, or /REGEX/",
            Self::Compound(_) => "use `and`, `or`, `not`, `!`, parentheses, FACT=VALUE and classes",
            Self::DataPlugin(_) => "make a fact of what it asks, or write the rule in Cedar",
            Self::PluginOperator(_) => "use `=`, `<`, `>` and `not`",
            Self::Depth => "split the rule",
            Self::Group => {
                "write the group's name and its callers with one blank between two words"
            }
            Self::GroupName(_) => {
                "use 1 to 64 letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`"
            }
            Self::Member(_) => "name the callers of that group too",
        }
    }
}

/// Collects the problems of one file.
#[derive(Debug)]
pub(super) struct Problems<'a> {
    pub(super) file: &'a str,
    pub(super) found: Vec<Problem>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Self {
            file,
            found: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, line: Option<usize>, fault: Fault) {
        self.found.push(Problem {
            file: self.file.to_owned(),
            line,
            fault,
        });
    }
}
