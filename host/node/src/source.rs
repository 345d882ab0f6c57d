//! A module that lies in a directory, and sealing it into a bundle with what it needs of other modules.
//!
//! Only the parts of the module layout are taken, so that build products, version control and private files
//! beside them never get into a bundle, and of the parts nothing whose name begins with a dot. Whatever else
//! cannot be taken is an error and never left out: a link would be somebody else's file by the time it is
//! read, and a bundle without it would fail where it runs.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, FileType, MetadataExt};
use host_bundle::{
    FILES_MAX, MemoryModule, ModuleIdentity, ModuleIdentityError, ModuleSource, ModuleVersion,
    NeededModule, Needs, PackError, PackRequest, Packed, SourceFile,
};
use host_core::{ModuleName, Shown, TaskName};
use host_task::{FileReference, Module, OpenModuleError, ParameterType};

/// The directories of a module that go into a bundle.
const PARTS: [&str; 7] = ["tasks", "plans", "files", "lib", "types", "scripts", "host"];
/// The files at the top of a module that go into a bundle, by how their names begin.
const TOP_FILES: [&str; 5] = ["metadata.json", "README", "LICENSE", "NOTICE", "CHANGELOG"];
/// How deep directories are entered.
const DEPTH_MAX: usize = 32;
/// The most that is read of one file that is not a program, in bytes.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// The version of a module that states none, where nobody will ever see the bundle.
const NO_VERSION: &str = "0.0.0";

/// Whether a module's file goes into a bundle.
fn belongs(path: &str) -> bool {
    match path.split_once('/') {
        Some((top, rest)) => {
            PARTS.contains(&top)
                && rest.split('/').all(|part| !part.starts_with('.'))
                && !path.starts_with("host/modules/")
        }
        None => TOP_FILES.iter().any(|name| path.starts_with(name)),
    }
}

/// A module in a directory.
#[derive(Debug)]
pub struct ModuleDir {
    dir: Dir,
    files: Vec<SourceFile>,
    path: PathBuf,
}

/// Why a module cannot be taken from where it lies.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A directory or file cannot be read.
    #[error("cannot read `{}`", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is a link or a special file.
    #[error("`{}` is {what}, and only files and directories can be sealed", .path.display())]
    Special {
        /// Which.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A part of the layout is a file.
    #[error("`{}` is a file, and a module has a directory there", .path.display())]
    NotDirectory {
        /// Which.
        path: PathBuf,
    },
    /// A file that would be sealed has a name that no bundle can have.
    #[error("`{}` is not named in UTF-8", Shown(&.path.to_string_lossy()))]
    NotUtf8 {
        /// Which.
        path: PathBuf,
    },
    /// There is too much in it.
    #[error("`{}` holds more than {FILES_MAX} files, or lies deeper than {DEPTH_MAX} directories", .path.display())]
    TooMuch {
        /// The module's directory.
        path: PathBuf,
    },
    /// It has no task and no module layout.
    #[error("`{}` is not a module: it has no `tasks` directory", .path.display())]
    NotAModule {
        /// The directory.
        path: PathBuf,
    },
    /// It is a tar with the directories of several modules.
    #[error("`{}` holds more than one module: {}", .path.display(), Shown(&.modules.join(", ")))]
    Several {
        /// The tar.
        path: PathBuf,
        /// The directories.
        modules: Vec<String>,
    },
    /// It has the layout of a module and no task.
    #[error("module `{}` has no task: there is no file in its `tasks` directory", .path.display())]
    NoTask {
        /// The directory.
        path: PathBuf,
    },
    /// Its metadata.json says something that cannot be.
    #[error("`{}` has a metadata.json that cannot be used", .path.display())]
    Identity {
        /// The module's directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: ModuleIdentityError,
    },
    /// Neither metadata.json nor the directory gives a name.
    #[error("the module in `{}` has no name: its metadata.json states none, and the directory's is none of a module", .path.display())]
    Nameless {
        /// The directory.
        path: PathBuf,
    },
    /// It has no version.
    #[error("module `{module}` states no version in its metadata.json")]
    Versionless {
        /// The module.
        module: ModuleName,
    },
    /// Its tasks cannot be looked through.
    #[error("module `{module}` cannot be looked through for what it needs")]
    Module {
        /// The module.
        module: ModuleName,
        /// Why.
        #[source]
        source: OpenModuleError,
    },
    /// A file of its own that a task lists is not there.
    #[error("task `{task}` lists `{}`, which is not in the module", Shown(.file))]
    MissingFile {
        /// The task.
        task: TaskName,
        /// The file, as listed.
        file: String,
    },
    /// Another module that it needs is nowhere on the module path.
    #[error("module `{module}` needs `{needed}` for {}, and no directory of the module path has it", Shown(.reason))]
    Missing {
        /// The module.
        module: ModuleName,
        /// The one that is missing.
        needed: ModuleName,
        /// One of the files that are needed.
        reason: String,
    },
    /// A directory of the module path is not there; a module that is looked for elsewhere may be another.
    #[error("`{}`, where other modules are looked for, is no directory", .path.display())]
    ModulePath {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be sealed.
    #[error("module `{module}` cannot be sealed")]
    Pack {
        /// The module.
        module: ModuleName,
        /// Why.
        #[source]
        source: PackError,
    },
}

impl ModuleDir {
    /// Lists the module in `path`.
    ///
    /// # Errors
    /// When it cannot be read, or holds a link or a special file.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let failed = |source| SourceError::Read {
            path: path.to_owned(),
            source,
        };
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(failed)?;
        let mut module = Self {
            dir,
            files: Vec::new(),
            path: path.to_owned(),
        };
        let top = module.dir.try_clone().map_err(failed)?;
        module.list(&top, "", 0)?;
        module.files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(module)
    }

    fn list(&mut self, dir: &Dir, prefix: &str, depth: usize) -> Result<(), SourceError> {
        let here = self.path.join(prefix);
        let failed = |source| SourceError::Read {
            path: here.clone(),
            source,
        };
        for entry in dir.entries().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let Some(path) = wanted_path(&here, prefix, depth, &entry.file_name(), kind)? else {
                continue;
            };
            if kind.is_dir() {
                if depth == DEPTH_MAX {
                    return Err(self.too_much());
                }
                let below = entry.open_dir().map_err(failed)?;
                self.list(&below, &format!("{path}/"), depth + 1)?;
            } else {
                let metadata = entry.metadata().map_err(failed)?;
                self.files.push(SourceFile {
                    path,
                    executable: metadata.mode() & 0o111 != 0,
                    size: metadata.len(),
                });
            }
            if self.files.len() > FILES_MAX {
                return Err(self.too_much());
            }
        }
        Ok(())
    }

    fn too_much(&self) -> SourceError {
        SourceError::TooMuch {
            path: self.path.clone(),
        }
    }

    /// The name of the directory, which names a module that does not name itself.
    fn directory_name(&self) -> Option<String> {
        let path = std::path::absolute(&self.path).ok()?;
        let path = if path.ends_with("..") {
            path.canonicalize().ok()?
        } else {
            path
        };
        Some(path.file_name()?.to_str()?.to_owned())
    }
}

