//! What is started: a task's script, a task's WASI program, or a WASI program as it is, with all that its jail needs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use host_core::{Capability, Denial, Digest, Grant, RunId, TaskName};
use host_jail::{
    Egress, Inlets, InstalledFile, JailRecipe, Learn, Opening, Program, SecretFile, Who,
};
use host_store::Store;
use host_wasm::{Order, Preopen, ProgramKind, RunOrder, WORKER_BYTES};

use crate::begin::BeginError;
use crate::compile::Compiled;
use crate::draft::Subject;
use crate::load::{is_executable, read_file};
use crate::machine::{FIXED_ENVIRONMENT, Machine};
use crate::plan::{INSTALL_DIR, Plan};

/// The most that the files of one task take in its jail, in bytes.
const INSTALL_BYTES_MAX: u64 = 512 << 20;
/// What a WASI program of a task can open without a grant, and whether it may write there. The first is where it starts;
/// by the second name it finds what it opens by a relative path.
const OWN_PREOPENS: [(&str, &str, bool); 4] = [
    ("/scratch", "/scratch", true),
    ("/scratch", ".", true),
    ("/tmp", "/tmp", true),
    ("/out", "/out", true),
];

/// The variable that tells a task what it goes without: optional asks that were not granted, one a line.
pub const NOT_GRANTED_VARIABLE: &str = "HOST_NOT_GRANTED";

/// Something to be started.
#[derive(Debug)]
pub struct Work {
    pub(crate) subject: Subject,
    /// The task, where no two runs of it may overlap.
    pub(crate) exclusive: Option<TaskName>,
    /// The digest of the input without its secrets.
    pub(crate) input_digest: Digest,
    pub(crate) noop: bool,
    /// How note is taken of what it uses, if it is.
    learn: Option<Learn>,
    pub(crate) inlets: Inlets,
    install: Vec<InstalledFile>,
    stdin: Vec<u8>,
    executable: Executable,
    /// Capabilities without which the run goes on.
    optional: BTreeSet<String>,
    /// The variables of the input.
    input: Vec<(String, String)>,
}

/// What is executed.
#[derive(Debug)]
enum Executable {
    /// A file, by its path below the directory of the task.
    File(String),
    /// A WASI program.
    Wasm(WasmProgram),
}

/// A WASI program that was compiled, with what it has without a grant.
#[derive(Debug)]
struct WasmProgram {
    kind: ProgramKind,
    /// How long its machine code is.
    code_bytes: u64,
    arguments: Vec<String>,
    preopens: Vec<Preopen>,
    /// The variables of a program that is no task; a task has what every task has.
    environment: Option<Vec<(String, String)>>,
}

impl Work {
    /// The task of `plan`; `compiled` is its program where that is a WASI program.
    ///
    /// # Errors
    /// [`BeginError::Install`] when a file of the bundle cannot be read any more.
    pub fn of_task(
        plan: &Plan<'_>,
        compiled: Option<Compiled>,
        store: &Store,
    ) -> Result<Self, BeginError> {
        let optional = plan.asks.iter().filter(|ask| ask.optional);
        let optional = optional.map(|ask| ask.capability.to_string()).collect();
        let name = plan.installation.executable.clone();
        let (executable, file) = match compiled {
            None => (Executable::File(name), None),
            Some(compiled) => {
                let preopens = OWN_PREOPENS.map(|(place, name, writable)| Preopen {
                    place: place.to_owned(),
                    name: name.to_owned(),
                    writable,
                });
                let wasm = WasmProgram {
                    kind: compiled.kind,
                    code_bytes: compiled.bytes,
                    arguments: vec![name],
                    preopens: preopens.into(),
                    environment: None,
                };
                (Executable::Wasm(wasm), Some(compiled.code))
            }
        };
        Ok(Self {
            subject: plan.subject(),
            exclusive: plan.task.asks.exclusive.then(|| plan.task.name.clone()),
            input_digest: plan.input_digest,
            noop: plan.noop,
            learn: plan.learn.clone(),
            inlets: Inlets { stdin: None, file },
            install: install(plan, store)?,
            stdin: plan.process.stdin.clone(),
            executable,
            optional,
            input: plan.process.environment.clone(),
        })
    }

    /// A WASI program that is no task: it has its arguments, its environment, its directories, and what its standard
    /// input brings.
    #[must_use]
    pub(crate) fn of_program(
        subject: Subject,
        input_digest: Digest,
        compiled: Compiled,
        given: ProgramInput,
    ) -> Self {
        Self {
            subject,
            exclusive: None,
            input_digest,
            noop: false,
            learn: None,
            inlets: Inlets {
                stdin: Some(given.stdin),
                file: Some(compiled.code),
            },
            install: Vec::new(),
            stdin: Vec::new(),
            executable: Executable::Wasm(WasmProgram {
                kind: compiled.kind,
                code_bytes: compiled.bytes,
                arguments: given.arguments,
                preopens: given.preopens,
                environment: Some(given.environment),
            }),
            optional: BTreeSet::new(),
            input: Vec::new(),
        }
    }

