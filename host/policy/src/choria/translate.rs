//! Writes policies as Cedar rules without an order.
//!
//! The first line that matches allows exactly when some line that allows matches and no earlier line that denies does. So
//! every line that allows is one `permit` whose `unless` holds the earlier lines that deny, and a default that allows is one
//! more after all of them. Lines about other tasks are left out of an `unless`, and nothing is forbidden for a line's sake.

use host_core::ModuleName;

use super::expression::Names;
use super::fault::{Fault, ImportErrors, Problem};
use super::policy::{Actions, Agent, BOLT_ACTIONS, PolicyFile, RUN_ACTIONS, Rule};
use super::report::{Carried, FileReport, LineReport, Note, Report};
use super::writer::Writer;
use super::{ImportOptions, Policies};
use crate::predicates::Predicates;

/// The generated files by name, and what became of every line.
type Translated = (Vec<(String, String)>, Report);

pub(super) fn translate(
    policies: &Policies,
    options: &ImportOptions,
) -> Result<Translated, ImportErrors> {
    let mut names = Names::default();
    let mut files = Vec::new();
    let mut report = Report::default();
    for file in policies.files.values() {
        let mut of_file = if decides(policies, file) {
            let mut writer = Writer::new(policies, file, &mut names);
            let lines = writer.write()?;
            let notes = file_notes(policies, file, &writer);
            let written = format!("{}.cedar", file.agent.stem());
            files.push((written.clone(), writer.out));
            report_of(file, Some(written), notes, lines)
        } else {
            unused(policies, file)
        };
        let unconfigured = options.allow_unconfigured.then_some(Note::Unconfigured);
        of_file.notes.extend(unconfigured);
        report.files.push(of_file);
    }
    finish(policies, &names, &mut files, &mut report)?;
    Ok((files, report))
}

/// Adds the groups and predicates, where there are any.
fn finish(
    policies: &Policies,
    names: &Names,
    files: &mut Vec<(String, String)>,
    report: &mut Report,
) -> Result<(), ImportErrors> {
    if !policies.groups.members.is_empty() {
        files.push(("groups.toml".to_owned(), policies.groups.to_toml()));
        report.files.push(policies.groups.report());
    }
    let predicates = Predicates::new(names.predicates())
        .map_err(|_| too_large("predicates.toml", "predicates"))?;
    if !predicates.is_empty() {
        files.push(("predicates.toml".to_owned(), predicates.to_toml()));
    }
    Ok(())
}

/// Whether any task is decided by the file.
fn decides(policies: &Policies, file: &PolicyFile) -> bool {
    let has_bolt = policies.files.contains_key(&Agent::Bolt);
    match file.agent {
        Agent::Module(_) | Agent::Bolt => true,
        Agent::Default => {
            policies.enable_default && (!has_bolt || !agents_of_default(policies).is_empty())
        }
    }
}

/// The modules that the default decides about beside Bolt's file.
pub(super) fn agents_of_default(policies: &Policies) -> Vec<ModuleName> {
    let claimed = policies.claimed(&Agent::Default);
    let agents = policies.default_agents.difference(&claimed);
    agents.cloned().collect()
}

fn file_notes(policies: &Policies, file: &PolicyFile, writer: &Writer<'_>) -> Vec<Note> {
    let claimed = policies.claimed(&file.agent);
    let claimed: Vec<String> = claimed.iter().map(ToString::to_string).collect();
    let elsewhere = (!claimed.is_empty()).then_some(Note::Elsewhere(claimed));
    match file.agent {
        Agent::Module(_) => Vec::new(),
        Agent::Bolt => {
            let nothing = writer.nothing_runs.then_some(Note::NothingRuns);
            let notes = [
                Some(Note::TwoQuestions),
                other_actions(file),
                elsewhere,
                nothing,
            ];
            notes.into_iter().flatten().collect()
        }
        Agent::Default if policies.files.contains_key(&Agent::Bolt) => {
            vec![Note::DefaultBesideBolt]
        }
        Agent::Default => {
            let notes = [Note::HoldsForOthers, Note::DefaultForBolt];
            notes.into_iter().chain(elsewhere).collect()
        }
    }
}

/// Actions that lines name and that decide nothing about a run.
fn other_actions(file: &PolicyFile) -> Option<Note> {
    let is_named = |action: &str| {
        let named = |rule: &Rule| match &rule.actions {
            Actions::All => false,
            Actions::Named(names) => names.contains(action),
        };
        file.rules.iter().any(named)
    };
    let others = BOLT_ACTIONS
        .into_iter()
        .filter(|action| !RUN_ACTIONS.contains(action) && is_named(action));
    let others: Vec<&'static str> = others.collect();
    (!others.is_empty()).then_some(Note::Actions(others))
}

fn default_lines(file: &PolicyFile, is_written: bool) -> Vec<LineReport> {
    let last = file.defaults.last().map_or(0, |default| default.line);
    let line = |default: &super::policy::Default| {
        let is_last = default.line == last;
        LineReport {
            line: default.line,
            text: default.text.clone(),
            carried: if is_last && is_written {
                Carried::Default
            } else {
                Carried::Nothing
            },
            notes: (!is_last)
                .then_some(Note::Replaced { by: last })
                .into_iter()
                .collect(),
        }
    };
    file.defaults.iter().map(line).collect()
}

/// The report on a file that decides nothing.
fn unused(policies: &Policies, file: &PolicyFile) -> FileReport {
    let note = if policies.enable_default {
        Note::DefaultBesideBolt
    } else {
        Note::DefaultUnused
    };
    let line = |rule: &Rule| LineReport {
        line: rule.line,
        text: rule.text.clone(),
        carried: Carried::Nothing,
        notes: Vec::new(),
    };
    let lines = file.rules.iter().map(line).collect();
    report_of(file, None, vec![note], lines)
}

fn report_of(
    file: &PolicyFile,
    written: Option<String>,
    notes: Vec<Note>,
    mut lines: Vec<LineReport>,
) -> FileReport {
    lines.extend(default_lines(file, written.is_some()));
    lines.sort_by_key(|line| line.line);
    FileReport {
        file: file.name.clone(),
        written,
        notes,
        lines,
    }
}

pub(super) fn too_large(file: &str, noun: &'static str) -> ImportErrors {
    ImportErrors::new(vec![Problem {
        file: file.to_owned(),
        line: None,
        fault: Fault::TooLarge(noun),
    }])
}
