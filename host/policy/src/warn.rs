//! What looks wrong in a set although it can be used.

use crate::action::Action;
use crate::problem::Problem;
use crate::scope::Principal;
use crate::set::{PolicySet, Rule};
use crate::target::Target;

/// Looks through a set that was read.
pub(crate) fn warnings(set: &PolicySet) -> Vec<Problem> {
    let mut found = Vec::new();
    for rule in set.rules() {
        let mut doubts = Doubts::new();
        of_group(set, rule, &mut doubts);
        if rule.forbids() {
            of_forbid(rule, &mut doubts);
        } else {
            of_commands_as_root(rule, &mut doubts);
            of_permit(rule, &mut doubts);
        }
        found.extend(
            doubts
                .into_iter()
                .map(|(message, help)| about(set, rule, message).help(help)),
        );
    }
    found.extend(writable_programs(set));
    found
}

/// What looks wrong in one rule, and what would be better.
type Doubts = Vec<(String, &'static str)>;

fn of_group(set: &PolicySet, rule: &Rule, doubts: &mut Doubts) {
    if let Some(Principal::Group(name)) = &rule.scope.principal
        && !set.groups().has(name)
    {
        doubts.push((
            format!("group `{name}` has no members: it is not in groups.toml"),
            "add it there, or the rule never matches",
        ));
    }
}

fn of_forbid(rule: &Rule, doubts: &mut Doubts) {
    let resource = rule.scope.resource.as_ref();
    if let Some(Target::Path(path)) = resource
        && crate::decide::is_always_shown(path)
        && rule.scope.actions.contains(&Action::FsRead)
    {
        doubts.push((
            format!(
                "native tasks see `{path}` without asking, so this only refuses what asks for it"
            ),
            "what must not be seen does not lie in /usr, /bin, /sbin or /lib*",
        ));
    }
    if rule.scope.is_exact && resource.is_some_and(has_inside) {
        doubts.push((
            "this forbids the resource itself and nothing that lies in it".to_owned(),
            "write `in` instead of `==`",
        ));
    }
}

fn of_commands_as_root(rule: &Rule, doubts: &mut Doubts) {
    let Some(Target::Program(command)) = &rule.scope.resource else {
        return;
    };
    let is_root = command.user().is_some_and(|user| user.as_str() == "root");
    let as_root = rule.scope.actions.contains(&Action::ExecRoot);
    if is_root && !as_root {
        doubts.push((
            "this never matches: a command as root is the action `exec.root`".to_owned(),
            "write `action == Action::\"exec.root\"`",
        ));
    } else if !is_root && rule.scope.actions == [Action::ExecRoot] {
        doubts.push((
            "this never matches: a command as root has its user before it".to_owned(),
            "write `Program::\"root@/...\"`",
        ));
    }
}

fn of_permit(rule: &Rule, doubts: &mut Doubts) {
    if rule.is_open() {
        doubts.push((
            "this permits everything to everybody, what is dangerous too".to_owned(),
            "name a principal, an action or a resource",
        ));
    } else if is_open_danger(rule) {
        doubts.push((
            "this permits dangerous things without naming them".to_owned(),
            "name the program, the user or the task as the resource",
        ));
    }
    let opens = rule.scope.actions.iter().any(|action| action.opens());
    if opens && !rule.exclusions.is_empty() {
        let excluded: Vec<&str> = rule.exclusions.iter().map(String::as_str).collect();
        doubts.push((
            format!(
                "a permit that only excludes by {} still permits a broader ask, which has the excluded inside",
                excluded.join(", ")
            ),
            "write a `forbid` with the excluded in its scope",
        ));
    }
}

/// Whether other resources lie in one like this.
fn has_inside(target: &Target) -> bool {
    match target {
        Target::Path(_) | Target::Url(_) | Target::Program(_) | Target::Endpoint(_) => true,
        Target::Named { .. } => false,
    }
}

impl Rule {
    fn is_open(&self) -> bool {
        let scope = &self.scope;
        scope.principal.is_none()
            && scope.resource.is_none()
            && scope.actions.len() == Action::ALL.len()
            && !self.policy.has_non_scope_constraint()
    }
}

fn is_open_danger(rule: &Rule) -> bool {
    let is_dangerous = |action: &Action| action.group() == Some(crate::action::DANGEROUS);
    rule.scope.resource.is_none() && rule.scope.actions.iter().any(is_dangerous)
}

/// Commands whose program, or a file among whose arguments, another rule lets a run write.
fn writable_programs(set: &PolicySet) -> Vec<Problem> {
    let permits = |wanted: &'static [Action]| {
        set.rules().iter().filter(move |rule| {
            !rule.forbids()
                && rule
                    .scope
                    .actions
                    .iter()
                    .any(|action| wanted.contains(action))
        })
    };
    let writes: Vec<(&Rule, &Target)> = permits(&[Action::FsWrite])
        .filter_map(|rule| Some((rule, rule.scope.resource.as_ref()?)))
        .collect();
    let mut found = Vec::new();
    for rule in permits(&[Action::Exec, Action::ExecRoot, Action::ExecRaw]) {
        let Some(Target::Program(command)) = &rule.scope.resource else {
            continue;
        };
        let literal = |argument: &host_core::ArgumentPattern| match argument {
            host_core::ArgumentPattern::Literal(text) => text.parse().ok(),
            _ => None,
        };
        let mut paths = vec![command.program().clone()];
        paths.extend(command.arguments().iter().filter_map(literal));
        for (writer, target) in &writes {
            let Target::Path(written) = target else {
                continue;
            };
            if let Some(path) = paths.iter().find(|path| written.contains(path)) {
                found.push(
                    about(
                        set,
                        rule,
                        format!(
                            "the command reads `{path}`, which a run may write by {}: it then decides what is executed",
                            writer.id()
                        ),
                    )
                    .help("permit writing elsewhere"),
                );
            }
        }
    }
    found
}

fn about(set: &PolicySet, rule: &Rule, message: String) -> Problem {
    let file = set.file_of(rule);
    let text = set.text_of(file).unwrap_or_default();
    Problem::at(file, text, rule.head(text), message)
}
