//! The network of a run that may connect to something: what is granted is served from outside, and nothing else leads anywhere.
//!
//! The run's own network is empty but for loopback. For each granted port somebody listens in it, and for granted addresses
//! the kernel is told that they are the run's own; so whatever the run connects to ends at one of these listeners. They belong
//! to the *relay*, a process outside of the run: it asks the kernel where the connection was to lead ([`rules`]), looks names
//! up ([`resolver`]), checks what they lead to, dials that, and carries the bytes ([`connection`], [`carry`]). A name has an
//! address of the run's own ([`names`]), which it learns from `/etc/hosts` or by asking DNS, which the relay answers too
//! ([`dns`]). When the relay is gone its listeners are, and nothing can be connected to.
//!
//! Programs need to know nothing of this: no proxy, no variable, and `getpeername` says what was asked for.

mod account;
mod carry;
mod connection;
mod dns;
mod hello;
mod names;
mod relay;
mod resolver;
mod rules;

pub(crate) use self::account::Told;
pub(crate) use self::relay::{Listeners, Relay, Way, names};
pub(crate) use self::rules::{Destination, Rules};

/// How many ports one run may be granted: as many listeners travel in one message.
pub(crate) const PORTS_MAX: usize = 128;
