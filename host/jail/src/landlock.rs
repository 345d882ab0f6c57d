//! The second wall around files: the grants said once more to Landlock, where the kernel has it.
//!
//! It is never the first wall. The mounts decide what exists inside; these rules hold even if a mount were
//! to appear that should not. The network is not spoken of here: the empty namespace is that wall.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use crate::mounts::DEVICES;
use crate::recipe::{INSTALL_DIR, JailRecipe, SECRETS_DIR};
use crate::sys;

/// From this version on Landlock refuses to resolve the path of a UNIX socket that no rule opens.
pub(crate) const ABI_CLOSING_SOCKETS: i32 = 9;

/// The newest version whose rules are used.
pub(crate) const ABI_USED_MAX: i32 = 9;

/// What this machine's Landlock can do.
pub(crate) fn version() -> i32 {
    sys::landlock_abi()
}

/// Whether it keeps a run from the UNIX sockets in the directories that it sees.
pub(crate) fn closes_sockets() -> bool {
    version() >= ABI_CLOSING_SOCKETS
}

fn abi() -> ABI {
    match version() {
        i32::MIN..=0 => ABI::Unsupported,
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        6 => ABI::V6,
        7 => ABI::V7,
        8 => ABI::V8,
        _ => ABI::V9,
    }
}

/// Binds this process and what it starts to the files of `recipe` and to `scratch`, the directories that are the run's own;
/// does nothing where there is no Landlock.
pub(crate) fn restrict(recipe: &JailRecipe, scratch: &[OwnedFd]) -> Result<(), RulesetError> {
    let abi = abi();
    if abi == ABI::Unsupported {
        return Ok(());
    }
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if abi >= ABI::V6 {
        rules = rules.scope(Scope::AbstractUnixSocket | Scope::Signal)?;
    }
    let rules = add_rules(rules.create()?, recipe, scratch, abi)?;
    rules.no_new_privs(false).restrict_self()?;
    Ok(())
}

/// Binds this process to no file at all, for one that has what it needs already; does nothing where there is no Landlock.
pub(crate) fn no_files() -> Result<(), RulesetError> {
    let abi = abi();
    if abi == ABI::Unsupported {
        return Ok(());
    }
    shut(abi)?.create()?.no_new_privs(false).restrict_self()?;
    Ok(())
}

/// Lets this process read what its user may, and connect to sockets, and execute and change nothing; does nothing where there
/// is no Landlock.
pub(crate) fn only_reading() -> Result<(), RulesetError> {
    let abi = abi();
    if abi == ABI::Unsupported {
        return Ok(());
    }
    let look = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut allowed = look;
    if abi >= ABI::V9 {
        allowed |= AccessFs::ResolveUnix;
    }
    let rules = allow(shut(abi)?.create()?, Path::new("/"), allowed, abi)?;
    rules.no_new_privs(false).restrict_self()?;
    Ok(())
}

/// Nothing but what is allowed next.
fn shut(abi: ABI) -> Result<Ruleset, RulesetError> {
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if abi >= ABI::V6 {
        rules.scope(Scope::Signal)
    } else {
        Ok(rules)
    }
}

fn add_rules(
    rules: RulesetCreated,
    recipe: &JailRecipe,
    scratch: &[OwnedFd],
    abi: ABI,
) -> Result<RulesetCreated, RulesetError> {
    let look = AccessFs::ReadFile | AccessFs::ReadDir;
    // A function executes nothing.
    let (run, never) = if recipe.is_function() {
        let never = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::Execute;
        (look, never)
    } else {
        let never = AccessFs::MakeChar | AccessFs::MakeBlock;
        (look | AccessFs::Execute, never)
    };
    let all = AccessFs::from_all(abi) & !never;
    // No grant of a directory opens the sockets in it.
    let granted = all & !BitFlags::from(AccessFs::ResolveUnix);
    let mut devices = AccessFs::ReadFile | AccessFs::WriteFile;
    if abi >= ABI::V5 {
        devices |= AccessFs::IoctlDev;
    }
    // Listing is open everywhere, so that `ls /` works; what is mounted decides what there is to see.
    let mut rules = allow(rules, Path::new("/"), AccessFs::ReadDir.into(), abi)?;
    // Where a link of the system leads is in the system too.
    let system = recipe.system().iter().map(Path::new);
    let system = system.filter(|path| !path.is_symlink());
    for path in system.chain(recipe.configured().iter().map(PathBuf::as_path)) {
        rules = allow(rules, path, run, abi)?;
    }
    rules = allow(rules, Path::new(INSTALL_DIR), run, abi)?;
    rules = allow(rules, Path::new("/etc"), look, abi)?;
    rules = allow(rules, Path::new(SECRETS_DIR), look, abi)?;
    rules = allow(rules, Path::new("/proc"), look, abi)?;
    // Not all below `/dev`, where something of the machine may have been granted.
    for (name, _, _) in DEVICES {
        rules = allow(rules, &Path::new("/dev").join(name), devices, abi)?;
    }
    // Not by their paths: what is found there may be a directory of the machine that was granted to be read.
    for part in scratch {
        rules = rules.add_rule(PathBeneath::new(part, all))?;
    }
    for opening in &recipe.openings {
        rules = allow(
            rules,
            &opening.path,
            if opening.writable { granted } else { run },
            abi,
        )?;
    }
    Ok(rules)
}

/// Opens `path` to `access`; what does not exist inside needs no rule.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
    abi: ABI,
) -> Result<RulesetCreated, RulesetError> {
    let Ok(place) = PathFd::new(path) else {
        return Ok(rules);
    };
    let is_dir = rustix::fs::fstat(&place)
        .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir());
    let access = if is_dir {
        access
    } else {
        access & AccessFs::from_file(abi)
    };
    if access.is_empty() {
        Ok(rules)
    } else {
        rules.add_rule(PathBeneath::new(place, access))
    }
}
