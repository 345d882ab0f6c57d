//! `http.request:METHOD https://host[:port]/prefix`: outgoing requests by method and URL prefix.
//!
//! Compared by parsed parts and never as text. Userinfo, query, fragment, `.` and `..`, empty segments and encoded
//! slashes are refused, so that no two readers can see different paths.

use std::fmt::{self, Write as _};
use std::num::NonZeroU16;
use std::str::FromStr;

use super::net::{EndpointError, HostPattern, read_port};

/// Which requests a run may make: one method, one origin, every path below a prefix.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HttpTarget {
    pub(crate) method: Method,
    pub(crate) scheme: Scheme,
    /// A name or an address.
    pub(crate) host: HostPattern,
    pub(crate) port: NonZeroU16,
    /// Decoded.
    pub(crate) segments: Vec<String>,
}

impl HttpTarget {
    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host: a name or an address, never a pattern.
    #[must_use]
    pub const fn host(&self) -> &HostPattern {
        &self.host
    }

    /// The port, also when it is the scheme's own.
    #[must_use]
    pub const fn port(&self) -> NonZeroU16 {
        self.port
    }

    /// The decoded segments of the path prefix.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// Whether everything that `other` opens is opened by this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.method == other.method
            && self.same_origin(other)
            && other.segments.starts_with(&self.segments)
    }

    /// Whether a request with this method and URL is allowed. The query is not looked at; a URL that is not plain is
    /// never allowed.
    #[must_use]
    pub fn permits(&self, method: &str, url: &str) -> bool {
        let without_query = url.split('?').next().unwrap_or(url);
        let Ok(request) = read_url(method, without_query) else {
            return false;
        };
        self.covers(&request)
    }

    fn same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host == other.host && self.port == other.port
    }
}

/// Prints bare: what would need quoting is percent-encoded, and the scheme's own port is left out.
impl fmt::Display for HttpTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}://{}", self.method, self.scheme, self.host)?;
        if self.port != self.scheme.port() {
            write!(out, ":{}", self.port)?;
        }
        if self.segments.is_empty() {
            out.write_char('/')?;
        }
        self.segments
            .iter()
            .try_for_each(|segment| write_segment(segment, out))
    }
}

/// An HTTP method: 1 to 16 characters of `A-Z`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Method(Box<str>);

impl Method {
    /// The method as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Method {
    type Err = HttpError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.bytes().all(|byte| byte.is_ascii_uppercase());
        if plain && (1..=METHOD_BYTES_MAX).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(HttpError::Method {
                method: text.to_owned(),
            })
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The scheme of a URL.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scheme {
    /// `http`, in clear.
    Http,
    /// `https`.
    Https,
}

impl Scheme {
    /// The port where a URL names none.
    #[must_use]
    pub const fn port(self) -> NonZeroU16 {
        match self {
            Self::Http => HTTP_PORT,
            Self::Https => HTTPS_PORT,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// Why a text is not an HTTP target.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// It is not a method and a URL.
    #[error("expected a method and a URL such as `GET https://example.com/api`")]
    Shape,
    /// The method is not upper-case letters.
    #[error("`{}` is not a method such as `GET`", crate::Shown(.method))]
    Method {
        /// What was given.
        method: String,
    },
    /// The scheme is not `http` or `https`.
    #[error("a URL begins with `https://` or `http://`")]
    Scheme,
    /// A user name or password in the URL.
    #[error("a URL must not have a user name or password")]
    UserInfo,
    /// A query or fragment.
    #[error("a URL prefix must not have a query or fragment")]
    Query,
    /// The host or port.
    #[error(transparent)]
    Origin(#[from] EndpointError),
    /// A segment is `.` or `..`, plain or encoded.
    #[error("a URL must not have the segment `.` or `..`")]
    Dots,
    /// Two slashes in a row.
    #[error("a URL must not have an empty segment")]
    EmptySegment,
    /// A percent sign without two hex digits, or bytes that are not UTF-8.
    #[error("`{}` is not properly percent-encoded", crate::Shown(.segment))]
    Encoding {
        /// The segment.
        segment: String,
    },
    /// A slash, backslash or control character, plain or encoded, inside a segment.
    #[error(
        "a segment of a URL must not have slashes, backslashes or control characters in it, encoded or not"
    )]
    Character,
    /// A `*`, which would mean nothing here.
    #[error("a URL has no patterns: a prefix opens everything below it")]
    Pattern,
}

/// Longest method, in bytes.
const METHOD_BYTES_MAX: usize = 16;
const HTTP_PORT: NonZeroU16 = NonZeroU16::MIN.saturating_add(79);
const HTTPS_PORT: NonZeroU16 = NonZeroU16::MIN.saturating_add(442);

/// The pieces of a URL as they stand in the text, not yet read.
pub(crate) struct UrlText<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) host: &'a str,
    pub(crate) port: Option<&'a str>,
    /// Still encoded.
    pub(crate) segments: Vec<&'a str>,
}

