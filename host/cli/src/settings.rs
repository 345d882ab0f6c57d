//! Settings: flags beat the environment, which beats the file, which beats what is built in.
//!
//! This is the only file that reads the process environment. Unknown keys and values that do not parse
//! are errors with their origin; each value remembers where it came from, for `host config show`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use host_core::{Ceilings, LimitName, LimitRequests, Limits, NameError, Shown};
use host_node::{Machine, Starter};
use host_policy::Node;
use host_store::{Places, Privacy, ReadOwnedError, UidRange, read_owned};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::OutputMode;
use crate::wording::shown;

/// The longest settings file, in bytes.
const CONFIG_BYTES_MAX: u64 = 256 * 1024;
/// Where root keeps configuration, state, cache and what is running.
const SYSTEM_PLACES: [&str; 4] = ["/etc/host", "/var/lib/host", "/var/cache/host", "/run/host"];
/// What is built in, in the form of a settings file.
pub(crate) const DEFAULTS: &str = include_str!("defaults.toml");

/// The process environment, read once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of this process; names or values that are not UTF-8 are left out.
    pub(crate) fn of_process() -> Self {
        let pairs = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self(pairs.collect())
    }

    /// A variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    }

    /// Every variable.
    pub(crate) fn all(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

/// Where a value came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    BuiltIn,
    File(PathBuf),
    Variable(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => out.write_str("built in"),
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Variable(name) => out.write_str(name),
        }
    }
}

/// The keys of a settings file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    output: Option<String>,
    modulepath: Option<Vec<PathBuf>>,
    features: Option<BTreeSet<String>>,
    system_paths: Option<Vec<PathBuf>>,
    uid_range: Option<(u32, u32)>,
    #[serde(default)]
    node: NodeFile,
    #[serde(default)]
    limits: BTreeMap<String, String>,
    #[serde(default)]
    ceilings: BTreeMap<String, String>,
}

/// What rules see of this machine.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeFile {
    name: Option<String>,
    groups: Option<BTreeSet<String>>,
    classes: Option<BTreeSet<String>>,
}

/// Settings of this process.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where everything is.
    pub(crate) places: Places,
    /// What standard output is for.
    pub(crate) output: OutputMode,
    /// Directories with other modules.
    pub(crate) modulepath: Vec<PathBuf>,
    /// Whether colours are forbidden.
    pub(crate) no_color: bool,
    /// The variables of this process.
    pub(crate) environment: Environment,
    /// This machine as rules see it.
    pub(crate) node: Node,
    features: BTreeSet<String>,
    system_paths: Vec<PathBuf>,
    uid_range: UidRange,
    limits: Limits,
    ceilings: Ceilings,
    ceilings_told: LimitRequests,
    origins: Vec<(String, Value, Source)>,
    place_origins: [Source; 4],
}

impl Settings {
    /// Where a service manager has put secrets for this process.
    pub(crate) fn credentials(&self) -> Option<PathBuf> {
        self.environment.path("CREDENTIALS_DIRECTORY")
    }

    /// Gathers the settings of this process.
    pub(crate) fn gather(environment: Environment) -> Result<Self, Failure> {
        let (places, place_origins) = places(&environment);
        let path = places.config.join("config.toml");
        let built_in: ConfigFile =
            toml::from_str(DEFAULTS).map_err(|error| Failure::new(Exit::Bug, &error))?;
        let file = read_file(&path)?;
        let mut settings = Self {
            places,
            output: OutputMode::Human,
            modulepath: Vec::new(),
            no_color: environment.get("NO_COLOR").is_some(),
            environment,
            node: Node::default(),
            features: BTreeSet::new(),
            system_paths: Vec::new(),
            uid_range: UidRange::DEFAULT,
            limits: Limits::default(),
            ceilings: Ceilings::default(),
            ceilings_told: LimitRequests::default(),
            origins: Vec::new(),
            place_origins,
        };
        settings.apply(built_in, &Source::BuiltIn)?;
        settings.apply(file, &Source::File(path))?;
        settings.apply_variables()?;
        Ok(settings)
    }

