//! `host policy explain`: says which rules would decide a run, without running it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use host_core::{CallerName, Decision, Question, Shown};
use host_policy::{Answer, Decided, PolicySet, Request, Verdict, WhyNot};
use serde_json::{Value, json};

use super::subject::{Asked, SubjectArgs};
use super::{sets, snippet};
use crate::app::Context;
use crate::commands::bundle::columns::columns;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint, Printer, for_terminal};

/// Show which rules would allow or refuse a run, and why, without running it
///
/// Every question is shown with its answer and the rule that gave it; for a refusal the rules that come nearest, what in them
/// is false, and the smallest rule that would permit it.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host policy explain policies/web-ops --as alice service.tar service action=stop name=sshd --node web-01
  host policy explain policies/web-ops --as alice service::report --allow fs.read:/var/log --fact role=app

exit codes:  0 it would be allowed  3 it would be refused")]
pub(crate) struct ExplainArgs {
    /// The directory of the policy set
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Who asks
    #[arg(long = "as", value_name = "CALLER")]
    caller: CallerName,

    #[command(flatten)]
    subject: SubjectArgs,
}

pub(super) fn run(context: &Context, arguments: &ExplainArgs) -> Result<Exit, Failure> {
    let set = sets::looking(context, &arguments.directory)?;
    let asked = arguments.subject.ask(context, &arguments.caller)?;
    let (decided, why) = set.explain(&asked.request, &asked.asks);
    if context.printer.mode() == OutputMode::Human {
        print(context.printer, &set, &asked, &decided, &why);
    } else {
        context.printer.json(&as_json(&set, &asked, &decided, &why));
    }
    Ok(match decided.decision {
        Decision::Allowed(_) => Exit::Done,
        Decision::Refused(_) => Exit::Refused,
    })
}

fn print(printer: Printer, set: &PolicySet, asked: &Asked, decided: &Decided, why: &[WhyNot]) {
    asked
        .notes
        .iter()
        .for_each(|note| printer.note(&format!("note: {}", for_terminal(note))));
    printer.line(&match decided.decision {
        Decision::Allowed(_) => printer.on_stdout(Paint::Ok, "allowed"),
        Decision::Refused(_) => printer.on_stdout(Paint::Refused, "refused"),
    });
    printer.line("");
    lines(set, &asked.request.task.id(), decided)
        .iter()
        .for_each(|line| printer.line(&format!("  {line}")));
    let failed: BTreeSet<&str> = decided
        .answers
        .iter()
        .filter_map(|answer| match &answer.verdict {
            Verdict::Failed { rule, .. } => rule.as_deref(),
            _ => None,
        })
        .collect();
    for id in deciding(decided) {
        let Some(rule) = set.rule(id) else { continue };
        let file = set.file_of(rule);
        let text = set.text_of(file).unwrap_or_default();
        printer.line("");
        printer.line(&snippet::decided(
            printer,
            file,
            text,
            rule.span(),
            if failed.contains(id) {
                "fails here"
            } else {
                "decided here"
            },
        ));
    }
    for not in why {
        let answer = decided
            .answers
            .iter()
            .find(|answer| answer.question == not.question);
        about(printer, not, answer.is_some_and(|answer| answer.optional));
    }
}

/// One line for each question, and one for each thing that is left out of what is permitted.
pub(crate) fn lines(set: &PolicySet, task: &str, decided: &Decided) -> Vec<String> {
    let place = |id: &str| match set.rule(id) {
        Some(rule) => format!("{}/{}", Shown(set.name()), Shown(&set.place_of(rule))),
        None => String::new(),
    };
    let mut rows: Vec<[String; 4]> = Vec::new();
    for answer in &decided.answers {
        let optional = if answer.optional { "optional" } else { "" };
        let (said, place_of_it) = said(set, answer);
        let question = match &answer.question {
            Question::Run => format!("run {task}"),
            Question::Capability(capability) => capability.to_string(),
        };
        rows.push([question, optional.to_owned(), said, place_of_it]);
        if let Verdict::Permitted { except, .. } = &answer.verdict {
            rows.extend(except.iter().map(|except| {
                [
                    format!("  without {}", except.capability),
                    String::new(),
                    format!("forbidden by {}", except.rule),
                    place(&except.rule),
                ]
            }));
        }
    }
    columns(&rows)
}

/// The smallest rules that would permit what a run cannot do without and no rule permits.
pub(crate) fn smallest(set: &PolicySet, request: &Request) -> Vec<String> {
    let Ok(asks) = request.asks() else {
        return Vec::new();
    };
    let (decided, why) = set.explain(request, &asks);
    let is_required = |not: &WhyNot| {
        let answer = decided
            .answers
            .iter()
            .find(|answer| answer.question == not.question);
        answer.is_some_and(|answer| !answer.optional)
    };
    why.into_iter()
        .filter(is_required)
        .filter_map(|not| not.smallest)
        .collect()
}