/// The path of what is to be sealed, or entered; `None` for what does not belong into a bundle.
fn wanted_path(
    here: &Path,
    prefix: &str,
    depth: usize,
    name: &OsStr,
    kind: FileType,
) -> Result<Option<String>, SourceError> {
    let place = || here.join(name);
    let is_top = depth == 0;
    let is_part = is_top && PARTS.iter().any(|part| name == *part);
    let begins = |start: &str| name.as_bytes().starts_with(start.as_bytes());
    let is_wanted = if is_top {
        is_part || (!kind.is_dir() && TOP_FILES.iter().any(|start| begins(start)))
    } else {
        !begins(".")
    };
    // A hidden link too: whoever made it meant something to be there.
    if kind.is_symlink() && (is_wanted || !is_top) {
        return Err(special(place(), "a link"));
    }
    if !is_wanted {
        return Ok(None);
    }
    let Some(name) = name.to_str() else {
        return Err(SourceError::NotUtf8 { path: place() });
    };
    if !kind.is_dir() && !kind.is_file() {
        return Err(special(place(), "a special file"));
    }
    if is_part && !kind.is_dir() {
        return Err(SourceError::NotDirectory { path: place() });
    }
    let path = format!("{prefix}{name}");
    Ok(Some(path).filter(|path| is_top || belongs(path)))
}

fn special(path: PathBuf, what: &'static str) -> SourceError {
    SourceError::Special { path, what }
}

impl ModuleSource for ModuleDir {
    fn files(&self) -> Vec<SourceFile> {
        self.files.clone()
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        use cap_std::fs::{OpenOptions, OpenOptionsExt};
        const O_NOFOLLOW_NONBLOCK: i32 = 0o400_000 | 0o4_000;
        let file = self.dir.open_with(
            path,
            OpenOptions::new()
                .read(true)
                .custom_flags(O_NOFOLLOW_NONBLOCK),
        )?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file any more"));
        }
        Ok(Box::new(file))
    }
}

/// A module's source without what does not belong into a bundle.
#[derive(Debug)]
struct Belonging<'a>(&'a dyn ModuleSource);

impl ModuleSource for Belonging<'_> {
    fn files(&self) -> Vec<SourceFile> {
        self.0
            .files()
            .into_iter()
            .filter(|file| belongs(&file.path))
            .collect()
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        self.0.open(path)
    }
}

