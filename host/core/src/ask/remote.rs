//! Endpoints and HTTP targets that may have placeholders: a whole host, a whole port, segments of a URL.
//!
//! A host that comes from a value is one name or one address; a range never comes from a value, and an address from a
//! value stays inside the range that its author wrote.

use std::net::Ipv6Addr;
use std::num::NonZeroU16;

use crate::capability::http::{check_segment, decode, split_url};
use crate::capability::net::read_port;
use crate::capability::{
    AddressRange, CapabilityError, Endpoint, EndpointError, HostPattern, HttpError, HttpTarget,
    Method, Scheme,
};
use crate::words::{Part, Word, parts};

use super::fill::{FillError, ValueFault, Values};
use super::slot::{Segment, Slot, first_hole, refuse_holes};

/// An endpoint that may have placeholders.
#[derive(Clone, Debug)]
pub(crate) struct EndpointShape {
    host: Slot<HostPattern>,
    port: Slot<NonZeroU16>,
    range: Option<AddressRange>,
}

impl EndpointShape {
    pub(crate) fn read(word: &Word) -> Result<Self, CapabilityError> {
        let (endpoint, range) = match word.text.split_once('@') {
            Some((endpoint, range)) => (endpoint, Some(range)),
            None => (word.text.as_str(), None),
        };
        let range = match range {
            Some(range) => {
                refuse_holes(&parts(range), "in a range")?;
                Some(range.parse()?)
            }
            None => None,
        };
        let (host, port) = endpoint.rsplit_once(':').ok_or(EndpointError::Shape)?;
        let shape = Self {
            host: read_host(host, str::parse)?,
            port: read_port_slot(port)?,
            range,
        };
        if let (Slot::Known(host), range @ Some(_)) = (&shape.host, &shape.range) {
            Endpoint::new(host.clone(), NonZeroU16::MIN, range.clone())?;
        }
        Ok(shape)
    }

    pub(crate) fn fill(&self, values: &Values<'_>) -> Result<Endpoint, FillError> {
        let host = self.host.fill(values, HOST, read_exact_host)?;
        let port = self.port.fill(values, PORT, read_port)?;
        let range = match (&self.host, &host, &self.range) {
            (Slot::Hole(name), HostPattern::Address(address), Some(range)) => {
                if !range.admits(*address) {
                    return Err(FillError::value(name, ValueFault::OutsideRange));
                }
                None
            }
            (_, _, range) => range.clone(),
        };
        Ok(Endpoint::new(host, port, range).map_err(CapabilityError::from)?)
    }
}

/// An HTTP target that may have placeholders.
#[derive(Clone, Debug)]
pub(crate) struct HttpShape {
    method: Method,
    scheme: Scheme,
    host: Slot<HostPattern>,
    port: Slot<NonZeroU16>,
    segments: Vec<Segment>,
}

impl HttpShape {
    pub(crate) fn read(words: &[Word]) -> Result<Self, CapabilityError> {
        let [method, url] = words else {
            return Err(HttpError::Shape.into());
        };
        refuse_holes(&parts(&method.text), "as the method")?;
        let text = split_url(&url.text)?;
        Ok(Self {
            method: method.text.parse()?,
            scheme: text.scheme,
            host: read_host(text.host, HostPattern::exact)?,
            port: text
                .port
                .map_or(Ok(Slot::Known(text.scheme.port())), read_port_slot)?,
            segments: text
                .segments
                .into_iter()
                .map(read_segment)
                .collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn fill(&self, values: &Values<'_>) -> Result<HttpTarget, FillError> {
        Ok(HttpTarget {
            method: self.method.clone(),
            scheme: self.scheme,
            host: self.host.fill(values, HOST, read_exact_host)?,
            port: self.port.fill(values, PORT, read_port)?,
            segments: self
                .segments
                .iter()
                .map(|segment| segment.fill(values))
                .collect::<Result<_, _>>()?,
        })
    }
}

const HOST: &str = "a host name or address";
const PORT: &str = "a port from 1 to 65535";

fn read_host(
    text: &str,
    read: impl FnOnce(&str) -> Result<HostPattern, EndpointError>,
) -> Result<Slot<HostPattern>, CapabilityError> {
    Slot::read(
        text,
        "beside other text in a host: it must be the whole host",
        read,
    )
}

fn read_port_slot(text: &str) -> Result<Slot<NonZeroU16>, CapabilityError> {
    Slot::read(
        text,
        "beside other text in a port: it must be the whole port",
        read_port,
    )
}

/// Reads a host from a value, where an IPv6 address needs no brackets.
fn read_exact_host(value: &str) -> Result<HostPattern, EndpointError> {
    match value.parse::<Ipv6Addr>() {
        Ok(address) => HostPattern::exact(&format!("[{address}]")),
        Err(_) => HostPattern::exact(value),
    }
}

/// Reads a segment of a URL; its literal parts are decoded here, so that a value is never decoded.
fn read_segment(text: &str) -> Result<Segment, CapabilityError> {
    let mut decoded = parts(text);
    for part in &mut decoded {
        if let Part::Text(text) = part {
            *text = decode(text)?;
        }
    }
    if first_hole(&decoded).is_none() {
        let literal = decoded.first().map_or("", |part| match part {
            Part::Text(text) => text,
            Part::Hole(_) => "",
        });
        check_segment(literal)?;
    }
    Ok(Segment::new(decoded))
}
