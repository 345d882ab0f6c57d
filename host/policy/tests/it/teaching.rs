//! `docs/POLICY.md`, tried out: every block of rules, groups and cases in it is used here, and one that is not fails.
//!
//! What a block is for is said by the HTML comment on the line above it:
//!
//! - `<!-- step: NAME, file: FILE -->`: what this step adds to FILE of the set that the page builds. Pieces are set apart by
//!   empty lines. A rule with an `@id`, or a case with a `name`, that is there already takes its place; others come to the
//!   end; `groups.toml` is replaced. After the last block of a NAME the set is read, without errors and warnings, and its
//!   whole table passes. After the last step every rule of it has decided in some case.
//! - `<!-- alone: NAME, file: FILE -->`: the same for a set of its own, from all blocks of that NAME.
//! - `<!-- refused: TEXT -->`, `<!-- warned: TEXT -->`: rules with which the set so far is refused, or warned of, in such words.
//! - `<!-- learned -->`: the rules that are learned from [`observed`].
//! - `<!-- explain: CASE -->`, `<!-- who-can: CASE -->`: what these tools print of a case of the set; what is said of it has to
//!   be in the block.
//!
//! Blocks of `cedar`, `toml`, `yaml` and `text` need such a comment.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use host_policy::{
    Case, Observed, PolicySet, Predicates, ReadSetError, SourceFile, TABLE_SUFFIX, Table, learn,
};

use crate::sets::decided_by_tables;

const PAGE: &str = include_str!("../../../../docs/POLICY.md");
const LANGUAGES: [&str; 4] = ["cedar", "toml", "yaml", "text"];

/// One fenced block with what it is for.
#[derive(Debug)]
struct Block {
    line: usize,
    text: String,
    purpose: Purpose,
}

#[derive(Debug)]
enum Purpose {
    Step { name: String, file: String },
    Alone { name: String, file: String },
    Refused(String),
    Warned(String),
    Learned,
    Explain(String),
    WhoCan(String),
}

/// The files of a set that is being written.
#[derive(Clone, Debug, Default)]
struct Draft(BTreeMap<String, String>);

/// Takes a page through all its blocks.
fn teach(page: &str) -> Result<PolicySet, String> {
    let blocks = blocks(page)?;
    let mut draft = Draft::default();
    let mut alone: BTreeMap<&str, Draft> = BTreeMap::new();
    for (at, block) in blocks.iter().enumerate() {
        let here = |message: String| format!("docs/POLICY.md:{}: {message}", block.line);
        let tried = match &block.purpose {
            Purpose::Step { name, file } => {
                draft.put(file, &block.text);
                let goes_on = blocks.get(at + 1).is_some_and(
                    |next| matches!(&next.purpose, Purpose::Step { name: next, .. } if next == name),
                );
                if goes_on { Ok(()) } else { draft.passes() }
            }
            Purpose::Alone { name, file } => {
                alone.entry(name).or_default().put(file, &block.text);
                Ok(())
            }
            Purpose::Refused(words) => draft.refused(&block.text, words),
            Purpose::Warned(words) => draft.warned(&block.text, words),
            Purpose::Learned => same(&block.text, &learn(&observed(), Some("ops")).rules()),
            Purpose::Explain(case) => draft.explains(case, &block.text),
            Purpose::WhoCan(case) => draft.says_who_can(case, &block.text),
        };
        tried.map_err(here)?;
    }
    for (name, draft) in alone.into_iter().filter(|(_, draft)| draft.can_be_read()) {
        draft
            .passes()
            .map_err(|message| format!("the set `{name}`: {message}"))?;
    }
    draft.read().map_err(told)
}

/// What `<!-- learned -->` is learned from.
fn observed() -> Vec<Observed> {
    let used = [
        "fs.read:/etc/nginx/nginx.conf",
        "fs.read:/etc/nginx/mime.types",
        "exec:/opt/nginx/bin/nginx -t",
    ];
    vec![Observed {
        caller: Some("bob".parse().unwrap()),
        task: "service::report".parse().unwrap(),
        used: used.iter().map(|used| used.parse().unwrap()).collect(),
        files: Vec::new(),
    }]
}

fn blocks(page: &str) -> Result<Vec<Block>, String> {
    let mut found = Vec::new();
    let mut above = "";
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<&str> = lines
                .by_ref()
                .map(|(_, line)| line)
                .take_while(|line| *line != "```")
                .collect();
            if LANGUAGES.contains(&language) {
                let purpose = purpose(above).ok_or_else(|| {
                    format!(
                        "docs/POLICY.md:{}: nothing says what this block is for",
                        at + 1
                    )
                })?;
                found.push(Block {
                    line: at + 1,
                    text: text.join("\n") + "\n",
                    purpose,
                });
            }
        }
        above = line;
    }
    Ok(found)
}

