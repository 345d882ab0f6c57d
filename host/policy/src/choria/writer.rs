//! Writes the rules of one file.
//!
//! Lines about other tasks are left out of an `unless`, and nothing is forbidden for a line's sake.

use std::collections::BTreeSet;

use host_core::{ModuleName, TaskName};

use super::expression::{Names, all_of, any_of};
use super::fault::ImportErrors;
use super::policy::{
    Actions, Agent, BOLT_ACTIONS, CallerTerm, Callers, PolicyFile, RUN_ACTIONS, Rule,
};
use super::report::{Carried, LineReport, Note};
use super::translate::{agents_of_default, too_large};
use super::{Policies, RULES_BYTES_MAX};

/// A condition; none where it always holds.
type Condition = Option<String>;

/// Writes the rules of one file.
pub(super) struct Writer<'a> {
    policies: &'a Policies,
    file: &'a PolicyFile,
    names: &'a mut Names,
    /// What stood before the name of every caller.
    prefix: String,
    pub(super) out: String,
    /// Whether no line lets anything run.
    pub(super) nothing_runs: bool,
}

/// The tasks that a rule is about.
enum Tasks {
    /// All that the file decides about.
    All,
    /// None: actions of `bolt_tasks` only.
    None,
    /// These actions.
    Named(BTreeSet<String>),
}

impl Tasks {
    fn overlap(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => false,
            (Self::Named(one), Self::Named(two)) => !one.is_disjoint(two),
            _ => true,
        }
    }

    /// Whether whatever is of `other` is of these too.
    fn contain(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Named(one), Self::Named(two)) => two.is_subset(one),
            _ => false,
        }
    }
}

impl<'a> Writer<'a> {
    pub(super) fn new(policies: &'a Policies, file: &'a PolicyFile, names: &'a mut Names) -> Self {
        let kind = policies.kinds.first();
        let mut writer = Self {
            policies,
            file,
            names,
            prefix: kind.map_or_else(String::new, |kind| format!("{kind}=")),
            out: format!("// Imported from {}.\n", file.name),
            nothing_runs: false,
        };
        if file.agent == Agent::Bolt {
            writer.out.push_str(
                "// A task runs where its name is allowed and `run_no_wait` or `run_and_wait` is too.\n",
            );
        }
        writer
    }

    /// Writes all of them, and says what became of every line.
    pub(super) fn write(&mut self) -> Result<Vec<LineReport>, ImportErrors> {
        let file = self.file;
        let mut lines = Vec::new();
        for (index, rule) in file.rules.iter().enumerate() {
            let mut notes = rule.notes.clone();
            let carried = self.rule(index, rule, &mut notes);
            notes.extend(self.actions_note(rule));
            let line = LineReport {
                line: rule.line,
                text: rule.text.clone(),
                carried,
                notes,
            };
            lines.push(line);
            self.check_size()?;
        }
        if file.allows_by_default() {
            self.default_rule();
        }
        if file.agent == Agent::Bolt {
            self.names_rule();
            self.run_rule()?;
        }
        self.check_size()?;
        Ok(lines)
    }

    fn check_size(&self) -> Result<(), ImportErrors> {
        if self.out.len() > RULES_BYTES_MAX {
            return Err(self.too_large());
        }
        Ok(())
    }

    fn too_large(&self) -> ImportErrors {
        too_large(&self.file.name, "exceptions to rules, once written out")
    }