    /// The jail that it is started in with `grant`.
    pub(crate) fn recipe(
        &self,
        grant: &Grant,
        machine: &Machine,
        run: RunId,
        who: Who,
        relay: Option<u32>,
        secrets: Vec<SecretFile>,
    ) -> JailRecipe {
        let openings = widest(grant.iter().filter_map(|granted| {
            let (path, writable) = match &granted.capability {
                Capability::FsRead(path) => (path, false),
                Capability::FsWrite(path) => (path, true),
                _ => return None,
            };
            let capability = granted.capability.to_string();
            Some(Opening {
                path: PathBuf::from(path.as_str()),
                writable,
                optional: self.optional.contains(&capability),
                capabilities: vec![capability],
            })
        }));
        let user_name = match grant.run_as() {
            _ if grant.appears_root() => "root".to_owned(),
            Some(user) => user.to_string(),
            None => "task".to_owned(),
        };
        let environment = self.environment(grant, machine);
        JailRecipe {
            run,
            user_name,
            who,
            appear_root: grant.appears_root(),
            system_paths: machine.system_paths.clone(),
            never: machine.never.clone(),
            hidden: self.hidden(grant),
            apart: host_jail::recipe::Apart::default(),
            egress: egress(grant),
            relay,
            install: self.install.clone(),
            program: self.program(grant, &openings, &environment),
            openings,
            environment,
            stdin: self.stdin.clone(),
            limits: grant.limits().clone(),
            learn: self
                .learn
                .clone()
                .map(|learn| with_secrets(learn, &secrets)),
            secrets,
        }
    }

    /// What is forbidden inside of what is granted or shown to everybody, also by the place that a link on the way leads to.
    fn hidden(&self, grant: &Grant) -> Vec<PathBuf> {
        let granted = grant.hidden().map(|path| PathBuf::from(path.as_str()));
        let judged = self.subject.judged.iter();
        let shown = judged.flat_map(|judged| judged.unseen.iter().cloned());
        let named = granted.chain(shown);
        named.flat_map(|path| [led_to(&path), path]).collect()
    }

    fn program(
        &self,
        grant: &Grant,
        openings: &[Opening],
        environment: &[(String, String)],
    ) -> Program {
        let wasm = match &self.executable {
            Executable::File(path) => {
                return Program::File(PathBuf::from(INSTALL_DIR).join(path));
            }
            Executable::Wasm(wasm) => wasm,
        };
        let memory_bytes = grant.limits().memory().bytes();
        let call_bytes = host_wasm::call_bytes(memory_bytes);
        let order = Order::Run(RunOrder {
            kind: wasm.kind,
            arguments: wasm.arguments.clone(),
            environment: wasm.environment(grant, environment),
            preopens: wasm.preopens(openings, !self.install.is_empty()),
            memory_bytes,
            call_bytes,
            handles: grant.limits().files(),
            streams_stdin: !wasm.is_task(),
        });
        Program::Function {
            // Plain text, numbers and lists: nothing that JSON could not hold.
            order: serde_json::to_string(&order).unwrap_or_default(),
            own_bytes: WORKER_BYTES
                .saturating_add(call_bytes)
                .saturating_add(wasm.code_bytes),
        }
    }

    /// The fixed variables, then those that were granted, then the input's, which nothing replaces.
    fn environment(&self, grant: &Grant, machine: &Machine) -> Vec<(String, String)> {
        let fixed = FIXED_ENVIRONMENT
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let granted = grant.env().filter_map(|name| {
            machine
                .environment
                .get(name.as_str())
                .map(|value| (name.to_string(), value.clone()))
        });
        let dropped = dropped(grant, &self.subject.denials);
        let dropped = dropped.map(|names| (NOT_GRANTED_VARIABLE.to_owned(), names));
        let input = self.input.iter().cloned();
        let merged: BTreeMap<String, String> =
            fixed.chain(granted).chain(dropped).chain(input).collect();
        merged.into_iter().collect()
    }
}

/// No note has a secret of the run in it either.
fn with_secrets(mut learn: Learn, secrets: &[SecretFile]) -> Learn {
    let texts = secrets
        .iter()
        .map(|secret| String::from_utf8_lossy(&secret.bytes));
    learn
        .secrets
        .extend(texts.map(|text| text.trim_end().to_owned()));
    learn
}