/// What was answered, and where that stands.
fn said(set: &PolicySet, answer: &Answer) -> (String, String) {
    let places = |rules: &[String]| {
        let places = rules
            .iter()
            .filter_map(|id| set.rule(id))
            .map(|rule| format!("{}/{}", Shown(set.name()), Shown(&set.place_of(rule))));
        places.collect::<Vec<_>>().join(", ")
    };
    match &answer.verdict {
        Verdict::Permitted { rules, .. } => {
            (format!("permitted by {}", rules.join(", ")), places(rules))
        }
        Verdict::Forbidden { rules, inside } => {
            let inside = inside
                .as_ref()
                .map(|inside| format!(", which forbids {inside}"));
            (
                format!(
                    "forbidden by {}{}",
                    rules.join(", "),
                    inside.unwrap_or_default()
                ),
                places(rules),
            )
        }
        Verdict::Unpermitted => ("no rule permits it".to_owned(), String::new()),
        Verdict::Failed { rule, message } => {
            let what = rule.as_ref().map_or("it", |rule| rule.as_str());
            let said = format!("{what} cannot be evaluated: {}", Shown(message));
            (said, places(rule.as_slice()))
        }
    }
}

/// The rules that said no, each once.
fn deciding(decided: &Decided) -> BTreeSet<&str> {
    let rules = decided
        .answers
        .iter()
        .flat_map(|answer| match &answer.verdict {
            Verdict::Forbidden { rules, .. } => rules.as_slice(),
            Verdict::Failed { rule, .. } => rule.as_slice(),
            _ => &[],
        });
    rules.map(String::as_str).collect()
}

/// What is nearest to permitting something, and what would.
fn about(printer: Printer, why: &WhyNot, is_optional: bool) {
    let question = match &why.question {
        Question::Run => "the run".to_owned(),
        Question::Capability(capability) => capability.to_string(),
    };
    // What a run does without is not what somebody looks for first.
    let most = if is_optional { 1 } else { why.nearest.len() };
    if !why.nearest.is_empty() {
        let rules = if most == 1 { "rule" } else { "rules" };
        printer.line("");
        printer.line(&format!("nearest {rules} for {question}:"));
    }
    for near in why.nearest.iter().take(most) {
        printer.line(&format!("    {}  {}", near.rule, near.place));
        let fails = near.fails.iter();
        fails.for_each(|fails| printer.line(&format!("        {}", for_terminal(fails))));
    }
    if let Some(smallest) = why.smallest.as_ref().filter(|_| !is_optional) {
        printer.line("");
        printer.line(&format!("the smallest rule that would permit {question}:"));
        smallest
            .lines()
            .for_each(|line| printer.line(&format!("    {}", for_terminal(line))));
    }
}

fn as_json(set: &PolicySet, asked: &Asked, decided: &Decided, why: &[WhyNot]) -> Value {
    let place = |id: &String| {
        let rule = set.rule(id);
        json!({
            "id": id,
            "file": rule.map(|rule| set.file_of(rule)),
            "line": rule.map(host_policy::Rule::line),
            "source": rule.and_then(host_policy::Rule::source),
        })
    };
    let answers = decided.answers.iter().map(|answer| {
        let (word, rules, inside, except, message) = match &answer.verdict {
            Verdict::Permitted { rules, except } => {
                ("permitted", rules.as_slice(), None, except.as_slice(), None)
            }
            Verdict::Forbidden { rules, inside } => (
                "forbidden",
                rules.as_slice(),
                inside.as_ref(),
                &[][..],
                None,
            ),
            Verdict::Unpermitted => ("unpermitted", &[][..], None, &[][..], None),
            Verdict::Failed { rule, message } => {
                ("failed", rule.as_slice(), None, &[][..], Some(message))
            }
        };
        let not = why.iter().find(|not| not.question == answer.question);
        let nearest = not
            .into_iter()
            .flat_map(|not| &not.nearest)
            .map(|near| json!({"rule": near.rule, "place": near.place, "fails": near.fails}));
        let except = except
            .iter()
            .map(|except| json!({"capability": except.capability, "rule": except.rule}));
        json!({
            "question": match &answer.question {
                Question::Run => "run".to_owned(),
                Question::Capability(capability) => capability.to_string(),
            },
            "optional": answer.optional,
            "origin": answer.origin,
            "answer": word,
            "rules": rules.iter().map(place).collect::<Vec<_>>(),
            "inside": inside,
            "except": except.collect::<Vec<_>>(),
            "message": message,
            "nearest": nearest.collect::<Vec<_>>(),
            "smallest": not.and_then(|not| not.smallest.as_ref()),
        })
    });
    json!({
        "format": "host.policy-explain/1",
        "set": set.name(),
        "digest": set.digest(),
        "allowed": matches!(decided.decision, Decision::Allowed(_)),
        "answers": answers.collect::<Vec<_>>(),
        "request": asked.request,
        "notes": asked.notes,
    })
}
