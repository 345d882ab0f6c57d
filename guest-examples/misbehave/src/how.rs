//! How a path is opened, in either version of WASI.

/// What is asked for with a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) create: bool,
    pub(crate) exclusive: bool,
    pub(crate) truncate: bool,
    pub(crate) directory: bool,
    /// Whether a link at the end of the path is followed.
    pub(crate) follow: bool,
    pub(crate) write: bool,
}

impl How {
    /// For reading.
    pub(crate) const READ: Self = Self {
        create: false,
        exclusive: false,
        truncate: false,
        directory: false,
        follow: false,
        write: false,
    };

    /// For reading what a link leads to.
    pub(crate) const FOLLOW: Self = Self {
        follow: true,
        ..Self::READ
    };

    /// For writing what is there.
    pub(crate) const WRITE: Self = Self {
        write: true,
        ..Self::READ
    };

    /// For writing, made if it is not there.
    pub(crate) const CREATE: Self = Self {
        create: true,
        ..Self::WRITE
    };

    /// A directory, to make things in.
    pub(crate) const DIRECTORY: Self = Self {
        directory: true,
        ..Self::WRITE
    };
}
