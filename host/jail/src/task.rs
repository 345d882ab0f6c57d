//! The last steps of the task's own process: it gives up everything and becomes the program, or calls the function that
//! is one.
//!
//! ORDER, each with the reason why it cannot come later or earlier:
//! 1. its own session, so that no terminal can be fed through it;
//! 2. init has emptied the bounding set, which takes a capability, and then given up all of them, with no_new_privs;
//! 3. the signal of the parent's death, which any change of credentials would have erased;
//! 4. Landlock, which needs no_new_privs and must see the final mounts;
//! 5. standard streams, every other descriptor closed, or closed on exec; the keeper has given all signals but one their default effect;
//! 6. the system call filter, after which none of the above is possible any more;
//! 7. the program.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Signal};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};
use seccompiler::BpfProgram;

use crate::channel::{Channel, FromInit};
use crate::init::Filters;
use crate::keeper::{Call, Payload};
use crate::recipe::{JailRecipe, WORK_DIR};
use crate::setup::{SetupError, SetupKind, WallStep};
use crate::{landlock, seccomp, sys};

/// What the program gets as its standard streams.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// How a function ends that panicked.
const PANICKED: i32 = 70;
/// The shell that runs programs which name no interpreter.
const SHELL: &CStr = c"/bin/sh";
/// Bytes of a program in which its interpreter is looked for.
const FIRST_LINE_BYTES_MAX: usize = 256;

/// Becomes the program at `program` inside; returns only what went wrong.
pub(crate) fn become_program(
    recipe: &JailRecipe,
    program: &Path,
    streams: &Streams,
    scratch: &[OwnedFd],
    filters: &Filters,
    channel: &Channel,
) -> SetupError {
    let started = (|| {
        let start = Start::new(recipe, program)?;
        confine(recipe, streams, scratch)?;
        sys::close_on_exec_from_3().step("close descriptors")?;
        filter_and_tell(filters, channel)?;
        Ok(start)
    })();
    match started {
        Ok(start) => start.exec(program),
        Err(error) => error,
    }
}

/// Calls `payload` where another task becomes its program, and ends with what it returns; returns only what went wrong
/// before.
///
/// No execve cleans up behind the binary that this process is a copy of. Nothing of it is left to the function but its
/// memory, and in that not the environment that it was started with.
pub(crate) fn become_function(
    recipe: &JailRecipe,
    streams: &Streams,
    scratch: &[OwnedFd],
    filters: &Filters,
    channel: &Channel,
    payload: Payload,
    call: Call,
) -> SetupError {
    let confined = (|| {
        confine(recipe, streams, scratch)?;
        let words = [call.last_words.as_fd()];
        let kept: Vec<BorrowedFd<'_>> = call.file.iter().map(AsFd::as_fd).chain(words).collect();
        sys::forget_environment();
        if !filters.learn {
            sys::close_all_but(&kept).step("close descriptors")?;
            return filter_calls(&filters.task);
        }
        if !recipe.who.by_root() {
            // Its memory is a copy of the keeper's, of which an ordinary user's recorder may read none that hides. A program
            // does not hide either once it is executed, and inside there is nobody else.
            rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)
                .step("show itself to the recorder")?;
        }
        // ORDER: the channel takes the listener to the keeper, which is made by the filter; nothing of ours is called before
        // it is closed.
        let kept_for_now: Vec<BorrowedFd<'_>> =
            kept.iter().copied().chain([channel.as_fd()]).collect();
        sys::close_all_but(&kept_for_now).step("close descriptors")?;
        filter_and_tell(filters, channel)?;
        sys::close_all_but(&kept).step("close descriptors")
    })();
    if let Err(error) = confined {
        return error;
    }
    // A panic must not unwind into what this process is a copy of.
    let called = std::panic::catch_unwind(|| payload(call));
    sys::leave(called.unwrap_or(PANICKED))
}

fn confine(recipe: &JailRecipe, streams: &Streams, scratch: &[OwnedFd]) -> Result<(), SetupError> {
    rustix::process::setsid().step("leave the session")?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).step("die with init")?;
    landlock::restrict(recipe, scratch).map_err(|cause| {
        SetupError::wall(
            "bind the run by Landlock",
            std::io::Error::other(cause.to_string()),
        )
    })?;
    rustix::stdio::dup2_stdin(&streams.stdin).step("set up standard input")?;
    rustix::stdio::dup2_stdout(&streams.stdout).step("set up standard output")?;
    rustix::stdio::dup2_stderr(&streams.stderr).step("set up standard error")?;
    sys::survive_file_size(false);
    rustix::process::chdir(WORK_DIR).step("enter the scratch directory")
}

