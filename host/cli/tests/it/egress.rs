//! Connections by grant: a run reaches what it was granted, by name and by address, and nothing else of any network.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::lab::{Lab, is_root};

/// A server on this machine that says `name: ` and then whatever it hears, as long as the test lasts.
fn server(at: impl Into<IpAddr>, name: &'static str) -> u16 {
    let listener = TcpListener::bind((at.into(), 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || echo(stream, name));
        }
    });
    port
}

fn echo(mut stream: TcpStream, name: &str) {
    let _ = stream.write_all(format!("{name}: ").as_bytes());
    let mut piece = vec![0; 64 << 10];
    while let Ok(length) = stream.read(&mut piece) {
        if length == 0 || stream.write_all(&piece[..length]).is_err() {
            break;
        }
    }
}

/// What the scripts below have in common: `say(host, port, text)` gives the answer, or the error's name.
const SAY: &str = r#"
import errno, socket, sys
def say(host, port, text="hello"):
    try:
        with socket.create_connection((host, port), timeout=20) as s:
            s.sendall(text.encode())
            s.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := s.recv(65536):
                answer += piece
            return answer.decode()
    except socket.gaierror:
        return "no such name"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
"#;

fn script(lab: &Lab, lines: &str) -> String {
    lab.python(&format!("{SAY}\n{lines}"))
}

/// Runs such a script with what it is allowed, and says what is on record.
fn ran(lab: &Lab, lines: &str, allows: &[&str]) -> Value {
    let module = script(lab, lines);
    let allows = allows.iter().flat_map(|allow| ["--allow", *allow]);
    let arguments: Vec<&str> = [module.as_str()].into_iter().chain(allows).collect();
    lab.record(&arguments)
}

/// Waits until a collector has something.
fn collected(counts: &Mutex<Vec<u64>>) -> Vec<u64> {
    let started = Instant::now();
    while counts.lock().unwrap().is_empty() && started.elapsed() < Duration::from_secs(5) {
        thread::sleep(Duration::from_millis(10));
    }
    counts.lock().unwrap().clone()
}

fn output(record: &Value) -> &str {
    record["value"]["_output"].as_str().unwrap_or_default()
}

fn denials(record: &Value) -> String {
    record["denials"].to_string()
}

#[test]
fn a_granted_address_is_reached_and_no_other() {
    let lab = Lab::new();
    let (granted, other) = (
        server(Ipv4Addr::LOCALHOST, "granted"),
        server(Ipv4Addr::LOCALHOST, "other"),
    );
    let allow = format!("net.connect:127.0.0.1:{granted}");
    let record = ran(
        &lab,
        &format!(
            "print(say('127.0.0.1', {granted}))
print(say('127.0.0.1', {other}))
print(say('192.0.2.1', {granted}))
print(say('192.0.2.1', 80))
print(say('canary.example.com', {granted}))
print(say('::1', {granted}))"
        ),
        &[&allow],
    );
    assert_eq!(
        output(&record).lines().collect::<Vec<_>>(),
        [
            "granted: hello",
            "ECONNREFUSED",
            "ENETUNREACH",
            "ENETUNREACH",
            "no such name",
            "ECONNRESET",
        ]
    );
    let connections = record["connections"].as_array().unwrap();
    let [connection] = connections.as_slice() else {
        panic!("{connections:?}")
    };
    assert_eq!(connection["capability"], allow);
    assert_eq!(connection["address"], format!("127.0.0.1:{granted}"));
    assert_eq!(
        (&connection["sent"], &connection["received"]),
        (&5.into(), &14.into())
    );
    assert_eq!(connection["end"], "closed");
    assert_eq!(record["grant"][0]["used"], "yes");
    assert_eq!(record["usage"]["connections"], 1);
    let denials = denials(&record);
    for tried in [
        format!("net.connect:192.0.2.1:{granted}"),
        "net.connect:192.0.2.1:80".to_owned(),
        "net.connect:canary.example.com".to_owned(),
        format!("net.connect:[::1]:{granted}"),
    ] {
        assert!(denials.contains(&tried), "{tried} is not in {denials}");
    }
}