fn purpose(comment: &str) -> Option<Purpose> {
    let inner = comment.strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    if inner == "learned" {
        return Some(Purpose::Learned);
    }
    let (kind, rest) = inner.split_once(": ")?;
    let named = || {
        let (name, file) = rest.split_once(", file: ")?;
        Some((name.to_owned(), file.to_owned()))
    };
    match kind {
        "step" => named().map(|(name, file)| Purpose::Step { name, file }),
        "alone" => named().map(|(name, file)| Purpose::Alone { name, file }),
        "refused" => Some(Purpose::Refused(rest.to_owned())),
        "warned" => Some(Purpose::Warned(rest.to_owned())),
        "explain" => Some(Purpose::Explain(rest.to_owned())),
        "who-can" => Some(Purpose::WhoCan(rest.to_owned())),
        _ => None,
    }
}

impl Draft {
    /// Puts what a block says into a file.
    fn put(&mut self, file: &str, text: &str) {
        let old = self.0.entry(file.to_owned()).or_default();
        if file.ends_with(".toml") {
            text.clone_into(old);
            return;
        }
        let mut pieces: Vec<String> = pieces(old).map(str::to_owned).collect();
        for piece in self::pieces(text) {
            let twin = name_of(piece)
                .and_then(|name| pieces.iter_mut().find(|piece| name_of(piece) == Some(name)));
            match twin {
                Some(twin) => piece.clone_into(twin),
                None => pieces.push(piece.to_owned()),
            }
        }
        *old = pieces.join("\n\n") + "\n";
    }

    fn read(&self) -> Result<PolicySet, ReadSetError> {
        let files = self.0.iter().map(|(name, text)| SourceFile {
            name: name.clone(),
            text: text.clone(),
        });
        PolicySet::read("web-ops", files.collect())
    }

    /// A build whose reader of predicates is not there yet knows no names, and cannot read rules that ask for one.
    fn can_be_read(&self) -> bool {
        let is_read = |text: &String| {
            Predicates::read(text).map_or(true, |read| read.names().next().is_some())
        };
        self.0.get("predicates.toml").is_none_or(is_read)
    }

    fn passes(&self) -> Result<(), String> {
        let set = self.read().map_err(told)?;
        if let Some(warning) = set.warnings().first() {
            return Err(warning.to_string());
        }
        if self.0.keys().any(|name| name.ends_with(TABLE_SUFFIX)) {
            decided_by_tables(&set)?;
        }
        Ok(())
    }

    /// The set with some rules besides.
    fn with(&self, rules: &str) -> Result<PolicySet, ReadSetError> {
        let mut draft = self.clone();
        draft.0.insert("more.cedar".to_owned(), rules.to_owned());
        draft.read()
    }

    fn refused(&self, rules: &str, words: &str) -> Result<(), String> {
        match self.with(rules) {
            Ok(_) => Err("the set is read with these rules".to_owned()),
            Err(error) => has(&told(error), words),
        }
    }

    fn warned(&self, rules: &str, words: &str) -> Result<(), String> {
        let set = self.with(rules).map_err(told)?;
        let warnings: Vec<String> = set.warnings().iter().map(ToString::to_string).collect();
        has(&warnings.join("\n"), words)
    }

    /// The set with a case of it.
    fn case(&self, name: &str) -> Result<(PolicySet, Case), String> {
        let set = self.read().map_err(told)?;
        let tables = set.tables().filter_map(|file| Table::read(file).ok());
        let mut cases = tables.flat_map(|table| table.cases);
        let found = cases.find(|case| case.name == name);
        drop(cases);
        match found {
            Some(case) => Ok((set, case)),
            None => Err(format!("there is no case `{name}`")),
        }
    }

    fn explains(&self, name: &str, printed: &str) -> Result<(), String> {
        let (set, case) = self.case(name)?;
        let asks = case.request.asks().map_err(|error| error.to_string())?;
        let (decided, why) = set.explain(&case.request, &asks);
        for rule in decided.rules() {
            has(printed, rule)?;
            has(printed, &set.place_of(set.rule(rule).unwrap()))?;
        }
        for not in why {
            for near in not.nearest {
                has(printed, &format!("{}  {}", near.rule, near.place))?;
                near.fails
                    .iter()
                    .try_for_each(|fails| has(printed, fails))?;
            }
            let smallest = not.smallest.unwrap_or_default();
            smallest.lines().try_for_each(|line| has(printed, line))?;
        }
        Ok(())
    }

