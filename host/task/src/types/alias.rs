//! Named types: those that are always there, and those that the modules of a bundle define.
//!
//! A module's alias is read from `<module>/types/<name>.pp`, where it must have the name that its path
//! demands. A module's own alias goes before a built-in one of the same name. Recursion is legal where a
//! list or hash lies in between; an alias that is nothing but itself is refused.

use std::collections::{BTreeMap, BTreeSet};

use super::DataType;
use super::error::{AliasError, TypeError};
use super::kind::Kind;
use super::lex::{self, Token};
use super::{build, stdlib};

/// How many aliases the modules of a bundle may define.
const ALIASES_MAX: usize = 2_048;

/// The named types that a data type may refer to.
#[derive(Clone, Debug, Default)]
pub struct TypeAliases {
    /// By the name in lower case.
    modules: BTreeMap<String, Definition>,
}

#[derive(Clone, Debug)]
struct Definition {
    name: String,
    meaning: Result<DataType, TypeError>,
}

/// What a name stands for.
#[derive(Debug)]
pub(super) enum Resolved<'a> {
    Type(&'a DataType),
    Unusable(&'a TypeError),
    Unknown,
}

impl TypeAliases {
    /// The aliases that are always there: stdlib's and those of Puppet and Bolt themselves.
    ///
    /// Each is parsed when it is first used.
    pub fn builtin() -> Self {
        Self::default()
    }

    /// The built-in aliases and those of module files, given as (path, text).
    ///
    /// Paths are those of the bundle from the module's name on, such as `mymod/types/port.pp`.
    ///
    /// # Errors
    ///
    /// [`AliasError`] if a file is not the alias that its path says, a name is defined twice, an alias is
    /// defined by itself, or there are more than 2,048. A definition that is not understood is no error
    /// here: its alias accepts nothing, and is listed by [`Self::unusable`].
    pub fn with_module_types<'a>(
        files: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, AliasError> {
        let mut aliases = Self::default();
        for (path, text) in files {
            aliases.add(path, text)?;
        }
        match aliases
            .modules
            .values()
            .find(|definition| aliases.is_circular(definition))
        {
            Some(definition) => Err(AliasError::Circle {
                name: definition.name.clone(),
            }),
            None => Ok(aliases),
        }
    }

    /// The module aliases whose definitions are not understood, by name, and why.
    pub fn unusable(&self) -> impl Iterator<Item = (&str, &TypeError)> {
        self.modules.values().filter_map(|definition| {
            let error = definition.meaning.as_ref().err()?;
            Some((definition.name.as_str(), error))
        })
    }

    /// What the name stands for; case does not matter.
    pub(super) fn resolve(&self, name: &str) -> Resolved<'_> {
        match self.modules.get(&name.to_ascii_lowercase()) {
            Some(Definition {
                meaning: Ok(meaning),
                ..
            }) => Resolved::Type(meaning),
            Some(Definition {
                meaning: Err(error),
                ..
            }) => Resolved::Unusable(error),
            None => stdlib::find(name).map_or(Resolved::Unknown, Resolved::Type),
        }
    }

    /// The type that an alias stands for in the end, or the type itself if it is none.
    pub(super) fn follow<'a>(&'a self, start: &'a DataType) -> Option<&'a DataType> {
        self.follow_while(start, |_| None)
    }

    /// The type below aliases and wrappers such as `Optional`.
    pub(super) fn unwrap<'a>(&'a self, start: &'a DataType) -> Option<&'a DataType> {
        self.follow_while(start, |kind| match kind {
            Kind::Optional(inner) | Kind::NotUndef(inner) | Kind::Sensitive(inner) => Some(inner),
            _ => None,
        })
    }

    fn follow_while<'a>(
        &'a self,
        start: &'a DataType,
        inside: impl Fn(&'a Kind) -> Option<&'a DataType>,
    ) -> Option<&'a DataType> {
        let mut current = start;
        let mut names = BTreeSet::new();
        loop {
            current = match (&current.kind, inside(&current.kind)) {
                (Kind::Alias(name), _) => match self.resolve(name) {
                    Resolved::Type(next) if names.insert(name.to_ascii_lowercase()) => next,
                    _ => return None,
                },
                (_, Some(inner)) => inner,
                (_, None) => return Some(current),
            };
        }
    }

    /// Visits the type and all that it refers to, each alias once, until the visitor finds something.
    pub(super) fn search<'a, T>(
        &'a self,
        start: &'a DataType,
        mut visit: impl FnMut(&'a DataType) -> Option<T>,
    ) -> Option<T> {
        let mut waiting = vec![start];
        let mut names = BTreeSet::new();
        while let Some(current) = waiting.pop() {
            if let Some(found) = visit(current) {
                return Some(found);
            }
            waiting.extend(current.parts().into_iter().rev());
            if let Kind::Alias(name) = &current.kind
                && names.insert(name.to_ascii_lowercase())
                && let Resolved::Type(next) = self.resolve(name)
            {
                waiting.push(next);
            }
        }
        None
    }

    fn add(&mut self, path: &str, text: &str) -> Result<(), AliasError> {
        let want = name_of(path)?;
        let (have, meaning) = read(path, text, &want)?;
        if !have.eq_ignore_ascii_case(&want) {
            return Err(AliasError::Name {
                path: path.to_owned(),
                have,
                want,
            });
        }
        if self.modules.len() >= ALIASES_MAX {
            return Err(AliasError::TooMany {
                aliases_max: ALIASES_MAX,
            });
        }
        let definition = Definition {
            name: have.clone(),
            meaning,
        };
        match self.modules.insert(have.to_ascii_lowercase(), definition) {
            Some(_) => Err(AliasError::Twin {
                path: path.to_owned(),
                name: have,
            }),
            None => Ok(()),
        }
    }

    /// Whether the alias leads back to itself without looking into the value in between.
    fn is_circular(&self, definition: &Definition) -> bool {
        let mut waiting: Vec<&DataType> = definition.meaning.iter().collect();
        let mut names = BTreeSet::new();
        while let Some(current) = waiting.pop() {
            waiting.extend(current.same_value_parts());
            let Kind::Alias(name) = &current.kind else {
                continue;
            };
            if name.eq_ignore_ascii_case(&definition.name) {
                return true;
            }
            if names.insert(name.to_ascii_lowercase())
                && let Resolved::Type(next) = self.resolve(name)
            {
                waiting.push(next);
            }
        }
        false
    }
}

