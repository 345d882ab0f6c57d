//! Sockets that reach nothing, and what a component tried with them.
//!
//! The functions that would make a socket or look a name up are answered here, as the library answers them in a jail without
//! a network, and counted for the verdict. Modules of preview 1 have no function that makes a socket.

use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::ResolveAddressStream;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily, Network};
use wasmtime_wasi::p2::{TcpSocket, UdpSocket};

use crate::run::ComponentGuest;
use crate::verdict::{Attempt, Tried};

/// How many different things a verdict tells of.
const TRIED_MAX: usize = 12;

const TCP: &str = "wasi:sockets/tcp-create-socket@0.2.12";
const UDP: &str = "wasi:sockets/udp-create-socket@0.2.12";
const NAMES: &str = "wasi:sockets/ip-name-lookup@0.2.12";

/// What a component tried that takes a network.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Vec<Tried>);

impl Attempts {
    fn note(&mut self, what: Attempt) {
        if let Some(known) = self.0.iter_mut().find(|known| known.what == what) {
            known.times += 1;
        } else if self.0.len() < TRIED_MAX {
            self.0.push(Tried { what, times: 1 });
        }
    }

    pub(crate) fn tried(&self) -> Vec<Tried> {
        self.0.clone()
    }
}

/// Puts ours in the place of those that components import.
pub(crate) fn for_components(linker: &mut Linker<ComponentGuest>) -> Result<()> {
    linker.allow_shadowing(true);
    linker.instance(TCP)?.func_wrap(
        "create-tcp-socket",
        |mut store: StoreContextMut<'_, ComponentGuest>, (_family,): (IpAddressFamily,)| {
            store.data_mut().attempts.note(Attempt::Tcp);
            let refused: Refused<TcpSocket> = Err(ErrorCode::AccessDenied);
            Ok((refused,))
        },
    )?;
    linker.instance(UDP)?.func_wrap(
        "create-udp-socket",
        |mut store: StoreContextMut<'_, ComponentGuest>, (_family,): (IpAddressFamily,)| {
            store.data_mut().attempts.note(Attempt::Udp);
            let refused: Refused<UdpSocket> = Err(ErrorCode::AccessDenied);
            Ok((refused,))
        },
    )?;
    linker.instance(NAMES)?.func_wrap(
        "resolve-addresses",
        |mut store: StoreContextMut<'_, ComponentGuest>,
         (_network, name): (Resource<Network>, String)| {
            store.data_mut().attempts.note(Attempt::lookup(&name));
            let refused: Refused<ResolveAddressStream> = Err(ErrorCode::PermanentResolverFailure);
            Ok((refused,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

type Refused<T> = std::result::Result<Resource<T>, ErrorCode>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_and_have_an_end() {
        let mut attempts = Attempts::default();
        for number in 0..100 {
            attempts.note(Attempt::lookup(&format!("host-{number}")));
            attempts.note(Attempt::Tcp);
        }
        let tried = attempts.tried();
        assert_eq!(tried.len(), TRIED_MAX);
        let tcp = tried.iter().find(|tried| tried.what == Attempt::Tcp);
        assert_eq!(tcp.unwrap().times, 100);
    }
}