    fn says_who_can(&self, name: &str, printed: &str) -> Result<(), String> {
        let (set, case) = self.case(name)?;
        let asks = case.request.asks().map_err(|error| error.to_string())?;
        let can = set.who_can(&case.request, &asks);
        let rows = printed.lines().count() - 1;
        if rows != can.callers.len() {
            return Err(format!(
                "{} callers can, and here are {rows}",
                can.callers.len()
            ));
        }
        for who in can.callers {
            has(printed, who.caller.as_str())?;
            has(printed, &who.rules.join(", "))?;
        }
        Ok(())
    }
}

/// The parts of a file between empty lines.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n")
        .map(|piece| piece.trim_matches('\n'))
        .filter(|piece| !piece.is_empty())
}

/// The line that names a rule or a case.
fn name_of(piece: &str) -> Option<&str> {
    let mut lines = piece.lines();
    lines.find(|line| line.starts_with("@id(") || line.starts_with("  - name: "))
}

fn told(error: ReadSetError) -> String {
    error
        .problems
        .iter()
        .fold(String::new(), |mut text, problem| {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{problem}");
            text
        })
}

fn has(text: &str, words: &str) -> Result<(), String> {
    if text.contains(words) {
        Ok(())
    } else {
        Err(format!("`{words}` is not in\n{text}"))
    }
}

fn same(is: &str, wanted: &str) -> Result<(), String> {
    if is == wanted {
        Ok(())
    } else {
        Err(format!("it would be\n{wanted}"))
    }
}

#[test]
fn the_page_builds_a_set_that_does_what_it_says() {
    let set = teach(PAGE).unwrap_or_else(|message| panic!("{message}"));
    let decided = decided_by_tables(&set).unwrap();
    for rule in set.rules() {
        assert!(decided.contains(rule.id()), "no case shows {}", rule.id());
    }
    assert!(set.rules().len() > 10);
}

const LESSON: &str = "<!-- step: one, file: a.cedar -->
```cedar
@id(\"run\")
permit (principal, action == Action::\"run\", resource in Module::\"service\");
```

<!-- step: one, file: decisions.yaml -->
```yaml
format: host.decisions/1

cases:
  - { name: it runs, as: alice, task: service, expect: allowed }
```
";

#[test]
fn a_page_that_is_wrong_in_any_way_fails() {
    assert!(teach(LESSON).is_ok());
    for (wrong, says) in [
        (
            LESSON.replace("<!-- step: one, file: a.cedar -->\n", ""),
            ":1: nothing says",
        ),
        (
            LESSON.replace("step: one, file: d", "stop: one, file: d"),
            ":8: nothing says",
        ),
        (LESSON.replace("Module::", "Modul::"), "Modul"),
        (
            LESSON.replace("Module::\"service\"", "Module::\"disk\""),
            "it runs: expected allowed",
        ),
        (
            LESSON.replace("principal,", "principal in Group::\"ops\","),
            "has no members",
        ),
        (
            format!("{LESSON}\n<!-- refused: nothing -->\n```cedar\n// fine\n```\n"),
            ":16: the set is read",
        ),
        (
            format!("{LESSON}\n<!-- warned: nothing -->\n```cedar\n// fine\n```\n"),
            ":16: `nothing` is not in",
        ),
        (
            format!("{LESSON}\n<!-- learned -->\n```cedar\n// fine\n```\n"),
            ":16: it would be",
        ),
        (
            format!("{LESSON}\n<!-- explain: it runs -->\n```text\nallowed\n```\n"),
            ":16: `run` is not in",
        ),
        (
            format!("{LESSON}\n<!-- who-can: it runs -->\n```text\ncaller\n\nalice\n```\n"),
            ":16: 0 callers can",
        ),
        (
            format!("{LESSON}\n<!-- alone: two, file: b.cedar -->\n```cedar\nforbid;\n```\n"),
            "the set `two`",
        ),
    ] {
        let error = teach(&wrong).err().unwrap_or_default();
        assert!(error.contains(says), "{error}\n{wrong}");
    }
}

#[test]
fn a_step_replaces_what_has_the_same_name_and_adds_the_rest() {
    let mut draft = Draft::default();
    draft.put("a.cedar", "// one\n\n@id(\"b\")\npermit;\n");
    draft.put(
        "a.cedar",
        "@id(\"c\")\nforbid;\n\n// now it forbids\n@id(\"b\")\nforbid;\n",
    );
    assert_eq!(
        draft.0["a.cedar"],
        "// one\n\n// now it forbids\n@id(\"b\")\nforbid;\n\n@id(\"c\")\nforbid;\n"
    );
}