    /// Writes one line and says what became of it.
    fn rule(&mut self, index: usize, rule: &Rule, notes: &mut Vec<Note>) -> Carried {
        let tasks = self.tasks(&rule.actions);
        if matches!(tasks, Tasks::None) {
            let is_run = RUN_ACTIONS.iter().any(|action| rule.actions.covers(action));
            return if is_run {
                Carried::RunGate
            } else {
                Carried::Nothing
            };
        }
        if !rule.allow {
            return Carried::Exception;
        }
        let Some(unless) = self.denied_before(index, &tasks) else {
            notes.push(Note::Unreachable);
            return Carried::Nothing;
        };
        let id = format!("{}-{}", self.file.agent.stem(), rule.line);
        let (principal, caller) = self.principal(&rule.callers);
        let (resource, task) = self.resource(&tasks);
        let node = self.names.node(&rule.node);
        let when: Vec<String> = [caller, task, node].into_iter().flatten().collect();
        let source = format!("{}:{}", self.file.name, rule.line);
        self.push_rule(
            &id,
            &source,
            "permit",
            &[&principal, &resource],
            &when,
            &unless,
        );
        Carried::Permit { id }
    }

    fn default_rule(&mut self) {
        let Some(unless) = self.denied_before(self.file.rules.len(), &Tasks::All) else {
            return;
        };
        let line = self.file.defaults.last().map_or(0, |default| default.line);
        let id = format!("{}-default", self.file.agent.stem());
        let source = format!("{}:{line}", self.file.name);
        let (resource, task) = self.resource(&Tasks::All);
        let when: Vec<String> = task.into_iter().collect();
        self.push_rule(
            &id,
            &source,
            "permit",
            &["principal", &resource],
            &when,
            &unless,
        );
    }

    /// A task that is called like an action: what the lines say could be about either.
    fn names_rule(&mut self) {
        let claimed = self.policies.claimed(&Agent::Bolt);
        let is_free = |name: &&str| {
            let module = name.parse::<ModuleName>().ok();
            module.is_some_and(|module| !claimed.contains(&module))
        };
        let names: Vec<&str> = BOLT_ACTIONS.into_iter().filter(is_free).collect();
        if names.is_empty() {
            return;
        }
        self.out.push_str("\n// What the lines say of these names is about actions, never about a task of the name.");
        let when = [one_of(&names)];
        self.push_forbid("names", &when, &[]);
    }

    /// The second question of a Bolt task, where the lines do not answer it already.
    fn run_rule(&mut self) -> Result<(), ImportErrors> {
        if RUN_ACTIONS.iter().any(|action| self.is_implied(action)) {
            return Ok(());
        }
        let mut unless: Vec<String> = Vec::new();
        for action in RUN_ACTIONS {
            for condition in self.allowed(action)? {
                let Some(condition) = condition else {
                    return Ok(());
                };
                if !unless.contains(&condition) {
                    unless.push(condition);
                }
            }
        }
        self.nothing_runs = unless.is_empty();
        self.out
            .push_str("\n// The second question: whether the caller may run tasks at all.");
        let when: Vec<String> = self.not_claimed().into_iter().collect();
        self.push_forbid("run", &when, &unless);
        Ok(())
    }

    /// Whether whoever is allowed a task by some line is allowed the action by the same lines.
    fn is_implied(&self, action: &str) -> bool {
        let rules = &self.file.rules;
        let is_wide = |rule: &&Rule| rule.actions == Actions::All;
        let denies = |rule: &&Rule| !rule.allow && rule.actions.covers(action);
        let is_sound = |(index, rule): (usize, &Rule)| {
            let is_about_tasks = !matches!(self.tasks(&rule.actions), Tasks::None);
            let before = rules.iter().take(index);
            let is_allowed =
                rule.actions.covers(action) && before.filter(denies).all(|it| is_wide(&it));
            !rule.allow || !is_about_tasks || is_allowed
        };
        let allows_none = !self.file.allows_by_default();
        rules.iter().enumerate().all(is_sound)
            && (allows_none || rules.iter().filter(denies).all(|it| is_wide(&it)))
    }