#[test]
fn a_name_is_reached_where_its_address_may_be() {
    let lab = Lab::new();
    let port = server(Ipv4Addr::LOCALHOST, "by name");
    let allow = format!("net.connect:localhost:{port}@127.0.0.1/32");
    let record = ran(
        &lab,
        &format!(
            "print(say('localhost', {port}))
print(say('LOCALHOST', {port}))
print(socket.gethostbyname('localhost'))
print(say('127.0.0.1', {port}))"
        ),
        &[&allow],
    );
    assert_eq!(
        output(&record),
        "by name: hello\nby name: hello\n127.64.0.1\nby name: hello\n"
    );
    let told = &record["connections"][0];
    assert_eq!(told["to"], format!("localhost:{port}"));
    assert_eq!(told["address"], format!("127.0.0.1:{port}"));
    // Programs like curl know without asking where that name leads.
    assert_eq!(record["connections"][2]["to"], format!("localhost:{port}"));
}

#[test]
fn a_name_that_leads_to_this_machine_is_not_followed_there() {
    let lab = Lab::new();
    let port = server(Ipv4Addr::LOCALHOST, "inside");
    let module = script(&lab, &format!("print(say('localhost', {port}))"));
    for range in ["", "@private", "@127.0.0.0/8", "@10.0.0.0/8"] {
        let allow = format!("net.connect:localhost:{port}{range}");
        let record = lab.record(&[&module, "--allow", &allow]);
        assert_eq!(output(&record), "ECONNRESET\n", "{allow}");
        assert_eq!(record["connections"][0]["end"], "refused");
        let denials = denials(&record);
        assert!(
            denials.contains("it leads to 127.0.0.1, which is in no range of the grant"),
            "{allow}: {denials}"
        );
    }
}

#[test]
fn an_address_of_the_newer_protocol_is_reached_too() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        // This machine has none, and so no run has.
        return;
    }
    let lab = Lab::new();
    let port = server(Ipv6Addr::LOCALHOST, "six");
    let allow = format!("net.connect:[::1]:{port}");
    let record = ran(&lab, &format!("print(say('::1', {port}))"), &[&allow]);
    assert_eq!(output(&record), "six: hello\n");
}

#[test]
fn many_bytes_and_many_connections_arrive_and_are_counted() {
    let lab = Lab::new();
    let port = server(Ipv4Addr::LOCALHOST, "x");
    let allow = format!("net.connect:127.0.0.1:{port}");
    let record = ran(
        &lab,
        &format!(
            "import threading
text = 'y' * (8 << 20)
assert say('127.0.0.1', {port}, text) == 'x: ' + text
def many():
    for _ in range(20):
        assert say('127.0.0.1', {port}) == 'x: hello'
    done.append(1)
done = []
threads = [threading.Thread(target=many) for _ in range(10)]
for t in threads: t.start()
for t in threads: t.join()
print(len(done))"
        ),
        &[&allow],
    );
    assert_eq!(output(&record), "10\n");
    let connections = record["connections"].as_array().unwrap();
    assert_eq!(connections.len(), 201);
    let sent: u64 = connections
        .iter()
        .map(|one| one["sent"].as_u64().unwrap())
        .sum();
    assert_eq!(sent, (8 << 20) + 200 * 5);
}

#[test]
fn a_peer_that_breaks_off_and_one_that_is_not_there_are_errors_for_the_task() {
    let lab = Lab::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let breaking = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Once it hears something: whatever it heard of that is lost with it.
            let _ = stream.read(&mut [0]);
            let _ =
                rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO));
        }
    });
    let gone = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    let allow = [breaking, gone].map(|port| format!("net.connect:127.0.0.1:{port}"));
    let record = ran(
        &lab,
        &format!(
            "print(say('127.0.0.1', {breaking}) in ('ECONNRESET', 'EPIPE'))\nprint(say('127.0.0.1', {gone}))"
        ),
        &allow.each_ref().map(String::as_str),
    );
    assert_eq!(output(&record), "True\nECONNRESET\n");
    let ends: Vec<&Value> = record["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["end"])
        .collect();
    assert_eq!(ends, ["broken", "unreachable"]);
}