/// Splits a URL at its delimiters. `'@'` and what begins a query are refused here, each piece is read by others.
pub(crate) fn split_url(url: &str) -> Result<UrlText<'_>, HttpError> {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
        _ => return Err(HttpError::Scheme),
    };
    if rest.contains(['?', '#']) {
        return Err(HttpError::Query);
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(HttpError::UserInfo);
    }
    // The colons of an IPv6 address stand inside its brackets.
    let port_at = authority
        .rfind(':')
        .filter(|at| authority.rfind(']').is_none_or(|end| *at == end + 1));
    let (host, port) = match port_at {
        Some(at) => (
            authority.get(..at).unwrap_or_default(),
            authority.get(at + 1..),
        ),
        None => (authority, None),
    };
    // One slash may end a path, and `//` has an empty segment like any other.
    let segments = if path.is_empty() {
        Vec::new()
    } else {
        path.strip_suffix('/').unwrap_or(path).split('/').collect()
    };
    Ok(UrlText {
        scheme,
        host,
        port,
        segments,
    })
}

/// Decodes a piece of a segment. What it may not contain is refused, whether it was encoded or not.
pub(crate) fn decode(piece: &str) -> Result<String, HttpError> {
    let malformed = || HttpError::Encoding {
        segment: piece.to_owned(),
    };
    if piece.contains('*') {
        return Err(HttpError::Pattern);
    }
    let mut bytes = Vec::with_capacity(piece.len());
    let mut rest = piece.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
            let (high, low) = (
                digit().ok_or_else(malformed)?,
                digit().ok_or_else(malformed)?,
            );
            bytes.push(u8::try_from(high << 4 | low).map_err(|_| malformed())?);
        } else {
            bytes.push(byte);
        }
    }
    let decoded = String::from_utf8(bytes).map_err(|_| malformed())?;
    if decoded.contains(['/', '\\']) || decoded.chars().any(char::is_control) {
        return Err(HttpError::Character);
    }
    Ok(decoded)
}

/// Refuses a decoded segment that would not stay where it stands.
pub(crate) fn check_segment(segment: &str) -> Result<(), HttpError> {
    match segment {
        "" => Err(HttpError::EmptySegment),
        "." | ".." => Err(HttpError::Dots),
        _ => Ok(()),
    }
}

fn read_url(method: &str, url: &str) -> Result<HttpTarget, HttpError> {
    let text = split_url(url)?;
    let segment = |piece: &&str| {
        let segment = decode(piece)?;
        check_segment(&segment)?;
        Ok(segment)
    };
    Ok(HttpTarget {
        method: method.parse()?,
        scheme: text.scheme,
        host: HostPattern::exact(text.host)?,
        port: text.port.map_or(Ok(text.scheme.port()), read_port)?,
        segments: text
            .segments
            .iter()
            .map(segment)
            .collect::<Result<_, HttpError>>()?,
    })
}

fn write_segment(segment: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    out.write_char('/')?;
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"_@+=:,.-".contains(&byte) {
            out.write_char(char::from(byte))?;
        } else {
            write!(out, "%{byte:02X}")?;
        }
    }
    Ok(())
}