/// Where a run may connect to.
fn egress(grant: &Grant) -> Vec<Egress> {
    let granted = grant
        .iter()
        .filter_map(|granted| match &granted.capability {
            Capability::NetConnect(endpoint) => Some((endpoint, &granted.except)),
            _ => None,
        });
    granted
        .map(|(endpoint, except)| Egress {
            endpoint: endpoint.clone(),
            except: except
                .iter()
                .filter_map(|except| match &except.capability {
                    Capability::NetConnect(endpoint) => Some(endpoint.host().clone()),
                    _ => None,
                })
                .collect(),
        })
        .collect()
}

/// Where a path leads by its links, as far as it is there; what is not there yet comes behind.
fn led_to(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|above| {
        let place = std::fs::canonicalize(above).ok()?;
        Some(place.join(path.strip_prefix(above).ok()?))
    });
    // A path joined with nothing ends in a slash, which compares alike.
    there.unwrap_or_else(|| path.to_owned())
}

/// The optional asks that the run goes without, one a line.
fn dropped(grant: &Grant, impossible: &[Denial]) -> Option<String> {
    let dropped = grant.dropped().iter();
    let dropped = dropped.map(|ask| ask.capability.to_string());
    let impossible = impossible.iter().map(|denial| denial.capability.clone());
    let names: Vec<String> = dropped.chain(impossible).collect();
    (!names.is_empty()).then(|| names.join("\n"))
}

/// What a program is given that is no task.
#[derive(Debug)]
pub(crate) struct ProgramInput {
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) preopens: Vec<Preopen>,
    pub(crate) stdin: std::os::fd::OwnedFd,
}

impl WasmProgram {
    fn is_task(&self) -> bool {
        self.environment.is_none()
    }

    /// Its directories: its own, then what was granted, then the files of its task.
    fn preopens(&self, openings: &[Opening], has_files: bool) -> Vec<Preopen> {
        let granted = openings.iter().filter_map(|opening| {
            let place = opening.path.to_str()?.to_owned();
            // What has a name of its own is not shown by another one too, unless that gives less.
            let has_name = self
                .preopens
                .iter()
                .any(|preopen| preopen.place == place && (preopen.writable || !opening.writable));
            (!has_name).then_some(Preopen {
                name: place.clone(),
                place,
                writable: opening.writable,
            })
        });
        let files = has_files.then(|| Preopen {
            place: INSTALL_DIR.to_owned(),
            name: INSTALL_DIR.to_owned(),
            writable: false,
        });
        let own = self.preopens.iter().cloned();
        own.chain(granted).chain(files).collect()
    }

    /// Its variables: all that a run has for a task, and of those only what is named for any other program.
    fn environment(&self, grant: &Grant, all: &[(String, String)]) -> Vec<(String, String)> {
        let Some(own) = &self.environment else {
            return all.to_vec();
        };
        let has = |name: &str| own.iter().any(|(known, _)| known == name);
        let granted = |name: &str| grant.env().any(|granted| granted.as_str() == name);
        let named = all.iter().filter(|(name, _)| granted(name) && !has(name));
        own.iter().chain(named).cloned().collect()
    }
}

/// Reads the files that go into the jail. A WASI program is handed over compiled, and is not among them.
fn install(plan: &Plan<'_>, store: &Store) -> Result<Vec<InstalledFile>, BeginError> {
    let mut room = INSTALL_BYTES_MAX;
    let executable = &plan.installation.executable;
    let mut files = Vec::with_capacity(plan.installation.files.len());
    for file in &plan.installation.files {
        if plan.is_wasm() && file.to == *executable {
            continue;
        }
        let bundle = &plan.loaded.bundle;
        let bytes =
            read_file(bundle, &file.from, room, store).map_err(|source| BeginError::Install {
                path: file.from.clone(),
                source,
            })?;
        room = room.saturating_sub(bytes.len() as u64);
        files.push(InstalledFile {
            path: PathBuf::from(&file.to),
            executable: file.to == *executable || is_executable(bundle, &file.from),
            bytes,
        });
    }
    Ok(files)
}

/// One opening for each path: writable if any grant of it is.
fn widest(openings: impl Iterator<Item = Opening>) -> Vec<Opening> {
    let mut by_path: BTreeMap<PathBuf, Opening> = BTreeMap::new();
    for opening in openings {
        by_path
            .entry(opening.path.clone())
            .and_modify(|known| {
                known.writable |= opening.writable;
                known.optional &= opening.optional;
                known
                    .capabilities
                    .extend(opening.capabilities.iter().cloned());
            })
            .or_insert(opening);
    }
    by_path.into_values().collect()
}

/// Calls the worker with what the jail hands it.
pub fn worker(call: host_jail::Call) -> i32 {
    host_wasm::work(&call.order, call.file, call.last_words)
}