/// The relay of a run: the keeper's child that is in no process namespace of a run.
fn relay(keeper: Pid) -> Pid {
    let children = format!("/proc/{0}/task/{0}/children", keeper.as_raw_nonzero());
    let children = std::fs::read_to_string(children).unwrap();
    let is_outside = |child: &&str| {
        let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap();
        let ids = status
            .lines()
            .find(|line| line.starts_with("NSpid:"))
            .unwrap();
        ids.split_whitespace().count() == 2
    };
    let found = children.split_whitespace().find(is_outside).unwrap();
    Pid::from_raw(found.parse().unwrap()).unwrap()
}

#[test]
fn when_the_relay_is_killed_nothing_can_be_connected_to() {
    let lab = Lab::new();
    let port = server(Ipv4Addr::LOCALHOST, "there");
    let module = script(
        &lab,
        &format!(
            "import time
print(say('127.0.0.1', {port}), file=sys.stderr, flush=True)
while say('127.0.0.1', {port}) != 'ECONNREFUSED':
    time.sleep(0.01)
print(say('127.0.0.1', {port}))
print(say('192.0.2.1', {port}))"
        ),
    );
    let allow = format!("net.connect:127.0.0.1:{port}");
    let mut live = lab
        .host(&["run", &module, "--allow", &allow, "--output", "json"])
        .start();
    live.hears("there: hello");
    kill_process(relay(live.keeper()), Signal::KILL).unwrap();
    let ran = live.end();
    let record = ran.record();
    assert_eq!(output(&record), "ECONNREFUSED\nENETUNREACH\n");
    assert!(
        record["walls"]["relay"].as_str().unwrap().contains("gone"),
        "{}",
        record["walls"]
    );
    // What it had carried until then is on record, and nobody says that this was all.
    assert_eq!(record["connections"][0]["received"], 12);
    assert_eq!(record["grant"][0]["used"], "yes");
    assert_eq!(record["usage"]["connections"], Value::Null);
}