    /// When an action is allowed: any of the conditions.
    fn allowed(&mut self, action: &str) -> Result<Vec<Condition>, ImportErrors> {
        let file = self.file;
        let (mut denied, mut allowed): (Vec<String>, Vec<Condition>) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        for rule in file.rules.iter().filter(|rule| rule.actions.covers(action)) {
            let caller = self.names.callers(&rule.callers, &self.prefix);
            let node = self.names.node(&rule.node);
            let mut operands: Vec<String> = [caller, node].into_iter().flatten().collect();
            if !rule.allow {
                if operands.is_empty() {
                    return Ok(allowed);
                }
                denied.push(all_of(operands));
                continue;
            }
            operands.extend(none_of(&denied));
            let condition = (!operands.is_empty()).then(|| all_of(operands));
            bytes += condition.as_ref().map_or(0, String::len);
            if bytes > RULES_BYTES_MAX {
                return Err(self.too_large());
            }
            allowed.push(condition);
        }
        if file.allows_by_default() {
            allowed.push(none_of(&denied));
        }
        Ok(allowed)
    }

    /// Earlier lines that deny one of the tasks; none where one of them denies all of them to everyone.
    fn denied_before(&mut self, index: usize, tasks: &Tasks) -> Option<Vec<String>> {
        let file = self.file;
        let mut denied = Vec::new();
        for rule in file.rules.iter().take(index).filter(|rule| !rule.allow) {
            let theirs = self.tasks(&rule.actions);
            if !theirs.overlap(tasks) {
                continue;
            }
            let task = if theirs.contain(tasks) {
                None
            } else {
                self.task(&theirs)
            };
            let caller = self.names.callers(&rule.callers, &self.prefix);
            let node = self.names.node(&rule.node);
            let operands: Vec<String> = [caller, task, node].into_iter().flatten().collect();
            if operands.is_empty() {
                return None;
            }
            denied.push(all_of(operands));
        }
        Some(denied)
    }

    fn tasks(&self, actions: &Actions) -> Tasks {
        let Actions::Named(names) = actions else {
            return Tasks::All;
        };
        if self.file.agent != Agent::Bolt {
            return Tasks::Named(names.clone());
        }
        let is_task = |name: &&String| !BOLT_ACTIONS.contains(&name.as_str());
        let names: BTreeSet<String> = names.iter().filter(is_task).cloned().collect();
        if names.is_empty() {
            Tasks::None
        } else {
            Tasks::Named(names)
        }
    }

    fn actions_note(&self, rule: &Rule) -> Option<Note> {
        let Actions::Named(names) = &rule.actions else {
            return None;
        };
        let is_other = |action: &&str| names.contains(*action) && !RUN_ACTIONS.contains(action);
        let others: Vec<&'static str> = BOLT_ACTIONS.into_iter().filter(is_other).collect();
        let is_bolt = self.file.agent == Agent::Bolt;
        (is_bolt && !others.is_empty()).then_some(Note::Actions(others))
    }

    /// The part of a rule's scope about the caller, and the condition where the scope cannot say it.
    fn principal(&mut self, callers: &Callers) -> (String, Condition) {
        let condition = self.names.callers(callers, &self.prefix);
        match (callers, condition) {
            (Callers::Any(terms), Some(condition)) => match terms.as_slice() {
                [CallerTerm::Named(_) | CallerTerm::Group(_)] => (condition, None),
                _ => ("principal".to_owned(), Some(condition)),
            },
            (_, condition) => ("principal".to_owned(), condition),
        }
    }

    /// The same about the task.
    fn resource(&self, tasks: &Tasks) -> (String, Condition) {
        let condition = self.task(tasks);
        match (&self.file.agent, tasks) {
            (Agent::Module(_) | Agent::Bolt, Tasks::Named(names)) if names.len() == 1 => {
                (condition.unwrap_or_else(|| "resource".to_owned()), None)
            }
            (Agent::Module(module), _) => (format!("resource in Module::\"{module}\""), condition),
            (Agent::Bolt, Tasks::Named(_)) => ("resource".to_owned(), condition),
            (Agent::Bolt, _) => ("resource".to_owned(), self.not_claimed()),
            (Agent::Default, _) => {
                let both: Vec<String> = [self.not_claimed(), condition]
                    .into_iter()
                    .flatten()
                    .collect();
                let both = (!both.is_empty()).then(|| all_of(both));
                ("resource".to_owned(), both)
            }
        }
    }