    fn apply(&mut self, file: ConfigFile, from: &Source) -> Result<(), Failure> {
        let wrong = |key: &str, why: &dyn fmt::Display| {
            Failure::usage(format!("setting `{key}` cannot be used: {why}"))
                .details(vec![format!("from {from}")])
        };
        if let Some(text) = file.output {
            self.output = parse_output(&text).map_err(|why| wrong("output", &why))?;
            self.came("output", json!(text), from);
        }
        if let Some(paths) = file.modulepath {
            are_absolute(&paths).map_err(|why| wrong("modulepath", &why))?;
            self.came("modulepath", json!(paths), from);
            self.modulepath = paths;
        }
        if let Some(features) = file.features {
            self.came("features", json!(features), from);
            self.features = features;
        }
        if let Some(paths) = file.system_paths {
            are_absolute(&paths).map_err(|why| wrong("system_paths", &why))?;
            self.came("system_paths", json!(paths), from);
            self.system_paths = paths;
        }
        if let Some((first, last)) = file.uid_range {
            self.uid_range = UidRange::new(first, last).map_err(|why| wrong("uid_range", &why))?;
            self.came("uid_range", json!([first, last]), from);
        }
        self.apply_node(file.node, from)
            .map_err(|why| wrong("node.name", &why))?;
        let mut limits = LimitRequests::default();
        for (name, value) in file.limits {
            limits
                .set(&name, &value)
                .map_err(|why| wrong(&format!("limits.{name}"), &why))?;
            self.came(&format!("limits.{name}"), json!(value), from);
        }
        // What the settings say are defaults, not limits that a run asks for.
        self.limits = self.limits.with_defaults(&limits);
        for (name, value) in file.ceilings {
            self.ceilings
                .set(&name, &value)
                .and_then(|()| self.ceilings_told.set(&name, &value))
                .map_err(|why| wrong(&format!("ceilings.{name}"), &why))?;
            self.came(&format!("ceilings.{name}"), json!(value), from);
        }
        Ok(())
    }

    fn apply_node(&mut self, node: NodeFile, from: &Source) -> Result<(), NameError> {
        if let Some(name) = node.name {
            // Nothing is a name too: the machine has none then.
            self.node.name = match name.as_str() {
                "" => None,
                name => Some(name.parse()?),
            };
            self.came("node.name", json!(name), from);
        }
        if let Some(groups) = node.groups {
            self.came("node.groups", json!(groups), from);
            self.node.groups = groups;
        }
        if let Some(classes) = node.classes {
            self.came("node.classes", json!(classes), from);
            self.node.classes = classes;
        }
        Ok(())
    }

    fn apply_variables(&mut self) -> Result<(), Failure> {
        if let Some(text) = self.environment.get("HOST_OUTPUT").map(str::to_owned) {
            self.output =
                parse_output(&text).map_err(|why| Failure::usage(format!("HOST_OUTPUT: {why}")))?;
            self.came("output", json!(text), &Source::Variable("HOST_OUTPUT"));
        }
        if let Some(text) = self.environment.get("HOST_MODULEPATH").map(str::to_owned) {
            self.modulepath = text
                .split(':')
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
                .collect();
            self.came(
                "modulepath",
                json!(self.modulepath),
                &Source::Variable("HOST_MODULEPATH"),
            );
        }
        Ok(())
    }

    fn came(&mut self, key: &str, value: Value, from: &Source) {
        self.origins.retain(|(known, _, _)| known != key);
        self.origins.push((key.to_owned(), value, from.clone()));
    }

    /// Each setting with its value and where that came from.
    pub(crate) fn origins(&self) -> impl Iterator<Item = (&str, &Value, String)> {
        self.origins
            .iter()
            .map(|(key, value, from)| (key.as_str(), value, from.to_string()))
    }