/// What sealing a module needs to know besides its files.
#[derive(Clone, Debug, Default)]
pub struct SealOptions {
    /// The version, if metadata.json states none or another one is meant.
    pub version: Option<ModuleVersion>,
    /// Whether its author seals it for a run of one task: without a version, and without what other tasks would need.
    pub for_own_run: bool,
    /// Directories that hold other modules, each under its name.
    pub modulepath: Vec<PathBuf>,
    /// Asks to seal beside the module, checked when the bundle is opened.
    pub overlay: Option<Vec<u8>>,
}

/// Seals the module in the directory `path` into `writer`, without signatures.
///
/// # Errors
/// When the module, or one that it needs, cannot be read, named or sealed.
pub fn seal_directory(
    path: &Path,
    options: &SealOptions,
    writer: &mut impl Write,
) -> Result<Packed, SourceError> {
    let module = ModuleDir::open(path)?;
    let name = module.directory_name();
    seal(&module, name.as_deref(), path, options, writer)
}

/// Seals a module that was read from a plain tar; `path` is where the tar lies, for messages.
///
/// # Errors
/// When the module, or one that it needs, cannot be read, named or sealed.
pub(crate) fn seal_module(
    module: &MemoryModule,
    path: &Path,
    options: &SealOptions,
    writer: &mut impl Write,
) -> Result<Packed, SourceError> {
    seal(module, module.directory(), path, options, writer)
}

/// Seals a module from any source; `directory` is the name of the directory it lay in, `path` is for messages.
///
/// # Errors
/// When the module, or one that it needs, cannot be read, named or sealed.
fn seal(
    source: &dyn ModuleSource,
    directory: Option<&str>,
    path: &Path,
    options: &SealOptions,
    writer: &mut impl Write,
) -> Result<Packed, SourceError> {
    let source = Belonging(source);
    if !source
        .files()
        .iter()
        .any(|file| file.path.starts_with("tasks/"))
    {
        let path = path.to_owned();
        let modules = modules_in(source.0);
        return Err(if modules.len() > 1 {
            SourceError::Several { path, modules }
        } else if path.join("tasks").is_dir() {
            SourceError::NoTask { path }
        } else {
            SourceError::NotAModule { path }
        });
    }
    let identity = identity(&source, path)?;
    let named = || directory.and_then(|name| name.parse().ok());
    let module = identity
        .module
        .or_else(named)
        .ok_or_else(|| SourceError::Nameless {
            path: path.to_owned(),
        })?;
    let unversioned = || {
        if options.for_own_run {
            NO_VERSION.parse().ok()
        } else {
            None
        }
    };
    let version = options
        .version
        .clone()
        .or(identity.version)
        .or_else(unversioned);
    let version = version.ok_or_else(|| SourceError::Versionless {
        module: module.clone(),
    })?;
    let needed = needed_modules(&module, &source, options)?;
    let needs = needed
        .iter()
        .map(|(name, paths, dir)| NeededModule {
            module: name.clone(),
            source: dir,
            paths: paths.clone(),
        })
        .collect();
    let request = PackRequest {
        module: module.clone(),
        version,
        source: &source,
        needs,
        overlay: options.overlay.clone(),
    };
    host_bundle::pack(&request, writer).map_err(|source| SourceError::Pack { module, source })
}

/// The directories at the top that hold tasks.
fn modules_in(source: &dyn ModuleSource) -> Vec<String> {
    let files = source.files().into_iter();
    let mut modules: Vec<String> = files
        .filter_map(|file| {
            let (top, rest) = file.path.split_once('/')?;
            rest.starts_with("tasks/").then(|| top.to_owned())
        })
        .collect();
    modules.dedup();
    modules
}

fn identity(source: &Belonging<'_>, path: &Path) -> Result<ModuleIdentity, SourceError> {
    if !source
        .files()
        .iter()
        .any(|file| file.path == "metadata.json")
    {
        return Ok(ModuleIdentity::default());
    }
    let bytes = read_text(source, "metadata.json").map_err(|source| SourceError::Read {
        path: path.join("metadata.json"),
        source,
    })?;
    ModuleIdentity::read(&bytes).map_err(|source| SourceError::Identity {
        path: path.to_owned(),
        source,
    })
}

/// Reads a text of a module, refusing more than a mebibyte.
fn read_text(source: &dyn ModuleSource, path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source
        .open(path)?
        .take(TEXT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        return Err(io::Error::other("it is longer than a mebibyte"));
    }
    Ok(bytes)
}

/// A needed module: its name, the paths of it, and where it lies.
type Needed = (ModuleName, Vec<String>, ModuleDir);

