//! Reads the policy of one agent.
//!
//! A rule is `allow` or `deny`, callers, actions, facts and classes with tabs between them. Every line is either understood
//! as both readers of old did, or as the one that gave it an effect, or it is refused; none is skipped.

use std::collections::BTreeSet;

use host_core::{CallerName, ModuleName, TaskName};

use super::compound::{self, Expression, is_compound};
use super::fault::{Fault, Problems};
use super::groups::Groups;
use super::pattern::rewrite;
use super::report::Note;
use super::term::{self, Term};
use super::{Kinds, LINE_BYTES_MAX, LINES_MAX};
use crate::predicates::compile;

/// Most rules in one file.
pub const RULES_MAX: usize = 400;

/// Most words in one column.
pub const WORDS_MAX: usize = 200;

/// What the actions of `bolt_tasks` are called; a task of that name would be one of them.
pub(super) const BOLT_ACTIONS: [&str; 4] =
    ["run_no_wait", "run_and_wait", "download", "task_status"];

/// Those of them that let a task run.
pub(super) const RUN_ACTIONS: [&str; 2] = ["run_no_wait", "run_and_wait"];

/// Whose policy a file is.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Agent {
    /// An agent whose actions are tasks of the module of its name.
    Module(ModuleName),
    /// `bolt_tasks`, whose actions are the names of tasks.
    Bolt,
    /// `default`, for agents without a file.
    Default,
}

impl Agent {
    /// The agent of a file of this name.
    pub(super) fn of_file(name: &str) -> Result<Self, Fault> {
        let stem = name.strip_suffix(".policy").ok_or(Fault::FileName)?;
        match stem {
            "bolt_tasks" => Ok(Self::Bolt),
            "default" => Ok(Self::Default),
            _ => stem.parse().map(Self::Module).map_err(|_| Fault::FileName),
        }
    }

    /// The name, without `.policy`.
    pub(super) fn stem(&self) -> &str {
        match self {
            Self::Module(module) => module.as_str(),
            Self::Bolt => "bolt_tasks",
            Self::Default => "default",
        }
    }

    /// Whether the word can be one of its actions.
    fn check_action(&self, word: &str) -> Result<(), Fault> {
        let text = match self {
            Self::Bolt if BOLT_ACTIONS.contains(&word) => return Ok(()),
            Self::Bolt => word.to_owned(),
            Self::Module(module) => format!("{module}::{word}"),
            Self::Default => format!("x::{word}"),
        };
        let parsed = text.parse::<TaskName>();
        let task = parsed.map_err(|error| Fault::Action(word.to_owned(), error))?;
        if *self == Self::Bolt && task.as_str() != word {
            return Err(Fault::Alias(word.to_owned(), task.as_str().to_owned()));
        }
        Ok(())
    }
}

/// The policy of one agent.
#[derive(Clone, Debug)]
pub(super) struct PolicyFile {
    pub(super) agent: Agent,
    pub(super) name: String,
    pub(super) rules: Vec<Rule>,
    /// The defaults by line; the last one holds.
    pub(super) defaults: Vec<Default>,
}

/// What holds where no rule matches.
#[derive(Clone, Debug)]
pub(super) struct Default {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) allow: bool,
}

/// One line that allows or denies.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) allow: bool,
    pub(super) callers: Callers,
    pub(super) actions: Actions,
    pub(super) node: Expression,
    pub(super) notes: Vec<Note>,
}

/// Who may be meant.
#[derive(Clone, Debug)]
pub(super) enum Callers {
    All,
    Any(Vec<CallerTerm>),
}

#[derive(Clone, Debug)]
pub(super) enum CallerTerm {
    Named(Caller),
    Group(String),
    Pattern {
        source: String,
        pattern: String,
        regex: regex::Regex,
    },
}

/// A caller by kind and id, the id being the name here.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Caller {
    /// `KIND=ID` as it was.
    pub(super) id: String,
    pub(super) name: CallerName,
}

/// What may be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Actions {
    All,
    Named(BTreeSet<String>),
}

impl Actions {
    pub(super) fn covers(&self, action: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(action),
        }
    }
}

impl Caller {
    pub(super) fn read(word: &str, kinds: &Kinds) -> Result<Self, Fault> {
        let (kind, id) = word
            .split_once('=')
            .ok_or_else(|| Fault::Caller(word.to_owned()))?;
        if !kinds.contains(kind) {
            return Err(Fault::CallerKind(word.to_owned()));
        }
        let name = id.parse();
        let name = name.map_err(|error| Fault::CallerName(word.to_owned(), error))?;
        Ok(Self {
            id: word.to_owned(),
            name,
        })
    }
}

