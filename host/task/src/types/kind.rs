//! The forms a data type can take, once parsed.
//!
//! Only [`super::build`] makes them, so each is well formed: ranges are not empty, arguments are of the
//! right sort, patterns are inside the dialect. Which values they accept is told in [`super::accept`].

use super::DataType;
use super::pattern::Pattern;

/// One form of data type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Any,
    Data,
    RichData,
    Undef,
    Scalar,
    ScalarData,
    Numeric,
    Boolean(Option<bool>),
    Integer(Bounds<i64>),
    Float(Bounds<f64>),
    /// Its size is in characters.
    String(Size),
    Enum {
        values: Vec<String>,
        ignore_case: bool,
    },
    Pattern(Vec<Pattern>),
    Collection(Size),
    Array {
        element: Box<DataType>,
        size: Size,
    },
    Hash {
        key: Box<DataType>,
        value: Box<DataType>,
        size: Size,
    },
    Tuple {
        elements: Vec<DataType>,
        size: Option<Size>,
    },
    Struct(Vec<Field>),
    Variant(Vec<DataType>),
    Optional(Box<DataType>),
    NotUndef(Box<DataType>),
    Sensitive(Box<DataType>),
    Iterable(Box<DataType>),
    /// A type of the Puppet language whose values cannot be written in JSON: it accepts nothing.
    Foreign {
        name: &'static str,
        /// The arguments as they are printed, without brackets.
        arguments: Option<String>,
    },
    /// A name defined elsewhere, as the author wrote it.
    Alias(String),
}

/// One key of a `Struct`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) presence: Presence,
    pub(super) value: DataType,
}

/// Whether a `Struct` key may be missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Presence {
    /// It may if the type of its value accepts undef.
    Inferred,
    /// Written `Optional['key']`: it may.
    Optional,
    /// Written `NotUndef['key']`: it may not.
    Required,
}

/// An inclusive range; `None` is unbounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds<N> {
    pub(super) min: Option<N>,
    pub(super) max: Option<N>,
}

impl<N: PartialOrd + Copy> Bounds<N> {
    pub(super) const ALL: Self = Self {
        min: None,
        max: None,
    };

    pub(super) fn is_all(&self) -> bool {
        self.min.is_none() && self.max.is_none()
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!((self.min, self.max), (Some(min), Some(max)) if min > max)
    }

    /// Whether the number lies inside, after both ends were made comparable with it.
    pub(super) fn contains<W: PartialOrd + From<N>>(&self, number: W) -> bool {
        self.min.is_none_or(|min| W::from(min) <= number)
            && self.max.is_none_or(|max| number <= W::from(max))
    }
}

/// How many characters, elements or entries a value has, both ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Size {
    pub(super) min: u64,
    pub(super) max: Option<u64>,
}

impl Size {
    pub(super) const ALL: Self = Self { min: 0, max: None };

    pub(super) const fn exactly(count: u64) -> Self {
        Self {
            min: count,
            max: Some(count),
        }
    }

    pub(super) fn is_all(self) -> bool {
        self == Self::ALL
    }

    pub(super) fn contains(self, count: usize) -> bool {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.min <= count && self.max.is_none_or(|max| count <= max)
    }

    /// The smallest size range that holds both.
    pub(super) fn join(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.zip(other.max).map(|(one, two)| one.max(two)),
        }
    }
}

impl DataType {
    pub(super) const fn new(kind: Kind) -> Self {
        Self { kind }
    }

    pub(super) const ANY: Self = Self::new(Kind::Any);

    /// The types written inside this one.
    pub(super) fn parts(&self) -> Vec<&Self> {
        match &self.kind {
            Kind::Array { element, .. } => vec![element],
            Kind::Hash { key, value, .. } => vec![key, value],
            Kind::Struct(fields) => fields.iter().map(|field| &field.value).collect(),
            Kind::Tuple { elements, .. } | Kind::Variant(elements) => elements.iter().collect(),
            Kind::Optional(inner)
            | Kind::NotUndef(inner)
            | Kind::Sensitive(inner)
            | Kind::Iterable(inner) => vec![inner],
            _ => Vec::new(),
        }
    }

    /// The types written inside this one that are asked about the very same value.
    pub(super) fn same_value_parts(&self) -> Vec<&Self> {
        match &self.kind {
            Kind::Variant(_) | Kind::Optional(_) | Kind::NotUndef(_) | Kind::Sensitive(_) => {
                self.parts()
            }
            _ => Vec::new(),
        }
    }
}