#[test]
fn a_relay_has_no_power_of_its_own() {
    let lab = Lab::new();
    let port = server(Ipv4Addr::LOCALHOST, "there");
    let module = script(
        &lab,
        &format!(
            "import time\nprint(say('127.0.0.1', {port}), file=sys.stderr, flush=True)\ntime.sleep(60)"
        ),
    );
    let allow = format!("net.connect:127.0.0.1:{port}");
    let mut live = lab
        .host(&[
            "run",
            &module,
            "--allow",
            &allow,
            "--output",
            "json",
            "--timeout",
            "3s",
        ])
        .start();
    live.hears("there: hello");
    let relay = relay(live.keeper()).as_raw_nonzero();
    let status = std::fs::read_to_string(format!("/proc/{relay}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(field("CapEff:"), "0000000000000000");
    assert_eq!(field("CapPrm:"), "0000000000000000");
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
    if is_root() {
        let uid: u32 = field("Uid:").parse().unwrap();
        assert!((0x7800_0000..=0x7BFF_FFFF).contains(&uid), "{uid}");
        assert_eq!(field("CapBnd:"), "0000000000000000");
        let open = std::fs::read_dir(format!("/proc/{relay}/fd")).unwrap();
        for descriptor in open.flatten() {
            let leads = std::fs::read_link(descriptor.path()).unwrap();
            let leads = leads.to_string_lossy();
            let is_own = ["socket:", "pipe:", "/dev/null", "/memfd:"]
                .iter()
                .any(|own| leads.starts_with(own));
            assert!(is_own, "the relay has {leads}");
        }
    }
    live.end();
}

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has found out by then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody listens at.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn await_port(port: u16) {
    let started = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "no server came up"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

fn needs(program: &str, package: &str) -> String {
    let found = ["/usr/local/bin", "/usr/bin"]
        .iter()
        .map(|place| format!("{place}/{program}"))
        .find(|path| Path::new(path).exists());
    found.unwrap_or_else(|| panic!("this test needs {program} (package {package})"))
}

#[test]
fn curl_and_git_reach_what_was_granted_as_ever() {
    needs("curl", "curl");
    let git = needs("git", "git");
    let lab = Lab::new();
    let site = lab.directory("site");
    let made = Command::new("sh")
        .args([
            "-ec",
            "cd \"$1\"; $2 init -q -b main made; cd made; echo hello > file; $2 add file
             $2 -c user.name=a -c user.email=a@b commit -qm first
             cd ..; $2 clone -q --bare made made.git; cd made.git; $2 update-server-info",
            "sh",
            &site,
            &git,
        ])
        .env("HOME", &site)
        .status();
    assert!(made.unwrap().success());
    let port = free_port();
    let _server = Server(
        Command::new("/usr/bin/python3")
            // Without a path on its command line, by which it would be taken for something that a run left.
            .current_dir(&site)
            .args(["-m", "http.server", "--bind", "127.0.0.1"])
            .arg(port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    await_port(port);
    let module = lab.shell(&format!(
        "curl -sf http://localhost:{port}/made/file
git clone -q http://localhost:{port}/made.git here && cat here/file
curl -s -m 20 http://localhost:{other}/ ; echo \"curl $?\"
curl -s -m 20 http://example.com/ ; echo \"curl $?\"
curl -s -m 20 http://192.0.2.1:{port}/ ; echo \"curl $?\"",
        other = if port == 1 { 2 } else { 1 },
    ));
    let allow = format!("net.connect:localhost:{port}@127.0.0.1/32");
    let record = lab.record(&[&module, "--allow", &allow]);
    // 7: no connection; 6: no such name.
    assert_eq!(output(&record), "hello\nhello\ncurl 7\ncurl 6\ncurl 7\n");
    let denials = denials(&record);
    assert!(denials.contains("net.connect:example.com"), "{denials}");
}

/// A PostgreSQL of this test alone; root lets somebody else run it, as it demands.
fn postgres(port: u16, directory: &Path) -> Server {
    let found = std::fs::read_dir("/usr/lib/postgresql")
        .ok()
        .into_iter()
        .flatten()
        .flatten();
    let programs = found.map(|version| version.path().join("bin")).max();
    let programs = programs.expect("this test needs PostgreSQL (package postgresql)");
    let data = directory.join("data");
    std::fs::create_dir(&data).unwrap();
    let command = |name: &str| {
        let mut command = Command::new(programs.join(name));
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/");
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .arg("-D")
            .arg(&data);
        if is_root() {
            command.uid(65_534).gid(65_534);
        }
        command
    };
    if is_root() {
        std::os::unix::fs::chown(&data, Some(65_534), Some(65_534)).unwrap();
    }
    let made = command("initdb")
        .args(["-A", "trust", "-U", "demo", "-N"])
        .status();
    assert!(made.unwrap().success(), "initdb");
    let server = command("postgres")
        .args([
            "-p",
            &port.to_string(),
            "-F",
            "-c",
            "listen_addresses=127.0.0.1",
        ])
        .args(["-c", "unix_socket_directories="])
        .spawn();
    let server = Server(server.unwrap());
    // Its port is there before it answers.
    let started = Instant::now();
    let answers = || {
        let mut psql = Command::new(programs.join("psql"));
        psql.args(["-w", "-h", "127.0.0.1", "-p", &port.to_string()]);
        psql.args(["-U", "demo", "-d", "postgres", "-c", "select 1"]);
        psql.stdout(Stdio::null()).stderr(Stdio::null());
        psql.status().unwrap().success()
    };
    while !answers() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "PostgreSQL did not come up"
        );
        thread::sleep(Duration::from_millis(50));
    }
    server
}

#[test]
fn psql_reaches_the_database_that_was_granted_and_no_other() {
    let lab = Lab::new();
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    let (port, other) = (free_port(), server(Ipv4Addr::LOCALHOST, "other"));
    let _server = postgres(port, directory.path());
    let module = lab.shell(&format!(
        "psql=$(ls -d /usr/lib/postgresql/*/bin/psql | tail -1)
ask() {{ $psql -w -h \"$1\" -p \"$2\" -U demo -d postgres -Atc 'select 6*7' 2>/dev/null || echo \"psql $?\"; }}
ask 127.0.0.1 {port}
ask localhost {port}
ask 127.0.0.1 {other}
ask db.example.com {port}"
    ));
    let by_address = format!("net.connect:127.0.0.1:{port}");
    let by_name = format!("net.connect:localhost:{port}@127.0.0.1/32");
    let record = lab.record(&[&module, "--allow", &by_address, "--allow", &by_name]);
    assert_eq!(output(&record), "42\n42\npsql 2\npsql 2\n", "{record:#}");
    let capabilities: Vec<&Value> = record["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["capability"])
        .collect();
    assert_eq!(capabilities, [&by_address, &by_name]);
}

/// A server that counts what each connection brings, and says nothing.
fn collector() -> (u16, Arc<Mutex<Vec<u64>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let counts = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&counts);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let into = Arc::clone(&into);
            thread::spawn(move || {
                let count = std::io::copy(&mut stream, &mut std::io::sink());
                // One that was broken off counts as one.
                into.lock().unwrap().push(count.unwrap_or(u64::MAX));
            });
        }
    });
    (port, counts)
}

#[test]
fn what_a_task_has_sent_arrives_though_it_ends_at_once() {
    let lab = Lab::new();
    let (port, counts) = collector();
    let allow = format!("net.connect:127.0.0.1:{port}");
    let record = ran(
        &lab,
        &format!(
            "s = socket.create_connection(('127.0.0.1', {port}))
s.sendall(b'x' * 6000000)
s.close()"
        ),
        &[&allow],
    );
    assert_eq!(collected(&counts), [6_000_000]);
    assert_eq!(record["connections"][0]["sent"], 6_000_000);
}

#[test]
fn whoever_hangs_up_takes_no_other_connection_along() {
    let lab = Lab::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let hanging_up = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1]);
        }
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let streaming = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            while stream.write_all(&[b'y'; 64 << 10]).is_ok() {}
        }
    });
    let good = server(Ipv4Addr::LOCALHOST, "good");
    let allows = [hanging_up, streaming, good].map(|port| format!("net.connect:127.0.0.1:{port}"));
    let record = ran(
        &lab,
        &format!(
            "import time
kept = socket.create_connection(('127.0.0.1', {good}))
for _ in range(20):
    s = socket.create_connection(('127.0.0.1', {hanging_up}))
    try:
        for _ in range(5):
            s.sendall(b'x' * 1000)
            time.sleep(0.01)
    except OSError:
        pass
    t = socket.create_connection(('127.0.0.1', {streaming}))
    t.recv(1000)
    t.close()
print(say('127.0.0.1', {good}))
kept.sendall(b'still')
kept.shutdown(socket.SHUT_WR)
answer = b''
while piece := kept.recv(100):
    answer += piece
print(answer.decode())"
        ),
        &allows.each_ref().map(String::as_str),
    );
    assert_eq!(output(&record), "good: hello\ngood: still\n");
    assert_eq!(record["walls"]["relay"], Value::Null);
    assert_eq!(record["usage"]["connections"], 42);
}

#[test]
fn urgent_data_holds_nothing_up() {
    let lab = Lab::new();
    let (port, counts) = collector();
    let allow = format!("net.connect:127.0.0.1:{port}");
    ran(
        &lab,
        &format!(
            "s = socket.create_connection(('127.0.0.1', {port}))
s.sendall(b'before')
s.send(b'!', socket.MSG_OOB)
s.sendall(b'behind')
s.close()"
        ),
        &[&allow],
    );
    assert_eq!(collected(&counts), [12], "without the urgent byte itself");
}