impl PolicyFile {
    pub(super) fn read(
        agent: Agent,
        name: &str,
        text: &str,
        surroundings: &Surroundings<'_>,
        problems: &mut Problems<'_>,
    ) -> Self {
        let mut file = Self {
            agent,
            name: name.to_owned(),
            rules: Vec::new(),
            defaults: Vec::new(),
        };
        for (number, line) in (1..).zip(text.split('\n')) {
            if number > LINES_MAX || file.rules.len() > RULES_MAX {
                problems.add(None, Fault::TooLarge("lines"));
                break;
            }
            if line.starts_with('#') || line.trim_ascii().is_empty() {
                continue;
            }
            if let Err(fault) = file.read_line(number, line, surroundings) {
                problems.add(Some(number), fault);
            }
        }
        if file.defaults.is_empty() && surroundings.allow_unconfigured {
            problems.add(None, Fault::NoDefault);
        }
        file
    }

    /// Whether what no rule matches is allowed.
    pub(super) fn allows_by_default(&self) -> bool {
        self.defaults.last().is_some_and(|default| default.allow)
    }

    fn read_line(
        &mut self,
        line: usize,
        text: &str,
        surroundings: &Surroundings<'_>,
    ) -> Result<(), Fault> {
        if text.len() > LINE_BYTES_MAX {
            return Err(Fault::TooLarge("bytes in a line"));
        }
        let is_odd = |character: char| character.is_control() && character != '\t';
        if text.chars().any(is_odd) {
            return Err(Fault::Control);
        }
        let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
        match words.next().filter(|_| !text.starts_with([' ', '\t'])) {
            Some("policy") => {
                let rest: Vec<&str> = words.collect();
                let allow = read_default(&rest)?;
                self.defaults.push(Default {
                    line,
                    text: text.to_owned(),
                    allow,
                });
                Ok(())
            }
            Some(verb @ ("allow" | "deny")) => {
                let columns = columns(text, verb)?;
                let rule = self.read_rule(line, text, &columns, surroundings)?;
                self.rules.push(rule);
                Ok(())
            }
            _ => Err(Fault::Unknown),
        }
    }

    fn read_rule(
        &self,
        line: usize,
        text: &str,
        columns: &Columns<'_>,
        surroundings: &Surroundings<'_>,
    ) -> Result<Rule, Fault> {
        let callers = read_callers(columns.callers, surroundings)?;
        let actions = read_actions(columns.actions, &self.agent)?;
        let mut notes = Vec::new();
        let allow = columns.allow;
        let node = read_node(columns, &mut notes)?;
        Ok(Rule {
            line,
            text: text.to_owned(),
            allow,
            callers,
            actions,
            node,
            notes,
        })
    }
}

/// What a file is read with.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) kinds: &'a Kinds,
    pub(super) groups: &'a Groups,
    pub(super) allow_unconfigured: bool,
}

/// The columns of a rule.
struct Columns<'a> {
    allow: bool,
    callers: &'a str,
    actions: &'a str,
    facts: &'a str,
    classes: Option<&'a str>,
}

fn read_default(words: &[&str]) -> Result<bool, Fault> {
    match words {
        ["default", "allow"] => Ok(true),
        ["default", "deny"] => Ok(false),
        ["default", ..] => Err(Fault::Default),
        _ => Err(Fault::Unknown),
    }
}

fn columns<'a>(text: &'a str, verb: &str) -> Result<Columns<'a>, Fault> {
    let mut parts = text.split('\t');
    if parts.next() != Some(verb) {
        return Err(Fault::NoTabs);
    }
    if text.ends_with('\t') {
        return Err(Fault::TrailingTab);
    }
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let (callers, actions, facts, classes) = match *parts.as_slice() {
        [] => return Err(Fault::NoTabs),
        [_] | [_, _] => return Err(Fault::FewColumns),
        [callers, actions, facts] => (callers, actions, facts, None),
        [callers, actions, facts, classes] => (callers, actions, facts, Some(classes)),
        _ => return Err(Fault::ManyColumns),
    };
    Ok(Columns {
        allow: verb == "allow",
        callers,
        actions,
        facts,
        classes,
    })
}

