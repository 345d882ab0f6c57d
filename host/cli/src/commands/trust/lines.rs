//! Lines with keys that are to be trusted: bare public keys, and `allowed_signers` lines.
//!
//! A line that would have to be guessed at refuses the whole text: which key, whose, and for what is said
//! plainly or not at all.

use std::collections::BTreeSet;

use host_core::{ModuleName, Shown};
use host_trust::sshsig::Namespace;
use host_trust::{AllowedSigner, Author, Modules, Moment, Owner, PublicKey};

use crate::exit::Exit;
use crate::failure::Failure;

/// What a person said of all keys of a text.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Whose they are, whatever their lines say.
    pub(super) owner: Option<Owner>,
    /// What they may sign; everything if empty.
    pub(super) modules: BTreeSet<ModuleName>,
    /// From when on, whatever their lines say.
    pub(super) not_before: Option<Moment>,
    /// Until when, whatever their lines say.
    pub(super) not_after: Option<Moment>,
}

/// The entries for every line of a text.
pub(super) fn authors(text: &str, wanted: &Wanted) -> Result<Vec<Author>, Failure> {
    if text.contains("-----BEGIN") {
        return Err(Failure::usage(
            "this is a private key, which nobody but its owner should have",
        )
        .hint("add its public half, the file that ends in .pub"));
    }
    let lines = text.lines().map(str::trim).zip(1_usize..);
    let filled: Vec<(&str, usize)> = lines
        .filter(|(line, _)| !line.is_empty() && !line.starts_with('#'))
        .collect();
    if filled.is_empty() {
        return Err(Failure::usage("there is no key in it"));
    }
    let is_one = filled.len() == 1;
    let author = |(line, number): (&str, usize)| {
        author(line, wanted).map_err(|mut failure| {
            if !is_one {
                failure
                    .chain
                    .insert(0, format!("line {number} cannot be added, so nothing was"));
            }
            failure
        })
    };
    filled.into_iter().map(author).collect()
}

fn author(line: &str, wanted: &Wanted) -> Result<Author, Failure> {
    let is_bare = ["ssh-", "sk-", "ecdsa-"]
        .iter()
        .any(|algorithm| line.starts_with(algorithm));
    let (key, owners, dates) = if is_bare {
        let key: PublicKey = line
            .parse()
            .map_err(|error| Failure::new(Exit::Usage, &error))?;
        let owners = vec![key.comment().to_owned()];
        (key, owners, (None, None))
    } else {
        let signer =
            AllowedSigner::read_line(line).map_err(|error| Failure::new(Exit::Usage, &error))?;
        if !signer.permits(Namespace::Bundle) {
            let namespace = Namespace::Bundle.as_str();
            return Err(Failure::usage(format!(
                "its key may not sign in the namespace `{namespace}`"
            )));
        }
        (
            signer.key,
            signer.principals,
            (signer.not_before, signer.not_after),
        )
    };
    let owner = match &wanted.owner {
        Some(owner) => owner.clone(),
        None => owner(&owners)?,
    };
    let modules = match &wanted.modules {
        modules if modules.is_empty() => Modules::All,
        modules => Modules::Named(modules.clone()),
    };
    let comment = Some(key.comment().to_owned()).filter(|comment| !comment.is_empty());
    Ok(Author {
        owner,
        modules,
        not_before: wanted.not_before.or(dates.0),
        not_after: wanted.not_after.or(dates.1),
        comment,
        key,
    })
}

/// The one owner that a line names.
fn owner(names: &[String]) -> Result<Owner, Failure> {
    let hint = "say whose key it is: --owner NAME";
    match names {
        [name] if name.is_empty() => {
            Err(Failure::usage("the key does not say whose it is").hint(hint))
        }
        [name] if name.contains(['*', '?', '!']) => {
            Err(Failure::usage(format!("`{}` is a pattern and no owner", Shown(name))).hint(hint))
        }
        [name] => name
            .parse()
            .map_err(|error| Failure::new(Exit::Usage, &error).hint(hint)),
        _ => Err(Failure::usage("the line names several owners").hint(hint)),
    }
}

#[cfg(test)]
mod tests {
    use host_trust::{KeyFile, Signer};

    use super::*;

    fn key() -> String {
        let key = KeyFile::generate(&[5; 32], "").unwrap();
        key.public_key().to_string()
    }

    fn check(text: &str, wanted: &Wanted, expected: Result<&str, &str>) {
        let text = text.replace("KEY", &key());
        let words = |author: Author| {
            let date = |date: Option<Moment>| date.map_or("-".to_owned(), |date| date.to_string());
            let dates = format!("{} {}", date(author.not_before), date(author.not_after));
            format!(
                "{} {:?} {dates}",
                author.owner,
                author.modules == Modules::All
            )
        };
        let found = authors(&text, wanted)
            .map(|authors| {
                authors
                    .into_iter()
                    .map(words)
                    .collect::<Vec<_>>()
                    .join("; ")
            })
            .map_err(|failure| failure.to_string());
        assert_eq!(
            found,
            expected.map(str::to_owned).map_err(str::to_owned),
            "{text}"
        );
    }

    #[test]
    fn the_owner_is_who_the_line_names() {
        let usual = Wanted::default();
        check(
            "KEY ann@example.com",
            &usual,
            Ok("ann@example.com true - -"),
        );
        check(
            "ann@example.com KEY",
            &usual,
            Ok("ann@example.com true - -"),
        );
        check(
            "# team\n\nKEY ann\nbob KEY\n",
            &usual,
            Ok("ann true - -; bob true - -"),
        );
        check("KEY", &usual, Err("the key does not say whose it is"));
        check(
            "*@example.com KEY",
            &usual,
            Err("`*@example.com` is a pattern and no owner"),
        );
        check("ann,bob KEY", &usual, Err("the line names several owners"));
    }

    #[test]
    fn what_is_said_beside_the_lines_goes_before_them() {
        let wanted = Wanted {
            owner: Some("eve".parse().unwrap()),
            modules: ["service".parse().unwrap()].into(),
            not_before: None,
            not_after: Some("2027-12-31".parse().unwrap()),
        };
        check(
            "ann,bob valid-after=\"20260101Z\",valid-before=\"20280101Z\" KEY",
            &wanted,
            Ok("eve false 2026-01-01T00:00:00Z 2027-12-31"),
        );
    }

    #[test]
    fn a_line_that_is_refused_refuses_all() {
        let usual = Wanted::default();
        check("", &usual, Err("there is no key in it"));
        check(
            "ann namespaces=\"git\" KEY",
            &usual,
            Err("its key may not sign in the namespace `bundle@host`"),
        );
        check(
            "KEY ann\nKEY",
            &usual,
            Err("line 2 cannot be added, so nothing was: the key does not say whose it is"),
        );
        check(
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            &usual,
            Err("this is a private key, which nobody but its owner should have"),
        );
    }
}
