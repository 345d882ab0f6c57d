//! The relay of a run: one process, which has the listeners in the run's network and can connect to the machine's.
//!
//! ORDER: back into the machine's network, where root's keeper has left it; the resolver forked, which keeps what it needs; ids,
//! the signal of the keeper's death, no new privileges, no capabilities; no file by Landlock; then only the calls that it
//! needs. It reads nothing that is worth more than the run: names in questions of DNS, and the first bytes of TLS.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets, LinkNameSpaceType};

use super::account::{Account, Told};
use super::connection::{self, Desk};
use super::dns::MESSAGE_BYTES_MAX;
use super::names::Names;
use super::resolver::{self, Resolver};
use super::rules::Rules;
use crate::clock::{now, timespec};
use crate::keeper::beside::{Beside, Own, Side};
use crate::landlock;
use crate::recipe::Egress;
use crate::seccomp;
use crate::setup::{SetupError, WallStep};
use crate::sockaddr;
use crate::sys::{self, Forked};
use crate::task;

/// How many connections of a run are served at once; more are reset.
const CONNECTIONS_MAX: usize = 256;
/// Descriptors of a connection: two sockets and two pipes; and as many again for all else.
const FILES_MAX: u64 = CONNECTIONS_MAX as u64 * 6 + 256;
/// No core of it is worth keeping, and one of nothing would be piped to whoever takes cores.
const CORE_BYTES: u64 = 1;
/// How long nobody is listened to when nobody can be accepted.
const PAUSE: Duration = Duration::from_millis(20);
/// The stack of a connection's thread, in bytes.
const STACK_BYTES: usize = 256 << 10;
/// How long a relay may take to say what it served, once the run is over.
const RELAY_WAIT_MAX: Duration = Duration::from_secs(3);
/// How long connections may take to end by themselves then.
const LAST_WAIT_MAX: Duration = Duration::from_secs(1);
/// How long a relay may take until it serves.
const READY_WAIT_MAX: Duration = Duration::from_secs(10);
/// How much of what it tells is read, in bytes.
const TOLD_BYTES_MAX: usize = 4 << 20;
/// Where the run's DNS is.
const DNS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), sockaddr::DNS);

/// What somebody listens at in the run's network.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) dns: OwnedFd,
    pub(crate) ports: Vec<OwnedFd>,
}

/// Who a relay is, and how it comes to the machine's network.
#[derive(Debug, Default)]
pub(crate) struct Way<'n> {
    /// The user and group id that it takes on, where it can.
    pub(crate) id: Option<u32>,
    /// The machine's network, where the keeper has left it.
    pub(crate) network: Option<BorrowedFd<'n>>,
}

/// A relay, as its keeper holds it.
#[derive(Debug)]
pub(crate) struct Relay {
    beside: Beside,
    /// Says that it serves, or why it does not.
    ready: OwnedFd,
}

impl Relay {
    /// Forks a relay that serves `granted` at `listeners`.
    pub(crate) fn start(
        granted: &[Egress],
        listeners: Listeners,
        way: &Way<'_>,
    ) -> Result<Self, SetupError> {
        const STEP: &str = "start the relay";
        let (ready, says) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).step(STEP)?;
        match Beside::fork("relay").step(STEP)? {
            Side::Keeper(beside) => Ok(Self { beside, ready }),
            Side::Beside(own) => live(own, granted.to_vec(), listeners, way, says),
        }
    }

    /// Waits until it serves.
    pub(crate) fn await_ready(&self) -> Result<(), SetupError> {
        const STEP: &str = "confine the relay";
        let mut polled = [PollFd::new(&self.ready, PollFlags::IN)];
        while rustix::event::poll(&mut polled, Some(&timespec(READY_WAIT_MAX))) == Err(Errno::INTR)
        {
        }
        let mut said = [0; 4 << 10];
        rustix::io::ioctl_fionbio(&self.ready, true).step(STEP)?;
        let length = rustix::io::read(&self.ready, &mut said[..]).step(STEP)?;
        let said = said.get(..length).unwrap_or_default();
        let said: Option<SetupError> = serde_json::from_slice(said)
            .map_err(io::Error::from)
            .step(STEP)?;
        said.map_or(Ok(()), Err)
    }

    /// Lets it come to an end, and says what it tells.
    pub(crate) fn end(self) -> Told {
        Told::read(&self.beside.end(RELAY_WAIT_MAX, TOLD_BYTES_MAX))
    }
}

/// The life of a relay.
fn live(own: Own, granted: Vec<Egress>, listeners: Listeners, way: &Way<'_>, says: OwnedFd) -> ! {
    sys::survive_broken_pipes();
    let prepared = prepare(&own, &listeners, way, &says);
    let word = serde_json::to_vec(&prepared.as_ref().err()).unwrap_or_default();
    let said = rustix::io::write(&says, &word);
    drop(says);
    let (Ok(resolver), Ok(_)) = (prepared, said) else {
        sys::leave(1)
    };
    let desk = Desk {
        names: Mutex::new(names(&granted)),
        granted,
        resolver,
        account: Account::new(own.told),
        over: own.over,
    };
    let desk = Arc::new(desk);
    let served = serve(&desk, listeners);
    if served.is_ok() {
        desk.account.close();
    }
    sys::leave(i32::from(served.is_err()))
}

/// The names that the run finds in its `/etc/hosts`.
pub(crate) fn names(granted: &[Egress]) -> Names {
    let mut names = Names::default();
    for name in Rules::of(granted).names() {
        let _ = names.address_of(name);
    }
    names
}