/// The words of a column of callers or actions, where both readers pass over additional blanks.
fn words<'a>(column: &'a str, noun: &'static str) -> Result<Vec<&'a str>, Fault> {
    let words: Vec<&str> = column.split(' ').filter(|word| !word.is_empty()).collect();
    if words.len() > WORDS_MAX {
        return Err(Fault::TooLarge("words in a column"));
    }
    // A column of one star is told from a list of one star by its blanks.
    if words.is_empty() || (words.contains(&"*") && column != "*") {
        return Err(Fault::Star(noun));
    }
    Ok(words)
}

fn read_callers(column: &str, surroundings: &Surroundings<'_>) -> Result<Callers, Fault> {
    if column == "*" {
        return Ok(Callers::All);
    }
    let words = words(column, "callers")?;
    let terms: Result<Vec<CallerTerm>, Fault> = words
        .into_iter()
        .map(|word| caller_term(word, surroundings))
        .collect();
    terms.map(Callers::Any)
}

fn caller_term(word: &str, surroundings: &Surroundings<'_>) -> Result<CallerTerm, Fault> {
    if surroundings.groups.members.contains_key(word) {
        return Ok(CallerTerm::Group(word.to_owned()));
    }
    if !word.starts_with('/') {
        return Caller::read(word, surroundings.kinds).map(CallerTerm::Named);
    }
    let inner = word
        .strip_prefix('/')
        .and_then(|rest| rest.strip_suffix('/'));
    let inner = inner.ok_or_else(|| Fault::Slashes(word.to_owned()))?;
    let faulty = |fault| Fault::Pattern(word.to_owned(), fault);
    let pattern = rewrite(inner, false).map_err(faulty)?;
    let regex = compile(&pattern).map_err(faulty)?;
    if surroundings.kinds.len() != 1 {
        return Err(Fault::PatternOfKinds);
    }
    Ok(CallerTerm::Pattern {
        source: word.to_owned(),
        pattern,
        regex,
    })
}

fn read_actions(column: &str, agent: &Agent) -> Result<Actions, Fault> {
    if column == "*" {
        return Ok(Actions::All);
    }
    let words = words(column, "actions")?;
    words.iter().try_for_each(|word| agent.check_action(word))?;
    Ok(Actions::Named(
        words.into_iter().map(str::to_owned).collect(),
    ))
}

/// Reads facts and classes: both as the Go server does, or, where one of them is compound, both as the Ruby plugin does.
fn read_node(columns: &Columns<'_>, notes: &mut Vec<Note>) -> Result<Expression, Fault> {
    let classes = columns.classes.unwrap_or("*");
    let by_plugin = is_compound(columns.facts) || is_compound(classes);
    if columns.classes.is_none() && !is_compound(columns.facts) {
        return Err(Fault::NoClasses);
    }
    if by_plugin {
        notes.push(Note::SkippedByServer {
            denies: !columns.allow,
        });
    }
    let facts = read_column(columns.facts, "facts", notes, &|word| {
        if by_plugin {
            term::text_fact(word)
        } else {
            term::server_fact(word)
        }
    })?;
    let classes = read_column(classes, "classes", notes, &|word| {
        term::class(word, !by_plugin)
    })?;
    let is_server_fact = |term: &Term| matches!(term, Term::ServerFact { .. });
    let is_dotted = |term: &Term| matches!(term, Term::TextFact(text) if text.fact.contains('.'));
    let both = match (facts, classes) {
        (Expression::Always, only) | (only, Expression::Always) => only,
        (facts, classes) => Expression::And(Box::new(facts), Box::new(classes)),
    };
    if both.any_term(&is_server_fact) {
        notes.push(Note::ServerComparison);
    }
    if both.any_term(&is_dotted) {
        notes.push(Note::DottedFact);
    }
    Ok(both)
}

fn read_column(
    column: &str,
    noun: &'static str,
    notes: &mut Vec<Note>,
    term: &dyn Fn(&str) -> Result<Term, Fault>,
) -> Result<Expression, Fault> {
    if column == "*" {
        return Ok(Expression::Always);
    }
    if is_compound(column) {
        let (expression, is_mixed) = compound::read(column)?;
        notes.extend(is_mixed.then_some(Note::LeftToRight));
        return Ok(expression);
    }
    let words: Vec<&str> = column.split(' ').collect();
    if words.len() > WORDS_MAX {
        return Err(Fault::TooLarge("words in a column"));
    }
    if words.iter().any(|word| word.is_empty()) {
        return Err(Fault::Blanks(noun));
    }
    if words.contains(&"*") {
        return Err(Fault::Star(noun));
    }
    let terms: Result<Vec<Term>, Fault> = words.into_iter().map(term).collect();
    terms.map(Expression::all)
}
