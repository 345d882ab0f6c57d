//! What a program imports, and whether anything here provides it.

use crate::verdict::End;

/// The module that preview 1 programs import from.
pub(crate) const PREVIEW_1: &str = "wasi_snapshot_preview1";
/// The one before it.
const PREVIEW_0: &str = "wasi_unstable";
/// The packages of WASI 0.2 that every component is given. Of sockets it is given the functions and no network.
const PACKAGES: [&str; 6] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];
/// How many imports one message names.
const NAMED_MAX: usize = 5;

/// Judges the modules or interfaces that a program imports from; nothing is wrong with those that are provided.
pub(crate) fn judge<'n>(names: impl Iterator<Item = &'n str>) -> Option<End> {
    let mut foreign: Vec<&str> = names.filter(|name| !is_provided(name)).collect();
    foreign.sort_unstable();
    foreign.dedup();
    let first = *foreign.first()?;
    let (why, hint) = explain(first);
    let more = foreign.len().saturating_sub(NAMED_MAX);
    let named: Vec<String> = foreign
        .iter()
        .take(NAMED_MAX)
        .map(|name| format!("`{}`", host_core::Shown(name)))
        .collect();
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Some(End::Unfit {
        reason: format!("it imports {}{more}{why}", named.join(", ")),
        hint,
    })
}

fn is_provided(name: &str) -> bool {
    let of_0_2 = |name: &str| {
        let version = name.rsplit_once('@').map(|(_, version)| version);
        version.is_none_or(|version| version.starts_with("0.2."))
    };
    name == PREVIEW_1 || (PACKAGES.iter().any(|package| name.starts_with(package)) && of_0_2(name))
}

/// Interfaces that are another's to provide, with the capability that gives what they are for.
const BY_OTHER_MEANS: [(&str, &str); 3] = [
    ("wasi:keyvalue/", "fs.write:/path"),
    ("wasi:blobstore/", "fs.write:/path"),
    ("wasi:config/", "env:NAME"),
];

/// Why nothing provides `name`, and what its author or whoever runs it can do.
fn explain(name: &str) -> (&'static str, Option<String>) {
    if name.starts_with("wasi:http/") {
        let why = ", which takes `http.request:METHOD https://host/prefix`, and this version gives no run a network";
        return (why, None);
    }
    if PACKAGES.iter().any(|package| name.starts_with(package)) {
        let hint = "build it for WASI 0.2 (preview 2) or preview 1";
        return (", of another version than 0.2", Some(hint.to_owned()));
    }
    let other = BY_OTHER_MEANS
        .iter()
        .find(|(package, _)| name.starts_with(package));
    let hint = if let Some((_, capability)) = other {
        format!("what it is for is to be had by other means: let it ask for `{capability}`")
    } else {
        let hint = match name {
            PREVIEW_0 => "build it anew: this is WASI preview 0, which compilers left in 2020",
            "env" | "go" | "gojs" => {
                "it was built for another host than WASI, such as a browser: build it for wasm32-wasip1 or wasm32-wasip2"
            }
            _ => "a task has WASI and its grants: no capability opens anything else",
        };
        hint.to_owned()
    };
    (", which nothing here provides", Some(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(names: &[&str]) -> String {
        match judge(names.iter().copied()) {
            Some(End::Unfit { reason, .. }) => reason,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_wasi_has_is_provided() {
        let all = [
            PREVIEW_1,
            "wasi:cli/stdin@0.2.0",
            "wasi:filesystem/types@0.2.12",
            "wasi:sockets/tcp@0.2.3",
        ];
        assert_eq!(judge(all.into_iter()), None);
    }

    #[test]
    fn what_a_capability_would_open_is_named_with_it() {
        let http = reason(&["wasi:cli/stdin@0.2.0", "wasi:http/outgoing-handler@0.2.0"]);
        assert!(
            http.contains("`wasi:http/outgoing-handler@0.2.0`"),
            "{http}"
        );
        assert!(http.contains("http.request:METHOD"), "{http}");
    }

    #[test]
    fn strangers_and_other_versions_are_refused() {
        for name in [
            "env",
            "wasi_unstable",
            "wasi:cli/stdin@0.3.0",
            "acme:db/x",
            "wasi:clip/x",
        ] {
            assert!(reason(&[name]).contains(&format!("`{name}`")), "{name}");
        }
        let many = ["a", "b", "c", "d", "e", "f", "g"];
        assert!(
            reason(&many).contains("`e` and 2 more"),
            "{}",
            reason(&many)
        );
    }
}
