//! Who signed a bundle, and what each signature is worth on this machine.
//!
//! This is for showing. Whether a bundle may be used is for [`TrustList::judge`] alone, which
//! [`verdict`] asks.

use host_core::ModuleName;
use host_trust::sshsig::{self, Namespace};
use host_trust::{Author, DistrustError, Modules, PublicKey, SignedBy, TrustList};
use serde_json::{Value, json};

use super::look::Look;

/// One signature of a bundle.
#[derive(Debug)]
pub(super) enum Seal {
    /// It does not hold; why.
    Broken(String),
    /// It holds.
    Holds {
        /// The key that made it.
        key: Box<PublicKey>,
        /// What that is worth.
        standing: Standing,
    },
}

/// What a key is worth for a module, now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// The trust list does not have it.
    Unknown,
    /// Its signatures no longer count.
    Revoked,
    /// It has an entry; `but` says why that does not count.
    Listed {
        /// Whose it is.
        owner: String,
        /// What it is trusted for, in words.
        scope: String,
        /// What keeps it from counting.
        but: Option<String>,
    },
}

/// Every signature of the bundle.
pub(super) fn seals(look: &Look, trust: &TrustList, now_unix: u64) -> Vec<Seal> {
    let module = look.manifest.module();
    let seal =
        |armored: &String| match sshsig::verify(armored, Namespace::Bundle, &look.manifest_bytes) {
            Ok(key) => Seal::Holds {
                standing: standing(&key, module, trust, now_unix),
                key: Box::new(key),
            },
            Err(error) => Seal::Broken(error.to_string()),
        };
    look.signatures.iter().map(seal).collect()
}

/// What the trust list says of the bundle as a whole.
pub(crate) fn verdict(
    look: &Look,
    trust: &TrustList,
    now_unix: u64,
) -> Result<Vec<SignedBy>, DistrustError> {
    let (module, version) = (look.manifest.module(), look.manifest.version().as_str());
    trust.judge(
        module,
        version,
        &look.id,
        &look.signatures,
        &look.manifest_bytes,
        now_unix,
    )
}

fn standing(key: &PublicKey, module: &ModuleName, trust: &TrustList, now_unix: u64) -> Standing {
    if trust.revoked_keys().contains(&key.fingerprint()) {
        return Standing::Revoked;
    }
    let entries = trust.authors().iter().filter(|author| author.key == *key);
    let listed = entries.map(|author| Standing::Listed {
        owner: author.owner.to_string(),
        scope: scope(&author.modules),
        but: objection(author, module, now_unix),
    });
    let counts = |standing: &Standing| !matches!(standing, Standing::Listed { but: None, .. });
    listed.min_by_key(counts).unwrap_or(Standing::Unknown)
}

fn objection(author: &Author, module: &ModuleName, now_unix: u64) -> Option<String> {
    if !author.modules.covers(module) {
        return Some(format!("not for {module}"));
    }
    let early = author.not_before.filter(|from| from.is_after(now_unix));
    let late = author.not_after.filter(|until| until.is_before(now_unix));
    let early = early.map(|from| format!("from {from} on"));
    early.or_else(|| late.map(|until| format!("until {until}")))
}

/// What a key is trusted for.
pub(crate) fn scope(modules: &Modules) -> String {
    match modules {
        Modules::All => "every module".to_owned(),
        Modules::Named(names) => {
            let names: Vec<&str> = names.iter().map(ModuleName::as_str).collect();
            names.join(", ")
        }
    }
}

impl Standing {
    /// The owner and what the key is worth, for people.
    fn words(&self) -> (&str, String) {
        match self {
            Self::Unknown => ("an unknown key", "not trusted".to_owned()),
            Self::Revoked => ("a revoked key", "not trusted".to_owned()),
            Self::Listed {
                owner,
                scope,
                but: None,
            } => (owner, format!("trusted for {scope}")),
            Self::Listed {
                owner,
                scope,
                but: Some(but),
            } => (owner, format!("trusted for {scope}, {but}")),
        }
    }
}

impl Seal {
    /// Whose signature it is, and what it is worth.
    pub(super) fn line(&self) -> [String; 2] {
        match self {
            Self::Broken(why) => [
                "a signature that does not hold".to_owned(),
                format!("({why})"),
            ],
            Self::Holds { key, standing } => {
                let (owner, worth) = standing.words();
                [
                    owner.to_owned(),
                    format!("({}  {worth})", key.fingerprint()),
                ]
            }
        }
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Broken(why) => json!({"holds": false, "why": why}),
            Self::Holds { key, standing } => {
                let owner = match standing {
                    Standing::Listed { owner, .. } => Some(owner),
                    Standing::Unknown | Standing::Revoked => None,
                };
                json!({
                    "holds": true,
                    "fingerprint": key.fingerprint().to_string(),
                    "key": key.to_string(),
                    "owner": owner,
                    "trusted": matches!(standing, Standing::Listed { but: None, .. }),
                    "standing": standing.words().1,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use host_trust::{KeyFile, Signer};

    use super::*;

    /// Half of November 2026.
    const NOW: u64 = 1_794_787_200;

    fn check(entries: &[(&str, Option<&str>, Option<&str>)], expected: (&str, &str)) {
        let key = KeyFile::generate(&[7; 32], "")
            .unwrap()
            .public_key()
            .clone();
        let mut trust = TrustList::empty();
        for (module, from, until) in entries {
            let modules = Modules::Named([module.parse().unwrap()].into());
            let author = Author {
                owner: "ann".parse().unwrap(),
                key: key.clone(),
                modules,
                not_before: from.map(|day| day.parse().unwrap()),
                not_after: until.map(|day| day.parse().unwrap()),
                comment: None,
            };
            trust.add_author(author).unwrap();
        }
        let standing = standing(&key, &"service".parse().unwrap(), &trust, NOW);
        let (owner, worth) = standing.words();
        assert_eq!((owner, worth.as_str()), expected, "{entries:?}");
    }

    #[test]
    fn a_key_is_worth_what_its_best_entry_says() {
        check(&[], ("an unknown key", "not trusted"));
        check(&[("service", None, None)], ("ann", "trusted for service"));
        check(
            &[("web", None, None)],
            ("ann", "trusted for web, not for service"),
        );
        check(
            &[("service", Some("2027-01-01"), None)],
            ("ann", "trusted for service, from 2027-01-01 on"),
        );
        check(
            &[("service", None, Some("2020-01-01"))],
            ("ann", "trusted for service, until 2020-01-01"),
        );
        check(
            &[
                ("service", None, Some("2020-01-01")),
                ("service", None, None),
            ],
            ("ann", "trusted for service"),
        );
    }
}