fn prepare(
    own: &Own,
    listeners: &Listeners,
    way: &Way<'_>,
    says: &OwnedFd,
) -> Result<Resolver, SetupError> {
    const STEP: &str = "confine the relay";
    if let Some(network) = way.network {
        rustix::thread::move_into_link_name_space(network, Some(LinkNameSpaceType::Network))
            .step("enter the machine's network")?;
    }
    let kept = listeners.ports.iter().chain([&listeners.dns, says]);
    let kept: Vec<BorrowedFd<'_>> = kept.map(AsFd::as_fd).collect();
    own.let_go_of_the_keepers(&kept).step(STEP)?;
    let none = Rlimit {
        current: Some(CORE_BYTES),
        maximum: Some(CORE_BYTES),
    };
    rustix::process::setrlimit(Resource::Core, none).step(STEP)?;
    let files = Rlimit {
        current: Some(FILES_MAX),
        maximum: Some(FILES_MAX),
    };
    let most = rustix::process::getrlimit(Resource::Nofile).maximum;
    if most.is_none_or(|most| most >= FILES_MAX) {
        rustix::process::setrlimit(Resource::Nofile, files).step(STEP)?;
    }
    if let Some(id) = way.id {
        task::drop_bounding_set()?;
        become_user(id).step(STEP)?;
    }
    own.die_with_keeper().step(STEP)?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).step(STEP)?;
    rustix::thread::set_no_new_privs(true).step(STEP)?;
    // ORDER: before the files are gone, which it needs, and behind the change of ids, which it shares.
    let resolver = start_resolver().step("start the resolver")?;
    landlock::no_files()
        .map_err(io::Error::other)
        .step("close all files to the relay")?;
    task::filter_calls(&seccomp::program_of_relay())?;
    Ok(resolver)
}

fn become_user(id: u32) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

/// Forks the resolver, which dies with the relay: it ends when nobody can ask any more.
fn start_resolver() -> io::Result<Resolver> {
    let (ours, theirs) = resolver::lanes()?;
    match sys::fork()? {
        Forked::Parent(_) => Ok(ours),
        Forked::Child => {
            drop(ours);
            let kept: Vec<BorrowedFd<'_>> = theirs.iter().map(AsFd::as_fd).collect();
            let dies = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            let confined = dies
                .map_err(io::Error::from)
                .and_then(|()| sys::close_all_but(&kept))
                .and_then(|()| landlock::only_reading().map_err(io::Error::other));
            if confined.is_err() {
                sys::leave(1);
            }
            resolver::serve(&theirs);
            sys::leave(0)
        }
    }
}

/// Takes connections and questions until the run is over.
fn serve(desk: &Arc<Desk>, listeners: Listeners) -> io::Result<()> {
    let dns = UdpSocket::from(listeners.dns);
    dns.set_nonblocking(true)?;
    let ports: Vec<TcpListener> = listeners.ports.into_iter().map(TcpListener::from).collect();
    for port in &ports {
        port.set_nonblocking(true)?;
    }
    let active = Arc::new(AtomicUsize::new(0));
    loop {
        let mut polled = vec![
            PollFd::new(&desk.over, PollFlags::IN),
            PollFd::new(&dns, PollFlags::IN),
        ];
        polled.extend(ports.iter().map(|port| PollFd::new(port, PollFlags::IN)));
        match rustix::event::poll(&mut polled, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = polled
            .iter()
            .map(|poll| !poll.revents().is_empty())
            .collect();
        let [over, asked, wanted @ ..] = ready.as_slice() else {
            return Ok(());
        };
        if *over {
            break;
        }
        if *asked {
            answer(desk, &dns);
        }
        for (port, _) in ports.iter().zip(wanted).filter(|(_, wanted)| **wanted) {
            match port.accept() {
                Ok((client, _)) => take(desk, &active, client),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Without descriptors the same one would be ready at once again.
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }
    // What still goes on ends at the same word as this.
    let latest = now() + LAST_WAIT_MAX;
    while active.load(Ordering::Acquire) > 0 && now() < latest {
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Answers one question of DNS.
fn answer(desk: &Desk, dns: &UdpSocket) {
    let mut question = [0; MESSAGE_BYTES_MAX + 1];
    let Ok((length, from)) = dns.recv_from(&mut question) else {
        return;
    };
    let question = question.get(..length).unwrap_or_default();
    if let Some(answer) = desk.answer(question) {
        // Whoever does not hear it asks again.
        let _ = dns.send_to(&answer, from);
    }
}

/// Serves one connection in a thread of its own.
fn take(desk: &Arc<Desk>, active: &Arc<AtomicUsize>, mut client: TcpStream) {
    /// Counts itself out at its end, however that comes.
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::AcqRel);
        }
    }
    if active.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS_MAX {
        active.fetch_sub(1, Ordering::AcqRel);
        connection::reset(&client);
        return desk.account.refused(
            "net.connect".to_owned(),
            format!("more than {CONNECTIONS_MAX} connections at once"),
        );
    }
    let counted = Counted(Arc::clone(active));
    let desk = Arc::clone(desk);
    // A thread that cannot be had resets the connection with what it was to own.
    connection::reset(&client);
    let account = Arc::clone(&desk);
    let started = thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let _counted = counted;
            connection::close_in_order(&client);
            let to = client.local_addr();
            if to.is_ok_and(|to| SocketAddr::new(to.ip().to_canonical(), to.port()) == DNS) {
                // Its other side has gone, or says what is no question.
                let _ = connection::answer_stream(&desk, &mut client);
            } else {
                desk.serve(client);
            }
        });
    if started.is_err() {
        let what = "nobody was left to serve it".to_owned();
        account.account.refused("net.connect".to_owned(), what);
    }
}
