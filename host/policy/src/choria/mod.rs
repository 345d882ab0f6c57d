//! Imports Choria's action policies as Cedar rules that decide the same.
//!
//! The old format takes the first line that matches; Cedar has no order. So each line that allows becomes one `permit` with
//! all earlier lines that deny as its exceptions, and nothing else is generated but what the format itself added: the
//! default, and for Bolt tasks the second question for `run_no_wait` or `run_and_wait`. Whatever cannot be carried exactly is
//! refused with its place and what to do, all problems at once; nothing is skipped.
//!
//! A task is decided by one file: that of its module, if the module has one (`puppet.policy` for `puppet::enable`, asked
//! once for `enable`); else `bolt_tasks.policy`, if there is one (asked for the whole name and for a run); else, where it is
//! enabled, `default.policy`. A task that no file decides is not permitted.
//!
//! Where the two readers of the old format differ, a line means what it meant to the Go server (since the end of
//! 2020, from when on it compares facts and classes without regard to case), except for compound statements: only the Ruby plugin evaluates
//! them, so such a line means what it meant there. [`Imported::would_allow`] decides by the old rules themselves.

use std::collections::{BTreeMap, BTreeSet};

use host_core::{ModuleName, TaskName};
use serde_json::{Map, Value};

mod fault;
mod report;

mod compound;
mod groups;
mod pattern;
mod policy;
mod term;

mod evaluate;
mod expression;
mod translate;
mod writer;

#[cfg(test)]
mod tests;

use evaluate::Asker;
use fault::Problems;
use groups::{GROUPS_FILE, Groups};
use policy::{Actions, Agent, BOLT_ACTIONS, Caller, CallerTerm, Callers, PolicyFile, Surroundings};

pub use fault::{Fault, ImportErrors, Problem};
pub(crate) use pattern::rewrite;
pub use pattern::{PATTERN_BYTES_MAX, PatternFault};
pub use policy::{RULES_MAX, WORDS_MAX};
pub use report::{Carried, FileReport, LineReport, Note, Report};

/// Most files in one import.
pub const FILES_MAX: usize = 200;

/// Most lines in one file.
pub const LINES_MAX: usize = 20_000;

/// Longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 8_192;

/// Most text in one generated file, in bytes.
pub const RULES_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Kinds of callers.
type Kinds = BTreeSet<String>;

/// How an import is done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImportOptions {
    /// Kinds of callers whose ids are names here: `choria` makes the caller `alice` of `choria=alice`.
    pub kinds: BTreeSet<String>,
    /// Whether `plugin.actionpolicy.enable_default` was set.
    pub enable_default: bool,
    /// Agents without a file, to which `default.policy` applies although there is a `bolt_tasks.policy`.
    pub default_agents: BTreeSet<ModuleName>,
    /// Whether `plugin.actionpolicy.allow_unconfigured` was set.
    pub allow_unconfigured: bool,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            kinds: BTreeSet::from(["choria".to_owned()]),
            enable_default: false,
            default_agents: BTreeSet::new(),
            allow_unconfigured: false,
        }
    }
}

/// What an import made.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The files of the set, by name.
    pub files: Vec<(String, String)>,
    /// What became of every line.
    pub report: Report,
    policies: Policies,
}

impl Imported {
    /// Whether the old rules would let a caller, given as `KIND=ID`, run a task on a node with these facts and classes.
    ///
    /// This reads the lines in their order and knows nothing of Cedar.
    #[must_use]
    pub fn would_allow(
        &self,
        caller: &str,
        task: &TaskName,
        facts: &Map<String, Value>,
        classes: &BTreeSet<String>,
    ) -> bool {
        let asker = Asker {
            caller,
            facts,
            classes,
        };
        self.policies.would_allow(task, &asker)
    }
}

/// All policies that were read.
#[derive(Clone, Debug)]
struct Policies {
    files: BTreeMap<Agent, PolicyFile>,
    groups: Groups,
    kinds: Kinds,
    enable_default: bool,
    default_agents: BTreeSet<ModuleName>,
}

impl Policies {
    /// The file that decides about a task.
    fn deciding(&self, task: &TaskName) -> Option<&PolicyFile> {
        let own = Agent::Module(task.module().clone());
        let is_default = self.default_in_use();
        let for_default = is_default && self.default_agents.contains(task.module());
        let others = [
            for_default.then_some(Agent::Default),
            Some(Agent::Bolt),
            is_default.then_some(Agent::Default),
        ];
        let mut agents = [Some(own)].into_iter().chain(others).flatten();
        agents.find_map(|agent| self.files.get(&agent))
    }

    fn default_in_use(&self) -> bool {
        self.enable_default && self.files.contains_key(&Agent::Default)
    }

