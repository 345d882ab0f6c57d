//! A shell task that does nothing, by few rules and by many: what reading, checking and asking them adds to a run.

use std::fmt::Write as _;

use anyhow::Result;

use super::arena::Arena;
use super::contest::{Contest, Entry};
use super::native;

/// The sets: how many rules, the directory, and the row.
const SETS: [(usize, &str, &str); 2] = [
    (10, "rules-10", "host run --policy, 10 rules"),
    (1_000, "rules-1000", "host run --policy, 1000 rules"),
];
/// Of which as many are one team's.
const RULES_OF_A_TEAM: usize = 5;

const CALLER: &str = "alice0";

/// Makes the sets; the task is that of [`native::prepare_starting`].
///
/// # Errors
///
/// When the disk does not allow it.
pub(crate) fn prepare(arena: &mut Arena<'_>) -> Result<()> {
    for (count, directory, _) in SETS {
        let (rules, groups) = set(count / RULES_OF_A_TEAM);
        for (file, text) in [("rules.cedar", rules), ("groups.toml", groups)] {
            let name = format!("{directory}/{file}");
            arena.write(&name, &text)?;
            arena.share(&name);
        }
    }
    Ok(())
}

/// Teams, each of which may run the task with openings of its own.
fn set(teams: usize) -> (String, String) {
    let mut rules = String::new();
    let mut groups = "format = \"host.groups/1\"\n[groups]\n".to_owned();
    for team in 0..teams {
        // Writing to a text cannot fail.
        let _ = write!(
            rules,
            r#"@id("t{team}-run") permit (principal in Group::"team{team}", action == Action::"run", resource == Task::"bench_true") when {{ context.limits.memory <= 536870912 }};
@id("t{team}-etc") permit (principal in Group::"team{team}", action == Action::"fs.read", resource in Path::"/etc/app{team}") when {{ context.task == Task::"bench_true" }};
@id("t{team}-lib") permit (principal in Group::"team{team}", action == Action::"fs.write", resource in Path::"/var/lib/app{team}");
@id("t{team}-net") permit (principal in Group::"team{team}", action == Action::"net.connect", resource in Endpoint::"db{team}.internal:5432");
@id("t{team}-never") forbid (principal, action == Action::"fs.read", resource in Path::"/srv/keys{team}");
"#
        );
        let _ = writeln!(groups, "team{team} = [\"alice{team}\", \"bob{team}\"]");
    }
    (rules, groups)
}

/// The task by each set, against the same task without rules.
pub(crate) fn starting(arena: &Arena<'_>) -> Contest {
    let run = || {
        let mut run = arena.host();
        run.arg("run").arg(arena.path(native::TRUE_BUNDLE));
        run
    };
    let by_rules = |(_, directory, name)| {
        let mut run = run();
        run.arg("--policy").arg(arena.path(directory));
        run.args(["--as", CALLER]);
        Entry::new(name, run)
    };
    Contest {
        title: "start a shell task by rules".to_owned(),
        ours: SETS.into_iter().map(by_rules).collect(),
        peers: vec![Entry::new("host run true.tar", run())],
    }
}