/// The alias name that a path demands: `mymod/types/ip/v4.pp` is `Mymod::Ip::V4`.
fn name_of(path: &str) -> Result<String, AliasError> {
    let error = || AliasError::Path {
        path: path.to_owned(),
    };
    let stem = path.strip_suffix(".pp").ok_or_else(error)?;
    let (module, rest) = stem.split_once("/types/").ok_or_else(error)?;
    let segments = std::iter::once(module)
        .chain(rest.split('/'))
        .map(|segment| {
            let mut chars = segment.chars();
            let first = chars.next().filter(char::is_ascii_lowercase)?;
            let rest = chars.as_str();
            let fits = rest
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            fits.then(|| format!("{}{rest}", first.to_ascii_uppercase()))
        });
    let segments: Option<Vec<_>> = segments.collect();
    segments
        .map(|segments| segments.join("::"))
        .ok_or_else(error)
}

/// The name that a file defines, and its type. A file whose words cannot be read defines its path's name.
fn read(
    path: &str,
    text: &str,
    want: &str,
) -> Result<(String, Result<DataType, TypeError>), AliasError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tokens = match lex::tokens(text) {
        Ok(tokens) => tokens,
        Err(error) => return Ok((want.to_owned(), Err(error))),
    };
    let (head, body) = tokens.split_at_checked(3).unwrap_or((&tokens, &[]));
    let mut words = head.iter().map(|placed| &placed.token);
    match (words.next(), words.next(), words.next()) {
        (Some(Token::Word(word)), Some(Token::Name(name)), Some(Token::Equals))
            if word == "type" =>
        {
            let meaning = build::read(body, text.len());
            Ok((name.clone(), meaning))
        }
        _ => Err(AliasError::Shape {
            path: path.to_owned(),
            want: want.to_owned(),
        }),
    }
}