    /// The four directories by name, and what says where they are.
    pub(crate) fn directories(&self) -> [(&'static str, &Path, String); 4] {
        let [config, state, cache, runtime] = &self.place_origins;
        let places = &self.places;
        [
            ("config", places.config.as_path(), config.to_string()),
            ("state", places.state.as_path(), state.to_string()),
            ("cache", places.cache.as_path(), cache.to_string()),
            ("runtime", places.runtime.as_path(), runtime.to_string()),
        ]
    }

    /// Where the value of one setting came from.
    pub(crate) fn origin(&self, key: &str) -> String {
        let of_key = |(known, _, _): &&(String, Value, Source)| known == key;
        let known = self.origins.iter().find(of_key);
        known.map_or_else(String::new, |(_, _, from)| from.to_string())
    }

    /// The most that a run gets of a limit, where the settings say so.
    pub(crate) fn ceiling(&self, name: LimitName) -> Option<u64> {
        self.ceilings_told.get(name)
    }

    /// This machine as runs see it.
    pub(crate) fn machine(&self) -> Machine {
        let uid = rustix::process::geteuid().as_raw();
        let starter = if uid == 0 {
            Starter::Root {
                uids: self.uid_range,
            }
        } else {
            Starter::User {
                uid,
                gid: rustix::process::getegid().as_raw(),
            }
        };
        let places = &self.places;
        let own = [
            &places.config,
            &places.state,
            &places.cache,
            &places.runtime,
        ]
        .into_iter()
        .cloned();
        // A node of this machine has its places here, whoever starts this run.
        let nodes = SYSTEM_PLACES.map(PathBuf::from);
        Machine {
            starter,
            features: self
                .features
                .iter()
                .cloned()
                .chain(found_features())
                .collect(),
            system_paths: self.system_paths.clone(),
            never: own
                .chain(nodes)
                .chain(std::env::current_exe().ok())
                .collect(),
            defaults: self.limits.clone(),
            ceilings: self.ceilings.clone(),
            landlock_abi: host_jail::landlock_abi(),
            environment: self.environment.all().clone(),
            config: self.places.config.clone(),
            credentials: self.credentials(),
        }
    }
}

/// A file does not know from where it will be read.
fn are_absolute(paths: &[PathBuf]) -> Result<(), String> {
    match paths.iter().find(|path| !path.is_absolute()) {
        Some(path) => Err(format!("`{}` is not absolute", shown(path))),
        None => Ok(()),
    }
}

fn parse_output(text: &str) -> Result<OutputMode, String> {
    clap::ValueEnum::from_str(text, false)
        .map_err(|_| format!("`{text}` is not `human`, `json` or `jsonl`"))
}

/// What implementations may require, as far as this machine shows it.
fn found_features() -> Vec<String> {
    let found = [
        ("/bin/sh", "shell"),
        ("/opt/puppetlabs/puppet/bin/ruby", "puppet-agent"),
    ];
    let found = found
        .into_iter()
        .filter(|(path, _)| Path::new(path).exists())
        .map(|(_, feature)| feature);
    // The engine is a part of this program.
    found.chain(["wasm"]).map(str::to_owned).collect()
}

fn read_file(path: &Path) -> Result<ConfigFile, Failure> {
    let bytes = match read_owned(path, CONFIG_BYTES_MAX, Privacy::Public) {
        Ok(bytes) => bytes,
        Err(ReadOwnedError::Missing { .. }) => return Ok(ConfigFile::default()),
        Err(error @ ReadOwnedError::Directory(_)) => {
            return Err(Failure::new(Exit::Machine, &error)
                .within(format!("`{}` cannot be used", shown(path))));
        }
        Err(error) => return Err(Failure::new(Exit::Usage, &error)),
    };
    let text = String::from_utf8_lossy(&bytes);
    toml::from_str(&text).map_err(|error| {
        let lines = error.to_string().lines().map(str::to_owned).collect();
        Failure::usage(format!("`{}` cannot be used", path.display())).details(lines)
    })
}

/// Where everything is: below `HOST_HOME`, else for root in the system's places, else in the user's. With it,
/// for each of the four, what says so.
fn places(environment: &Environment) -> (Places, [Source; 4]) {
    let (paths, origins) = if let Some(home) = environment.get("HOST_HOME") {
        let home = std::path::absolute(home).unwrap_or_else(|_| PathBuf::from(home));
        let below = ["config", "state", "cache", "run"].map(|name| home.join(name));
        (below, [0; 4].map(|_| Source::Variable("HOST_HOME")))
    } else if rustix::process::geteuid().is_root() {
        let paths = SYSTEM_PLACES.map(PathBuf::from);
        (paths, [0; 4].map(|_| Source::BuiltIn))
    } else {
        users_places(environment)
    };
    let [config, state, cache, runtime] = paths;
    let places = Places {
        config,
        state,
        cache,
        runtime,
    };
    (places, origins)
}

/// The places of an ordinary user, by the rules of XDG.
fn users_places(environment: &Environment) -> ([PathBuf; 4], [Source; 4]) {
    let home = environment
        .path("HOME")
        .unwrap_or_else(|| "/nonexistent".into());
    let place = |variable: &'static str, usual: &str| match environment.path(variable) {
        Some(path) => (path.join("host"), Source::Variable(variable)),
        None => (home.join(usual).join("host"), Source::Variable("HOME")),
    };
    let (config, config_from) = place("XDG_CONFIG_HOME", ".config");
    let (state, state_from) = place("XDG_STATE_HOME", ".local/state");
    let (cache, cache_from) = place("XDG_CACHE_HOME", ".cache");
    let (runtime, runtime_from) = match environment.path("XDG_RUNTIME_DIR") {
        Some(path) => (path.join("host"), Source::Variable("XDG_RUNTIME_DIR")),
        None => (state.join("run"), state_from.clone()),
    };
    (
        [config, state, cache, runtime],
        [config_from, state_from, cache_from, runtime_from],
    )
}

/// A limit that a person typed, `NAME=VALUE`.
pub(crate) fn add_limit(limits: &mut LimitRequests, text: &str) -> Result<(), Failure> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(Failure::usage(match text.parse::<LimitName>() {
            Ok(name) => format!("limit `{name}` has no value"),
            Err(_) => format!("`{}` is not a limit", Shown(text)),
        })
        .hint("write it as NAME=VALUE, such as --limit wall=30s or --limit memory=64MiB"));
    };
    if name.parse().is_ok_and(|name| limits.get(name).is_some()) {
        return Err(
            Failure::usage(format!("limit `{}` is given twice", Shown(name)))
                .hint("say only one of them"),
        );
    }
    limits
        .set(name, value)
        .map_err(|error| Failure::new(Exit::Usage, &error))
}
