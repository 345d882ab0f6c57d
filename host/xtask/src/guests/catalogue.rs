//! Which guests there are, what each is made of, and where its programs go.

use super::wasm::Shape;

/// A directory of guest-examples/ that has something to build in it.
#[derive(Debug)]
pub(crate) struct Guest {
    /// The directory's name, and the module's if it is one.
    pub(crate) name: &'static str,
    /// What is built.
    pub(crate) programs: &'static [Program],
}

/// One program.
#[derive(Debug)]
pub(crate) struct Program {
    /// What it is built from.
    pub(crate) source: Source,
    /// What it is, once it is built.
    pub(crate) shape: Shape,
    /// Where it goes, below the directory of all results.
    pub(crate) places: &'static [&'static str],
}

/// What a program is built from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// The guest's own package in the workspace of the guests, for this target.
    Package { target: &'static str },
    /// A program of others, as it was published.
    Crate {
        name: &'static str,
        version: &'static str,
        target: &'static str,
    },
    /// A C file in the guest's directory, with the C library.
    C { file: &'static str },
    /// An assembly file in the guest's directory, with nothing.
    Assembly { file: &'static str },
}

/// Preview 1: a core module.
pub(crate) const P1: &str = "wasm32-wasip1";

/// Preview 2: a component.
pub(crate) const P2: &str = "wasm32-wasip2";

/// All of them.
pub(crate) const GUESTS: &[Guest] = &[
    Guest {
        name: "disk_report",
        programs: &[Program {
            source: Source::Package { target: P2 },
            shape: Shape::Component,
            places: &["disk_report/tasks/init.wasm"],
        }],
    },
    Guest {
        name: "config_line",
        programs: &[Program {
            source: Source::Package { target: P1 },
            shape: Shape::Module,
            places: &["config_line/tasks/init.wasm"],
        }],
    },
    Guest {
        name: "misbehave",
        programs: &[
            Program {
                source: Source::Package { target: P1 },
                shape: Shape::Module,
                places: &["misbehave/tasks/p1.wasm", "programs/misbehave-p1.wasm"],
            },
            Program {
                source: Source::Package { target: P2 },
                shape: Shape::Component,
                places: &["misbehave/tasks/p2.wasm", "programs/misbehave-p2.wasm"],
            },
        ],
    },
    Guest {
        name: "conformance",
        programs: &[
            Program {
                source: Source::Package { target: P1 },
                shape: Shape::Module,
                places: &["conformance/tasks/p1.wasm"],
            },
            Program {
                source: Source::Package { target: P2 },
                shape: Shape::Component,
                places: &["conformance/tasks/p2.wasm"],
            },
        ],
    },
    Guest {
        name: "checksum",
        programs: &[Program {
            source: Source::C { file: "checksum.c" },
            shape: Shape::Module,
            places: &["checksum/tasks/init.wasm"],
        }],
    },
    Guest {
        name: "bombs",
        programs: &[
            Program {
                source: Source::Assembly { file: "function.s" },
                shape: Shape::Module,
                places: &["programs/bomb-function.wasm"],
            },
            Program {
                source: Source::Assembly { file: "locals.s" },
                shape: Shape::Module,
                places: &["programs/bomb-locals.wasm"],
            },
            Program {
                source: Source::Assembly { file: "table.s" },
                shape: Shape::Module,
                places: &["programs/bomb-table.wasm"],
            },
        ],
    },
    Guest {
        name: "nothing",
        programs: &[
            Program {
                source: Source::Package { target: P1 },
                shape: Shape::Module,
                places: &["nothing/tasks/p1.wasm"],
            },
            Program {
                source: Source::Package { target: P2 },
                shape: Shape::Component,
                places: &["nothing/tasks/p2.wasm"],
            },
        ],
    },
    Guest {
        name: "jaq",
        programs: &[Program {
            source: Source::Crate {
                name: "jaq",
                version: "2.1.1",
                target: P1,
            },
            shape: Shape::Module,
            places: &["jaq/tasks/init.wasm", "programs/jaq.wasm"],
        }],
    },
];

impl Guest {
    /// Whether there is a module of it, and not bare programs alone.
    pub(crate) fn is_module(&self) -> bool {
        self.bare_programs().count() < self.places().count()
    }

    /// Where its programs go, below the directory of all results.
    pub(crate) fn places(&self) -> impl Iterator<Item = &'static str> {
        self.programs
            .iter()
            .flat_map(|program| program.places.iter().copied())
    }

    /// Those of the places that are outside of any module.
    pub(crate) fn bare_programs(&self) -> impl Iterator<Item = &'static str> {
        self.places().filter(|place| place.starts_with("programs/"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::{GUESTS, P2, Source};
    use crate::guests::wasm::Shape;

    #[test]
    fn every_place_is_in_a_module_of_its_guest_or_among_the_programs() {
        let mut seen = BTreeSet::new();
        for guest in GUESTS {
            for place in guest.places() {
                let task = place.starts_with(&format!("{}/tasks/", guest.name));
                assert!(task || place.starts_with("programs/"), "{place}");
                assert!(place.ends_with(".wasm"), "{place}");
                assert!(seen.insert(place), "{place} is there twice");
            }
        }
    }

    #[test]
    fn what_is_built_for_preview_2_is_a_component() {
        for program in GUESTS.iter().flat_map(|guest| guest.programs) {
            let is_p2 = program.source == Source::Package { target: P2 };
            assert_eq!(is_p2, program.shape == Shape::Component, "{program:?}");
        }
    }

    #[test]
    fn every_task_of_a_module_is_described() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-examples");
        for guest in GUESTS {
            for place in guest.places().filter(|place| place.contains("/tasks/")) {
                let described = sources.join(place).with_extension("json");
                let text = std::fs::read_to_string(&described).unwrap();
                let task: serde_json::Value = serde_json::from_str(&text).unwrap();
                let asks = task.pointer("/extensions/host/asks");
                assert!(asks.is_some_and(|asks| asks.is_array()), "{place}");
            }
        }
    }
}
