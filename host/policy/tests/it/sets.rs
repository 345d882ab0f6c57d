//! Every set that ships is read without a warning, its tables pass, and every rule of it decides in some case.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use host_policy::{PolicySet, SourceFile, Table};

pub(crate) fn read(directory: &Path) -> PolicySet {
    let name = directory.file_name().unwrap().to_str().unwrap();
    PolicySet::read(name, files(directory)).unwrap_or_else(|error| {
        let problems: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
        panic!("{name}: {}", problems.join("\n"))
    })
}

fn files(directory: &Path) -> Vec<SourceFile> {
    let entries = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = entries.map(|path| SourceFile {
        name: path.file_name().unwrap().to_str().unwrap().to_owned(),
        text: std::fs::read_to_string(&path).unwrap(),
    });
    files.collect()
}

fn sets() -> Vec<PathBuf> {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let entries = std::fs::read_dir(policies)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut sets: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    sets.sort();
    sets
}

#[test]
fn the_sets_that_the_project_promises_are_there() {
    let names: Vec<String> = sets()
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    for promised in [
        "app-restart",
        "break-glass",
        "change-window",
        "hardened-node",
        "lab",
        "read-only",
        "service-restarts",
    ] {
        assert!(
            names.iter().any(|name| name == promised),
            "{promised} is missing from {names:?}"
        );
    }
}

#[test]
fn every_set_is_read_without_a_warning() {
    for path in sets() {
        let set = read(&path);
        let warnings: Vec<String> = set.warnings().iter().map(ToString::to_string).collect();
        assert!(
            warnings.is_empty(),
            "{}: {}",
            set.name(),
            warnings.join("\n")
        );
    }
}

/// Runs the tables of a set: the rules that decided in some case, or how a case differs.
pub(crate) fn decided_by_tables(set: &PolicySet) -> Result<BTreeSet<String>, String> {
    let mut decided: BTreeSet<String> = BTreeSet::new();
    let mut cases = 0;
    for file in set.tables() {
        let table = Table::read(file).map_err(|problem| problem.to_string())?;
        cases += table.cases.len();
        for result in table.run(set) {
            if !result.differences.is_empty() {
                return Err(format!(
                    "{}: {}",
                    result.case.name,
                    result.differences.join("; ")
                ));
            }
            decided.extend(result.decided.rules().into_iter().map(str::to_owned));
        }
    }
    if cases == 0 {
        return Err("there is no decision table".to_owned());
    }
    Ok(decided)
}

#[test]
fn every_table_passes_and_every_rule_decides_in_some_case() {
    for path in sets() {
        let set = read(&path);
        let decided = decided_by_tables(&set)
            .unwrap_or_else(|difference| panic!("{}, {difference}", set.name()));
        let idle: Vec<&str> = set
            .rules()
            .iter()
            .map(|rule| rule.id())
            .filter(|id| !decided.contains(*id))
            .collect();
        assert!(
            idle.is_empty(),
            "{}: no case shows what these rules decide: {}",
            set.name(),
            idle.join(", ")
        );
    }
}

/// Tables are as strict as rules: a rule that could be left out without a case failing is not shown by any.
#[test]
fn without_any_one_rule_some_case_fails() {
    for path in sets() {
        let whole = read(&path);
        for rule in whole.rules() {
            let mut files = files(&path);
            let file = files
                .iter_mut()
                .find(|file| file.name == whole.file_of(rule))
                .unwrap();
            file.text.replace_range(rule.span(), "");
            let set = PolicySet::read(whole.name(), files).unwrap();
            assert!(
                decided_by_tables(&set).is_err(),
                "{}: every case passes without {}",
                whole.name(),
                rule.id()
            );
        }
    }
}

/// As its README.md says: the file is copied beside the rules of another set.
#[test]
fn the_forbids_of_a_hardened_node_fit_beside_every_other_set() {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let name = "hardened.cedar";
    let hardened = SourceFile {
        name: name.to_owned(),
        text: std::fs::read_to_string(policies.join("hardened-node").join(name)).unwrap(),
    };
    for path in sets() {
        if path.ends_with("hardened-node") {
            continue;
        }
        let mut files = files(&path);
        files.push(hardened.clone());
        let set = PolicySet::read("hardened", files).unwrap();
        assert!(set.warnings().is_empty(), "{}", path.display());
        let of_hardened = set.rules().iter().filter(|rule| set.file_of(rule) == name);
        assert!(of_hardened.clone().count() > 20);
        assert!(
            of_hardened.clone().all(host_policy::Rule::forbids),
            "what is copied permits nothing"
        );
    }
}
