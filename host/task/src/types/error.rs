//! What can be wrong with a data type, an alias or a pattern.
//!
//! Texts of the author stand in backticks as they were written; whoever prints an error escapes them.

/// Why a text is not a data type that a parameter can have.
///
/// Offsets count bytes from the start of the text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TypeError {
    /// The text is longer than a type may be.
    #[error("type is {have_bytes} bytes long, at most {max_bytes} are read")]
    TooLong {
        /// Length of the text.
        have_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// Brackets are nested too deeply.
    #[error("types are nested more than {depth_max} deep at byte {offset}")]
    TooDeep {
        /// Where the limit was passed.
        offset: usize,
        /// The limit.
        depth_max: usize,
    },
    /// The type has too many parts.
    #[error("type has more than {parts_max} parts")]
    TooManyParts {
        /// The limit.
        parts_max: usize,
    },
    /// The type has too many patterns.
    #[error("type has more than {patterns_max} patterns")]
    TooManyPatterns {
        /// The limit.
        patterns_max: usize,
    },
    /// A character that no type contains.
    #[error("a type contains no `{character}`, as at byte {offset}")]
    Character {
        /// Where it stands.
        offset: usize,
        /// The character.
        character: char,
    },
    /// A string or pattern does not end.
    #[error("the {what} that begins at byte {offset} does not end")]
    Unclosed {
        /// Where it begins.
        offset: usize,
        /// `string` or `pattern`.
        what: &'static str,
    },
    /// A string holds `${...}` or an escape that is none.
    #[error("the string at byte {offset} has {what}")]
    Text {
        /// Where the string begins.
        offset: usize,
        /// What it has and may not have.
        what: &'static str,
    },
    /// A number cannot be read.
    #[error("`{text}` at byte {offset} is no number of at most 64 bits")]
    Number {
        /// Where it begins.
        offset: usize,
        /// The text.
        text: String,
    },
    /// Something else was expected.
    #[error("expected {expected} at byte {offset}, found {found}")]
    Unexpected {
        /// Where.
        offset: usize,
        /// What would have been right.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A type was given an argument of the wrong sort.
    #[error("at byte {offset} `{name}` takes {expected}, found {found}")]
    Argument {
        /// Where the argument begins.
        offset: usize,
        /// The type that takes arguments.
        name: String,
        /// What it takes.
        expected: &'static str,
        /// What was given, and how to write it if we know.
        found: String,
    },
    /// A type was given too few or too many arguments.
    #[error("`{name}` takes {expected}, {have} given at byte {offset}")]
    Count {
        /// Where the type begins.
        offset: usize,
        /// The type.
        name: String,
        /// How many it takes.
        expected: &'static str,
        /// How many it was given.
        have: usize,
    },
    /// A range whose lower end lies above its upper end.
    #[error("the range of `{name}` at byte {offset} is empty: its minimum is above its maximum")]
    EmptyRange {
        /// Where the type begins.
        offset: usize,
        /// The type.
        name: String,
    },
    /// A `Struct` names one key twice.
    #[error("`Struct` names the key `{key}` twice, again at byte {offset}")]
    TwinKey {
        /// Where the second one stands.
        offset: usize,
        /// The key.
        key: String,
    },
    /// The name of a resource type, such as `File`.
    #[error("`{name}` at byte {offset} is a resource type, which no parameter of a task can have")]
    Resource {
        /// Where it stands.
        offset: usize,
        /// The name.
        name: String,
    },
    /// An alias is defined by itself, with no list or hash in between.
    #[error("it is defined by itself: {path}")]
    Circle {
        /// The way from it back to it.
        path: String,
    },
    /// A pattern that cannot be used.
    #[error("the pattern at byte {offset} cannot be used")]
    Pattern {
        /// Where it stands.
        offset: usize,
        /// Why.
        #[source]
        source: PatternError,
    },
}

/// Why a pattern in Ruby's syntax cannot be used.
///
/// Offsets count bytes from the start of the pattern, without its slashes.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// A construct that would need backtracking, or that has no equal here.
    #[error("{construct} at byte {offset} of the pattern is not supported")]
    Unsupported {
        /// Where it begins.
        offset: usize,
        /// Its name.
        construct: &'static str,
    },
    /// Ruby would not read it either.
    #[error("{what} at byte {offset} of the pattern")]
    Malformed {
        /// Where.
        offset: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// The pattern was translated and still cannot be compiled.
    #[error("pattern does not compile: {reason}")]
    Invalid {
        /// The compiler's words.
        reason: String,
    },
    /// The compiled pattern would take too much memory together with the others.
    #[error("the patterns need more than {} together, once compiled", mebibytes(*.max_bytes))]
    TooMuch {
        /// The limit.
        max_bytes: usize,
    },
    /// The compiled pattern would take too much memory.
    #[error("pattern needs more than {} once compiled", mebibytes(*.max_bytes))]
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
}

/// Why a type alias cannot be taken from a file of a module.
///
/// A file of the right shape whose type is not understood is no such error: its alias accepts nothing,
/// and [`super::TypeAliases::unusable`] lists it, so that one odd alias does not disable a whole module.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AliasError {
    /// The path is not `<module>/types/<name>.pp`.
    #[error("`{path}` is not the path of a type alias, such as `mymod/types/port.pp`")]
    Path {
        /// The path.
        path: String,
    },
    /// The file does not begin with `type Name =`.
    #[error("`{path}` does not define a type alias: expected `type {want} = ...`")]
    Shape {
        /// The path.
        path: String,
        /// The name that the path demands.
        want: String,
    },
    /// The file defines another name than its path says.
    #[error("`{path}` defines `{have}`, but its path demands `{want}`")]
    Name {
        /// The path.
        path: String,
        /// The name in the file.
        have: String,
        /// The name that the path demands.
        want: String,
    },
    /// Two files define the same name.
    #[error("`{path}` defines `{name}` a second time")]
    Twin {
        /// The second path.
        path: String,
        /// The name.
        name: String,
    },
}

/// There are more aliases than are ever read, or more in them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("more than {aliases_max} type aliases, or {parts_max} parts in their types")]
pub struct TooManyAliases {
    /// How many aliases there may be.
    pub aliases_max: usize,
    /// How many parts their types may have together.
    pub parts_max: usize,
}

/// A limit as people say it.
fn mebibytes(bytes: usize) -> String {
    format!("{} MiB", bytes >> 20)
}