    /// Modules that have a file of their own, and, beside Bolt's, those that have the default's.
    fn claimed(&self, agent: &Agent) -> BTreeSet<ModuleName> {
        let own = |agent: &Agent| match agent {
            Agent::Module(module) => Some(module.clone()),
            Agent::Bolt | Agent::Default => None,
        };
        let mut modules: BTreeSet<ModuleName> = self.files.keys().filter_map(own).collect();
        if *agent == Agent::Bolt && self.default_in_use() {
            modules.extend(self.default_agents.iter().cloned());
        }
        modules
    }
}

/// Imports the policies of agents, each under its file name, and the groups.
///
/// # Errors
///
/// With every problem of every file, where any part cannot be carried exactly.
pub fn import(
    files: &[(String, String)],
    groups: Option<&str>,
    options: &ImportOptions,
) -> Result<Imported, ImportErrors> {
    let mut found = Vec::new();
    let policies = read(files, groups, options, &mut found);
    check_callers(&policies, &mut found);
    check_tasks(&policies, &mut found);
    if !found.is_empty() {
        found.sort_by(|first, second| (&first.file, first.line).cmp(&(&second.file, second.line)));
        return Err(ImportErrors::new(found));
    }
    let (files, report) = translate::translate(&policies, options)?;
    Ok(Imported {
        files,
        report,
        policies,
    })
}

fn read(
    files: &[(String, String)],
    groups: Option<&str>,
    options: &ImportOptions,
    found: &mut Vec<Problem>,
) -> Policies {
    let mut problems = Problems::new(GROUPS_FILE);
    let groups = groups.map_or_else(Groups::default, |text| {
        Groups::read(text, &options.kinds, &mut problems)
    });
    if files.len() > FILES_MAX {
        problems.add(None, Fault::TooLarge("files"));
    }
    found.append(&mut problems.found);
    let surroundings = Surroundings {
        kinds: &options.kinds,
        groups: &groups,
        allow_unconfigured: options.allow_unconfigured,
    };
    let mut read = BTreeMap::new();
    for (name, text) in files.iter().take(FILES_MAX) {
        let mut problems = Problems::new(name);
        match Agent::of_file(name) {
            Err(fault) => problems.add(None, fault),
            Ok(agent) if read.contains_key(&agent) => problems.add(None, Fault::FileTwice),
            Ok(agent) => {
                let file =
                    PolicyFile::read(agent.clone(), name, text, &surroundings, &mut problems);
                read.insert(agent, file);
            }
        }
        found.append(&mut problems.found);
    }
    Policies {
        files: read,
        groups,
        kinds: options.kinds.clone(),
        enable_default: options.enable_default,
        default_agents: options.default_agents.clone(),
    }
}

/// Refuses two callers of old who would be one here.
fn check_callers(policies: &Policies, found: &mut Vec<Problem>) {
    let named = |term: &CallerTerm| match term {
        CallerTerm::Named(caller) => Some(caller.clone()),
        CallerTerm::Group(_) | CallerTerm::Pattern { .. } => None,
    };
    let mut callers: Vec<(&str, Option<usize>, Caller)> = Vec::new();
    for (group, members) in &policies.groups.members {
        let line = policies.groups.line(group);
        callers.extend(members.iter().map(|it| (GROUPS_FILE, line, it.clone())));
    }
    for file in policies.files.values() {
        for rule in &file.rules {
            if let Callers::Any(terms) = &rule.callers {
                let own = terms.iter().filter_map(named);
                callers.extend(own.map(|caller| (file.name.as_str(), Some(rule.line), caller)));
            }
        }
    }
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for (file, line, caller) in callers {
        let first = ids
            .entry(caller.name.to_string())
            .or_insert_with(|| caller.id.clone());
        if *first != caller.id {
            found.push(Problem {
                file: file.to_owned(),
                line,
                fault: Fault::CallerTwice(caller.id, first.clone()),
            });
        }
    }
}

/// Refuses Bolt tasks by name whose module belongs to an agent.
fn check_tasks(policies: &Policies, found: &mut Vec<Problem>) {
    let claimed = policies.claimed(&Agent::Bolt);
    let Some(file) = policies.files.get(&Agent::Bolt) else {
        return;
    };
    for rule in &file.rules {
        let Actions::Named(names) = &rule.actions else {
            continue;
        };
        for name in names {
            let task = name.parse::<TaskName>().ok();
            let module = task.map(|task| task.module().clone());
            let agent = module.filter(|module| claimed.contains(module));
            let is_task = !BOLT_ACTIONS.contains(&name.as_str());
            if let Some(agent) = agent.filter(|_| is_task) {
                found.push(Problem {
                    file: file.name.clone(),
                    line: Some(rule.line),
                    fault: Fault::TaskOfAgent(name.clone(), agent.to_string()),
                });
            }
        }
    }
}
