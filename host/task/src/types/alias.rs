//! Named types: those that are always there, and those that the modules of a bundle define.
//!
//! A module's alias is read from `<module>/types/<name>.pp`, where it must have the name that its path
//! demands. A module's own alias goes before a built-in one of the same name. Recursion is legal where a
//! list or hash lies in between; an alias that is nothing but itself cannot be used.

mod circle;

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;

use super::DataType;
use super::error::{AliasError, TooManyAliases, TypeError};
use super::kind::Kind;
use super::lex::{self, Token};
use super::pattern::Patterns;
use super::{build, stdlib};

/// How many aliases the modules of a bundle may define.
const ALIASES_MAX: usize = 2_048;
/// How many parts their types may have together, so that whoever visits all of them is soon done.
const PARTS_SUM_MAX: usize = 65_536;

/// The named types that a data type may refer to.
#[derive(Clone, Debug, Default)]
pub struct TypeAliases {
    /// By the name in lower case.
    modules: Arc<BTreeMap<String, Definition>>,
    patterns: Arc<Patterns>,
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
    /// Paths are those of the bundle from the module's name on, such as `mymod/types/port.pp`. `refused` is told of
    /// each file that is not the alias that its path says, or defines a name a second time; such a file is left out. A
    /// definition that is not understood, or is defined by itself, is no error: its alias accepts nothing, and is
    /// listed by [`Self::unusable`].
    ///
    /// # Errors
    ///
    /// [`TooManyAliases`] if there are more than 2,048, or more than 65,536 parts in their types.
    pub fn with_module_types<'a>(
        files: impl Iterator<Item = (&'a str, &'a str)>,
        refused: &mut dyn FnMut(&str, AliasError),
    ) -> Result<Self, TooManyAliases> {
        let mut modules = BTreeMap::new();
        let mut parts = 0;
        for (path, text) in files {
            let definition = match define(path, text) {
                Ok(definition) => definition,
                Err(error) => {
                    refused(path, error);
                    continue;
                }
            };
            parts += definition.parts();
            if modules.len() >= ALIASES_MAX || parts > PARTS_SUM_MAX {
                return Err(TooManyAliases {
                    aliases_max: ALIASES_MAX,
                    parts_max: PARTS_SUM_MAX,
                });
            }
            match modules.entry(definition.name.to_ascii_lowercase()) {
                Entry::Vacant(place) => drop(place.insert(definition)),
                Entry::Occupied(_) => {
                    let (path, name) = (path.to_owned(), definition.name);
                    refused(&path.clone(), AliasError::Twin { path, name });
                }
            }
        }
        Ok(Self::of(modules).without_circles())
    }

    /// The same aliases, those of circles made unusable.
    fn without_circles(self) -> Self {
        let circular = circle::find(&self);
        if circular.is_empty() {
            return self;
        }
        let mut modules = Arc::unwrap_or_clone(self.modules);
        for (name, error) in circular {
            if let Some(definition) = modules.get_mut(&name) {
                definition.meaning = Err(error);
            }
        }
        Self::of(modules)
    }

    fn of(modules: BTreeMap<String, Definition>) -> Self {
        Self {
            modules: Arc::new(modules),
            patterns: Arc::default(),
        }
    }

    /// The same aliases, with patterns that count apart from those of others.
    pub(crate) fn with_own_patterns(&self) -> Self {
        Self {
            modules: Arc::clone(&self.modules),
            patterns: Arc::default(),
        }
    }

    /// Whether any pattern was compiled for types with these aliases.
    #[cfg(test)]
    pub(crate) fn has_compiled(&self) -> bool {
        !self.patterns.is_empty()
    }

    /// Where the patterns of types with these aliases are compiled.
    pub(super) fn patterns(&self) -> &Patterns {
        &self.patterns
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
}

impl Definition {
    /// How many types stand in this one, itself included.
    fn parts(&self) -> usize {
        let mut waiting: Vec<&DataType> = self.meaning.iter().collect();
        let mut parts = 0;
        while let Some(part) = waiting.pop() {
            parts += 1;
            waiting.extend(part.parts());
        }
        parts
    }
}

/// The alias of one file.
fn define(path: &str, text: &str) -> Result<Definition, AliasError> {
    let want = name_of(path)?;
    let (name, meaning) = read(path, text, &want)?;
    if name.eq_ignore_ascii_case(&want) {
        Ok(Definition { name, meaning })
    } else {
        Err(AliasError::Name {
            path: path.to_owned(),
            have: name,
            want,
        })
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