/// Takes every system call away that the filter does not leave, and lets the keeper hear of what it refuses, and in a run that
/// learns of what it allows, where the kernel can tell.
fn filter_and_tell(filters: &Filters, channel: &Channel) -> Result<(), SetupError> {
    let listener = sys::filter_and_tell(&filters.task, filters.learn).ok();
    if listener.is_none() {
        filter_calls(&seccomp::program(filters.surface))?;
    }
    // The program's first refused call waits until the keeper has heard this.
    let told = channel.say(
        &FromInit::Tells,
        listener.as_ref().map(AsFd::as_fd).as_slice(),
    );
    told.step("tell the keeper of refused calls")
}

/// Takes every system call away that `filter` does not leave.
pub(crate) fn filter_calls(filter: &BpfProgram) -> Result<(), SetupError> {
    seccompiler::apply_filter(filter).map_err(|cause| {
        let cause = std::io::Error::other(cause.to_string());
        SetupError::wall("filter system calls", cause)
    })
}

/// Empties the bounding set, so that no program can ever give its process a capability.
pub(crate) fn drop_bounding_set() -> Result<(), SetupError> {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The kernel knows no more of them.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(SetupError::wall("drop the bounding set", errno)),
        }
    }
    Ok(())
}

/// Gives up every capability for good, in init as in the task.
pub(crate) fn drop_capabilities() -> Result<(), SetupError> {
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    rustix::thread::set_capabilities_secure_bits(bits).step("lock the secure bits")?;
    rustix::thread::clear_ambient_capability_set().step("clear ambient capabilities")?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    rustix::thread::set_capabilities(None, sets).step("drop capabilities")?;
    rustix::thread::set_no_new_privs(true).step("forbid new privileges")
}

/// The strings of an execve, made before anything is given up.
struct Start {
    program: CString,
    environment: Vec<CString>,
}

impl Start {
    fn new(recipe: &JailRecipe, program: &Path) -> Result<Self, SetupError> {
        let nul = || SetupError::program("start the program".to_owned(), Errno::INVAL);
        let program = CString::new(program.as_os_str().as_bytes()).map_err(|_| nul())?;
        let variables = recipe
            .environment
            .iter()
            .map(|(name, value)| CString::new(format!("{name}={value}")));
        let environment = variables.collect::<Result<_, _>>().map_err(|_| nul())?;
        Ok(Self {
            program,
            environment,
        })
    }

    fn exec(&self, path: &Path) -> SetupError {
        let environment: Vec<&CStr> = self.environment.iter().map(CString::as_c_str).collect();
        let program = self.program.as_c_str();
        let mut failure = sys::exec(program, &[program], &environment);
        if failure.raw_os_error() == Some(libc::ENOEXEC) {
            failure = sys::exec(SHELL, &[SHELL, program], &environment);
        }
        let error = SetupError::program(format!("start `{}`", path.display()), failure);
        explain(path, error)
    }
}

/// A missing interpreter answers as a missing program does; says which it is.
fn explain(program: &Path, error: SetupError) -> SetupError {
    let first_line = rustix::fs::open(
        program,
        rustix::fs::OFlags::RDONLY,
        rustix::fs::Mode::empty(),
    )
    .ok()
    .and_then(|file| {
        let mut bytes = [0; FIRST_LINE_BYTES_MAX];
        let read = rustix::io::read(file, &mut bytes[..]).ok()?;
        let text = String::from_utf8_lossy(bytes.get(..read)?).into_owned();
        text.lines().next().map(str::to_owned)
    });
    match first_line
        .as_deref()
        .and_then(|line| line.strip_prefix("#!"))
    {
        Some(interpreter) if error.kind == SetupKind::Program => {
            let interpreter = interpreter
                .trim()
                .split([' ', '\t'])
                .next()
                .unwrap_or_default()
                .to_owned();
            let hint = format!(
                "tasks see /usr, /bin, /sbin and /lib: if `{interpreter}` lies elsewhere, allow fs.read of the directory that it is installed in, or add that to `system_paths` of the settings"
            );
            SetupError {
                cause: format!(
                    "its interpreter `{interpreter}` could not be run: {}",
                    error.cause
                ),
                ..error
            }
            .hinting(hint)
        }
        _ => error,
    }
}