    /// The condition that a task is one of these, among those that the file decides about.
    fn task(&self, tasks: &Tasks) -> Condition {
        let Tasks::Named(names) = tasks else {
            return None;
        };
        let canonical = |name: &String| match &self.file.agent {
            Agent::Module(module) => format!("{module}::{name}")
                .parse::<TaskName>()
                .map_or_else(|_| name.clone(), |task| task.to_string()),
            Agent::Bolt | Agent::Default => name.clone(),
        };
        let names: Vec<String> = names.iter().map(canonical).collect();
        if self.file.agent != Agent::Default {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            return Some(one_of(&names));
        }
        let by_end = |name: &String| match name.as_str() {
            "init" => "!(resource.name like \"*::*\")".to_owned(),
            _ => format!("resource.name like \"*::{name}\""),
        };
        Some(any_of(names.iter().map(by_end).collect()))
    }

    /// The condition that the file decides about a task of whatever name.
    fn not_claimed(&self) -> Condition {
        let has_bolt = self.policies.files.contains_key(&Agent::Bolt);
        if self.file.agent == Agent::Default && has_bolt {
            let agents = agents_of_default(self.policies);
            let agents: Vec<String> = agents.iter().map(module).collect();
            return Some(format!("resource in [{}]", agents.join(", ")));
        }
        let claimed = self.policies.claimed(&self.file.agent);
        let claimed: Vec<String> = claimed.iter().map(module).collect();
        (!claimed.is_empty()).then(|| format!("!(resource in [{}])", claimed.join(", ")))
    }

    /// A rule that no line asks for by itself.
    fn push_forbid(&mut self, noun: &str, when: &[String], unless: &[String]) {
        let id = format!("{}-{noun}", self.file.agent.stem());
        let source = self.file.name.clone();
        let scope = ["principal", "resource"];
        self.push_rule(&id, &source, "forbid", &scope, when, unless);
    }

    fn push_rule(
        &mut self,
        id: &str,
        source: &str,
        effect: &str,
        scope: &[&str; 2],
        when: &[String],
        unless: &[String],
    ) {
        let [principal, resource] = scope;
        self.out.push_str(&format!(
            "\n@id(\"{id}\")\n@source(\"{source}\")\n{effect} (\n  {principal},\n  action == Action::\"run\",\n  {resource}\n)"
        ));
        if !when.is_empty() {
            self.push_clause("when", when, "&&");
        }
        if !unless.is_empty() {
            self.push_clause("unless", unless, "||");
        }
        self.out.push_str(";\n");
    }

    /// One operand a line, as long as they are few.
    fn push_clause(&mut self, word: &str, operands: &[String], operator: &str) {
        const LINES_MAX: usize = 8;
        let text = if operands.len() <= LINES_MAX {
            operands.join(&format!("\n  {operator} "))
        } else {
            any_of(operands.to_vec())
        };
        self.out.push_str(&format!("\n{word} {{\n  {text}\n}}"));
    }
}

fn none_of(denied: &[String]) -> Condition {
    (!denied.is_empty()).then(|| format!("!({})", any_of(denied.to_vec())))
}

fn module(module: &ModuleName) -> String {
    format!("Module::\"{module}\"")
}

fn one_of(names: &[&str]) -> String {
    match names {
        [only] => format!("resource == Task::\"{only}\""),
        _ => {
            let tasks: Vec<String> = names
                .iter()
                .map(|name| format!("Task::\"{name}\""))
                .collect();
            format!("[{}].contains(resource)", tasks.join(", "))
        }
    }
}
