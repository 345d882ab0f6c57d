//! What a command line wants to know of a type to offer the right option for it.

use super::DataType;
use super::alias::TypeAliases;
use super::kind::Kind;

impl DataType {
    /// One word for the kind of value, to stand for it in help: `STRING`, `INTEGER`, `LIST`, ...
    ///
    /// `VALUE` if several kinds fit.
    pub fn value_name(&self, aliases: &TypeAliases) -> &'static str {
        let Some(plain) = aliases.unwrap(self) else {
            return "VALUE";
        };
        match &plain.kind {
            Kind::String(_) | Kind::Enum { .. } | Kind::Pattern(_) => "STRING",
            Kind::Integer(_) => "INTEGER",
            Kind::Float(_) | Kind::Numeric => "NUMBER",
            Kind::Boolean(_) => "BOOLEAN",
            Kind::Array { .. } | Kind::Tuple { .. } => "LIST",
            Kind::Hash { .. } | Kind::Struct(_) => "HASH",
            Kind::Variant(types) => Self::common_name(types, aliases),
            _ => "VALUE",
        }
    }

    /// The strings that the type allows, if it is an `Enum`, through aliases, `Optional` and the like.
    pub fn enum_values<'a>(&'a self, aliases: &'a TypeAliases) -> Option<Vec<&'a str>> {
        match &aliases.unwrap(self)?.kind {
            Kind::Enum { values, .. } => Some(values.iter().map(String::as_str).collect()),
            _ => None,
        }
    }

    /// Whether the type is `Boolean`, through aliases, `Optional` and the like.
    pub fn is_boolean(&self, aliases: &TypeAliases) -> bool {
        aliases
            .unwrap(self)
            .is_some_and(|plain| matches!(plain.kind, Kind::Boolean(_)))
    }

    /// Whether the type is an `Array` or `Tuple`, through aliases, `Optional` and the like.
    pub fn is_array(&self, aliases: &TypeAliases) -> bool {
        let is_list = |plain: &Self| matches!(plain.kind, Kind::Array { .. } | Kind::Tuple { .. });
        aliases.unwrap(self).is_some_and(is_list)
    }

    /// The name of all alternatives, if they have but one. Alternatives inside alternatives have none, so
    /// that this looks no deeper than one level.
    fn common_name(types: &[Self], aliases: &TypeAliases) -> &'static str {
        let mut names = types.iter().map(|inner| match aliases.unwrap(inner) {
            Some(plain) if !matches!(plain.kind, Kind::Variant(_)) => plain.value_name(aliases),
            _ => "VALUE",
        });
        let first = names.next().unwrap_or("VALUE");
        if names.all(|name| name == first) {
            first
        } else {
            "VALUE"
        }
    }
}
