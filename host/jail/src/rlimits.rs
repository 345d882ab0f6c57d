//! Limits that the kernel holds per process or per user, set by init and inherited by the task.

use rustix::process::{Resource, Rlimit};

use crate::recipe::JailRecipe;

/// Which limits have no better means on this machine and fall back to one of these.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fallbacks {
    /// Memory is bounded per process, for want of a control group.
    pub(crate) memory: bool,
    /// Processes are bounded by the namespace, for want of a control group.
    pub(crate) processes: bool,
}

/// How much longer than the run's CPU limit one process may go on before the kernel itself ends it, in seconds.
const CPU_GRACE_SECONDS: u64 = 2;
/// Signals that wait and timers, of which the kernel counts those of a run with those of whoever started it.
const SIGNALS_PENDING_MAX: u64 = 1024;
/// How many files a keeper may have open: each place that a run is shown is one, and for a moment two.
const KEEPER_FILES_MAX: u64 = 8_192;
const LOCKED_BYTES_MAX: u64 = 64 * 1024;
const STACK_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Sets the limits of this process and of all that it starts.
pub(crate) fn set(recipe: &JailRecipe, fallbacks: Fallbacks) -> rustix::io::Result<()> {
    let limits = &recipe.limits;
    let cpu = limits.cpu().ms().div_ceil(1_000) + CPU_GRACE_SECONDS;
    // Init is one of the user's processes. Where a control group binds, it comes first, because it counts refusals.
    let spare = if fallbacks.processes { 1 } else { 2 };
    let processes = recipe.processes().saturating_add(spare);
    let always = [
        // Not none: that is not asked where the machine pipes cores to a program of its own, and one byte is.
        (Resource::Core, 1),
        (Resource::Cpu, cpu),
        (Resource::Nproc, processes),
        (Resource::Nofile, recipe.files()),
        (Resource::Memlock, LOCKED_BYTES_MAX),
        (Resource::Msgqueue, 0),
        (Resource::Sigpending, SIGNALS_PENDING_MAX),
        (Resource::Rtprio, 0),
        (Resource::Nice, 0),
    ];
    for (resource, ceiling) in always {
        lower(resource, ceiling)?;
    }
    let maximum = rustix::process::getrlimit(Resource::Stack).maximum;
    let stack = Rlimit {
        current: Some(maximum.map_or(STACK_BYTES_MAX, |most| most.min(STACK_BYTES_MAX))),
        maximum,
    };
    rustix::process::setrlimit(Resource::Stack, stack)?;
    if fallbacks.memory {
        lower(Resource::Data, recipe.memory_bytes())?;
    }
    Ok(())
}

/// Lets a keeper open as many files as it may need, if its hard limit has as many; returns how many it may. What the
/// task may open is set apart from that, by [`set`].
pub(crate) fn raise_files() -> rustix::io::Result<usize> {
    let own = rustix::process::getrlimit(Resource::Nofile);
    let most = own.maximum.unwrap_or(u64::MAX).min(KEEPER_FILES_MAX);
    let files = own.current.unwrap_or(u64::MAX).max(most);
    let raised = Rlimit {
        current: Some(files),
        maximum: own.maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, raised)?;
    Ok(usize::try_from(files).unwrap_or(usize::MAX))
}

/// Never above what this process has itself, which an ordinary user could not raise.
fn lower(resource: Resource, ceiling: u64) -> rustix::io::Result<()> {
    let ceiling = rustix::process::getrlimit(resource)
        .maximum
        .map_or(ceiling, |own| own.min(ceiling));
    rustix::process::setrlimit(
        resource,
        Rlimit {
            current: Some(ceiling),
            maximum: Some(ceiling),
        },
    )
}