/// The modules whose files the tasks of `module` name, or whose type aliases they use, with those of the aliases.
fn needed_modules(
    module: &ModuleName,
    source: &Belonging<'_>,
    options: &SealOptions,
) -> Result<Vec<Needed>, SourceError> {
    let failed = |source| SourceError::Module {
        module: module.clone(),
        source,
    };
    let paths: Vec<String> = source.files().into_iter().map(|file| file.path).collect();
    let opened =
        Module::open(module, paths, &mut |path| read_text(source, path)).map_err(failed)?;
    let mut needs = Needs::of(module.clone());
    let mut waiting = Vec::new();
    for (_, task) in opened.tasks() {
        let Ok(task) = task else { continue };
        for file in task.metadata.file_references() {
            if file.module() == module && !options.for_own_run && !has(source, file) {
                return Err(SourceError::MissingFile {
                    task: task.name.clone(),
                    file: file.to_string(),
                });
            }
            let end = if file.is_directory() { "/" } else { "" };
            needs.add_file(file.module(), &format!("{}{end}", file.path_in_module()));
        }
        for parameter in task.metadata.parameters.iter().flatten() {
            if let ParameterType::Typed(data_type) = &parameter.kind {
                waiting.extend(needs.add_aliases(&data_type.to_string()));
            }
        }
    }
    for file in source.files() {
        if file.path.starts_with("types/") && file.path.ends_with(".pp") {
            let text = read_text(source, &file.path).map_err(|source| SourceError::Read {
                path: file.path.into(),
                source,
            })?;
            waiting.extend(needs.add_aliases(&String::from_utf8_lossy(&text)));
        }
    }
    let mut found: Vec<(ModuleName, ModuleDir)> = Vec::new();
    // INVARIANT: an alias file is added once, and there are as many as the module path holds.
    while let Some((name, path)) = waiting.pop() {
        let Some(dir) = wanted(find(module, &name, &path, options, &mut found), options)? else {
            continue;
        };
        let text = read_text(dir, &path).unwrap_or_default();
        waiting.extend(needs.add_aliases(&String::from_utf8_lossy(&text)));
    }
    let mut needed = Vec::new();
    for (name, paths) in needs.modules() {
        let reason = paths.iter().next().cloned().unwrap_or_default();
        wanted(find(module, name, &reason, options, &mut found), options)?;
        if let Some(place) = found.iter().position(|(found, _)| found == name) {
            let (name, dir) = found.swap_remove(place);
            let paths = paths
                .iter()
                .filter(|path| !options.for_own_run || holds(&dir, path))
                .cloned()
                .collect();
            needed.push((name, paths, dir));
        }
    }
    Ok(needed)
}

/// For a run of one task, what other tasks would need may be missing; if its own needs it, that is said then.
fn wanted<T>(
    found: Result<T, SourceError>,
    options: &SealOptions,
) -> Result<Option<T>, SourceError> {
    match found {
        Err(SourceError::Missing { .. }) if options.for_own_run => Ok(None),
        found => found.map(Some),
    }
}

/// Whether a module has the file, or files below the directory, that a task lists.
fn has(source: &Belonging<'_>, file: &FileReference) -> bool {
    let end = if file.is_directory() { "/" } else { "" };
    holds(source, &format!("{}{end}", file.path_in_module()))
}

fn holds(source: &dyn ModuleSource, path: &str) -> bool {
    let fits = |file: &SourceFile| {
        if path.ends_with('/') {
            file.path.starts_with(path)
        } else {
            file.path == path
        }
    };
    source.files().iter().any(fits)
}

/// The module `needed`, opened once.
fn find<'f>(
    module: &ModuleName,
    needed: &ModuleName,
    reason: &str,
    options: &SealOptions,
    found: &'f mut Vec<(ModuleName, ModuleDir)>,
) -> Result<&'f ModuleDir, SourceError> {
    let place = match found.iter().position(|(name, _)| name == needed) {
        Some(place) => place,
        None => {
            if let Some(path) = options.modulepath.iter().find(|path| !path.is_dir()) {
                return Err(SourceError::ModulePath { path: path.clone() });
            }
            let candidates = options
                .modulepath
                .iter()
                .map(|directory| directory.join(needed.as_str()));
            let directory = candidates.into_iter().find(|directory| directory.is_dir());
            let missing = || SourceError::Missing {
                module: module.clone(),
                needed: needed.clone(),
                reason: format!("`{needed}/{reason}`"),
            };
            found.push((
                needed.clone(),
                ModuleDir::open(&directory.ok_or_else(missing)?)?,
            ));
            found.len() - 1
        }
    };
    found
        .get(place)
        .map(|(_, dir)| dir)
        .ok_or_else(|| SourceError::NotAModule {
            path: PathBuf::from(needed.as_str()),
        })
}

/// Opens a file that a person named, for reading a bundle from it.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    File::open(path)
}
