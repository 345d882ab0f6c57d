//! Subject: any text as the rules of a set.
//!
//! It is read or refused, and never halfway; what is read is cut into the same rules as Cedar itself finds in the whole.

use host_policy::{PolicySet, SourceFile};

/// Longest text that is looked at; a set is bounded besides.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// Panics where a set is read that Cedar would read otherwise.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if text.len() > TEXT_BYTES_MAX {
        return;
    }
    let file = SourceFile {
        name: "a.cedar".to_owned(),
        text: text.to_owned(),
    };
    match PolicySet::read("set", vec![file]) {
        Ok(set) => {
            let whole: cedar_policy::PolicySet = text
                .parse()
                .expect("what was read in pieces reads as a whole");
            assert_eq!(
                whole.policies().count(),
                set.rules().len(),
                "the same number of rules"
            );
            for rule in set.rules() {
                assert!(set.rule_text(rule).contains(if rule.forbids() {
                    "forbid"
                } else {
                    "permit"
                }));
                assert!(set.rule(rule.id()).is_some());
            }
        }
        Err(error) => assert!(!error.problems.is_empty(), "a refusal says why"),
    }
}
