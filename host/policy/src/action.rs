//! The questions by name, as the schema has them.

use host_core::Capability;

use crate::target;

/// One kind of question.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Action {
    Run,
    RunAdhoc,
    FsRead,
    FsWrite,
    UnixConnect,
    NetConnect,
    HttpRequest,
    Env,
    Secret,
    Exec,
    AppearRoot,
    ExecRoot,
    ExecRaw,
    RunAs,
    HostFull,
}

/// The group of what opens one thing.
pub(crate) const CAPABILITY: &str = "capability";
/// The group of what could be anything.
pub(crate) const DANGEROUS: &str = "dangerous";

impl Action {
    pub(crate) const ALL: [Self; 15] = [
        Self::Run,
        Self::RunAdhoc,
        Self::FsRead,
        Self::FsWrite,
        Self::UnixConnect,
        Self::NetConnect,
        Self::HttpRequest,
        Self::Env,
        Self::Secret,
        Self::Exec,
        Self::AppearRoot,
        Self::ExecRoot,
        Self::ExecRaw,
        Self::RunAs,
        Self::HostFull,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::RunAdhoc => "run.adhoc",
            Self::FsRead => "fs.read",
            Self::FsWrite => "fs.write",
            Self::UnixConnect => "unix.connect",
            Self::NetConnect => "net.connect",
            Self::HttpRequest => "http.request",
            Self::Env => "env",
            Self::Secret => "secret",
            Self::Exec => "exec",
            Self::AppearRoot => "appear.root",
            Self::ExecRoot => "exec.root",
            Self::ExecRaw => "exec.raw",
            Self::RunAs => "run.as",
            Self::HostFull => "host.full",
        }
    }

    /// The group that it is in.
    pub(crate) const fn group(self) -> Option<&'static str> {
        match self {
            Self::Run | Self::RunAdhoc => None,
            Self::ExecRoot | Self::ExecRaw | Self::RunAs | Self::HostFull => Some(DANGEROUS),
            _ => Some(CAPABILITY),
        }
    }

    /// Whether it is about what a run opens, and not about the run itself.
    pub(crate) const fn opens(self) -> bool {
        self.group().is_some()
    }

    /// The kind of resource that it is about.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::FsRead | Self::FsWrite | Self::UnixConnect => target::PATH,
            Self::NetConnect => target::ENDPOINT,
            Self::HttpRequest => target::URL,
            Self::Exec | Self::ExecRoot | Self::ExecRaw => target::PROGRAM,
            Self::Env => target::ENV_VAR,
            Self::Secret => target::SECRET,
            Self::RunAs => target::USER,
            Self::Run | Self::RunAdhoc | Self::AppearRoot | Self::HostFull => target::TASK,
        }
    }

    /// What a name in a rule means: an action, or those of a group.
    pub(crate) fn named(name: &str) -> Vec<Self> {
        let is_meant = |action: &Self| action.as_str() == name || action.group() == Some(name);
        Self::ALL.into_iter().filter(is_meant).collect()
    }
}

/// The questions that an ask is: each has to be permitted.
pub(crate) fn permitting(capability: &Capability) -> Vec<Action> {
    match capability {
        Capability::FsRead(_) => vec![Action::FsRead],
        Capability::FsWrite(_) => vec![Action::FsWrite],
        Capability::NetConnect(_) => vec![Action::NetConnect],
        Capability::HttpRequest(_) => vec![Action::HttpRequest],
        Capability::UnixConnect(_) => vec![Action::UnixConnect],
        Capability::Env(_) => vec![Action::Env],
        Capability::Secret(_) => vec![Action::Secret],
        Capability::RunAs(_) => vec![Action::RunAs],
        Capability::AppearRoot => vec![Action::AppearRoot],
        Capability::HostFull => vec![Action::HostFull],
        Capability::Exec(command) => {
            let as_root = command.user().is_some_and(|user| user.as_str() == "root");
            let is_raw = command
                .arguments()
                .contains(&host_core::ArgumentPattern::Raw);
            match (as_root, is_raw) {
                (false, false) => vec![Action::Exec],
                (true, false) => vec![Action::ExecRoot],
                (false, true) => vec![Action::ExecRaw],
                (true, true) => vec![Action::ExecRoot, Action::ExecRaw],
            }
        }
    }
}

/// The questions whose forbids bite on an ask: its own, and those of what it opens besides.
pub(crate) fn forbidding(capability: &Capability) -> Vec<Action> {
    let mut actions = permitting(capability);
    match capability {
        Capability::FsWrite(_) => actions.push(Action::FsRead),
        Capability::HttpRequest(_) => actions.push(Action::NetConnect),
        Capability::Exec(_) if !actions.contains(&Action::Exec) => actions.push(Action::Exec),
        _ => {}
    }
    actions
}
