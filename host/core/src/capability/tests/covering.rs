//! What covers what: a table, and every pair and chain among capabilities that are close to each other.

use std::net::IpAddr;

use super::cap;
use crate::capability::Capability;

#[test]
fn covering_follows_what_is_opened() {
    for (upper, lower, covers) in [
        ("fs.read:/etc", "fs.read:/etc/app", true),
        ("fs.read:/etc", "fs.read:/etcetera", false),
        ("fs.write:/etc", "fs.read:/etc/app", true),
        ("fs.read:/etc", "fs.write:/etc", false),
        ("fs.write:/", "unix.connect:/run/docker.sock", false),
        ("unix.connect:/run", "unix.connect:/run/x", false),
        ("net.connect:a:1", "net.connect:a:2", false),
        ("net.connect:*.b.c:1", "net.connect:a.b.c:1", true),
        ("net.connect:*.b.c:1", "net.connect:b.c:1", false),
        ("net.connect:*.c:1", "net.connect:*.b.c:1", true),
        ("net.connect:*.b.c:1", "net.connect:*.c:1", false),
        (
            "net.connect:a:1@private",
            "net.connect:a:1@10.0.0.0/8",
            true,
        ),
        (
            "net.connect:a:1@private",
            "net.connect:a:1@100.100.100.200/32",
            false,
        ),
        ("net.connect:a:1@private", "net.connect:a:1", false),
        ("net.connect:a:1", "net.connect:a:1@private", false),
        (
            "net.connect:a:1@10.0.0.0/8",
            "net.connect:a:1@10.1.0.0/16",
            true,
        ),
        (
            "net.connect:a:1@0.0.0.0/0",
            "net.connect:a:1@169.254.169.254/32",
            false,
        ),
        (
            "net.connect:a:1@127.0.0.1/32",
            "net.connect:a:1@127.0.0.1/32",
            true,
        ),
        ("net.connect:0.0.0.0/0:1", "net.connect:8.8.8.8:1", true),
        ("net.connect:0.0.0.0/0:1", "net.connect:10.0.0.1:1", false),
        ("net.connect:0.0.0.0/0:1", "net.connect:10.0.0.0/8:1", false),
        ("net.connect:0.0.0.0/0:1", "net.connect:127.0.0.1:1", false),
        (
            "net.connect:0.0.0.0/0:1",
            "net.connect:169.254.169.254:1",
            false,
        ),
        ("net.connect:10.0.0.0/8:1", "net.connect:10.0.0.1:1", true),
        (
            "net.connect:[::/0]:1",
            "net.connect:[fd00:ec2::254]:1",
            false,
        ),
        ("net.connect:a:443", "http.request:GET https://a/", false),
        (
            "http.request:GET https://a/v1",
            "http.request:GET https://a/v1/x",
            true,
        ),
        (
            "http.request:GET https://a/v1",
            "http.request:GET https://a/v10",
            false,
        ),
        (
            "http.request:GET https://a/",
            "http.request:POST https://a/",
            false,
        ),
        (
            "http.request:GET https://a/",
            "http.request:GET http://a/",
            false,
        ),
        (
            "http.request:GET https://a/",
            "http.request:GET https://a:444/",
            false,
        ),
        (
            "http.request:GET https://a/",
            "http.request:GET https://a.evil.com/",
            false,
        ),
        ("env:A", "env:A", true),
        ("env:A", "env:AB", false),
        ("exec:/b/a *", "exec:/b/a x", true),
        ("exec:/b/a *", "exec:root@/b/a x", false),
        ("exec:root@/b/a *", "exec:/b/a x", false),
        ("exec:/b/a *", "exec:/b/a x y", false),
        ("exec:/b/a *", "exec:/b/a", false),
        ("exec:/b/a *", "exec:/b/a '*'", false),
        ("exec:/b/a *", "exec:/b/a -x", false),
        ("exec:/b/a *", "exec:/b/a {raw}", false),
        ("exec:/b/a *", "exec:/b/a {unit}", true),
        ("exec:/b/a *", "exec:/b/a {path:/srv}", false),
        ("exec:/b/a {unit}", "exec:/b/a {name}", true),
        ("exec:/b/a {name}", "exec:/b/a {unit}", false),
        ("exec:/b/a {name}", "exec:/b/a {int}", true),
        ("exec:/b/a {path:/srv}", "exec:/b/a {path:/srv/x}", true),
        ("exec:/b/a {path:/srv}", "exec:/b/a /srv/x", true),
        ("exec:/b/a {path:/srv}", "exec:/b/a /srvx", false),
        ("exec:/b/a {raw}", "exec:/b/a -x", true),
        ("exec:/b/a x", "exec:/b/a *", false),
        ("host.full", "fs.read:/", false),
        ("host.full", "host.full", true),
        ("run.as:a", "run.as:b", false),
    ] {
        assert_eq!(
            cap(upper).covers(&cap(lower)),
            covers,
            "{upper} covers {lower}"
        );
    }
}

/// Capabilities that are close to each other, so that many pairs of them cover.
pub(crate) fn neighbours() -> Vec<Capability> {
    let mut texts: Vec<String> = Vec::new();
    for path in ["/", "/a", "/a/b", "/ab", "/a/b/c"] {
        texts.extend(["fs.read", "fs.write", "unix.connect"].map(|kind| format!("{kind}:{path}")));
    }
    for host in ["a.c", "b.a.c", "*.c", "*.a.c"] {
        let ranges = [
            "",
            "private",
            "10.0.0.0/8",
            "10.1.0.0/16",
            "0.0.0.0/0",
            "127.0.0.1/32",
            "127.0.0.0/8",
            "100.100.100.200/32",
        ];
        texts.extend(ranges.map(|range| {
            format!("net.connect:{host}:1@{range}")
                .trim_end_matches('@')
                .to_owned()
        }));
    }
    for host in [
        "0.0.0.0/0",
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.3",
        "8.8.8.8",
        "8.0.0.0/6",
        "127.0.0.1",
        "[::/0]",
        "[fd00::/8]",
        "[fd00::1]",
    ] {
        texts.push(format!("net.connect:{host}:1"));
    }
    for url in [
        "GET https://a/",
        "GET https://a/b",
        "GET https://a/bc",
        "PUT https://a/",
        "GET http://a/",
        "GET https://a:8/",
    ] {
        texts.push(format!("http.request:{url}"));
    }
    let arguments = [
        "",
        "*",
        "{unit}",
        "{int}",
        "{name}",
        "{path:/a}",
        "{path:/a/b}",
        "{raw}",
        "7",
        "x",
        "x@y",
        "-x",
        "/a/b",
        "'*'",
        "''",
        "* x",
    ];
    for argument in arguments {
        texts.extend(["", "root@"].map(|user| format!("exec:{user}/b {argument}")));
    }
    texts.extend(
        [
            "env:A",
            "env:B",
            "secret:A",
            "run.as:A",
            "run.as:B",
            "appear.root",
            "host.full",
        ]
        .map(str::to_owned),
    );
    texts.iter().map(|text| cap(text)).collect()
}

/// Addresses at the edges of what the generated endpoints name.
fn addresses() -> Vec<IpAddr> {
    [
        "8.8.8.8",
        "10.0.0.1",
        "10.1.2.3",
        "127.0.0.1",
        "127.0.0.2",
        "169.254.169.254",
        "192.168.0.1",
        "fd00::1",
        "fd00:ec2::254",
        "2606::1",
    ]
    .map(|address| address.parse().unwrap())
    .to_vec()
}

#[test]
fn every_capability_covers_itself_and_reads_what_it_prints() {
    for capability in neighbours() {
        assert!(capability.covers(&capability));
        assert_eq!(capability.to_string().parse(), Ok(capability));
    }
}

#[test]
fn covering_is_transitive() {
    let all = neighbours();
    let mut chains = 0;
    for upper in &all {
        for middle in all.iter().filter(|middle| upper.covers(middle)) {
            for lower in all.iter().filter(|lower| middle.covers(lower)) {
                assert!(upper.covers(lower), "{upper} / {middle} / {lower}");
                chains += 1;
            }
        }
    }
    assert!(chains > 2 * all.len(), "only {chains} chains");
}

#[test]
fn two_that_cover_each_other_are_the_same() {
    let all = neighbours();
    for (upper, lower) in all
        .iter()
        .flat_map(|upper| all.iter().map(move |lower| (upper, lower)))
    {
        assert_eq!(
            upper.covers(lower) && lower.covers(upper),
            upper == lower,
            "{upper} / {lower}"
        );
    }
}

/// What is covered opens nothing more: sampled addresses and arguments tell.
#[test]
fn what_is_covered_opens_no_more() {
    let all = neighbours();
    let arguments = [
        "", "7", "x", "x@y", "-x", "/a", "/a/b", "/a/b/c", "*", "a b", "..", "\n",
    ];
    for (upper, lower) in all
        .iter()
        .flat_map(|upper| all.iter().map(move |lower| (upper, lower)))
    {
        match (upper, lower) {
            (Capability::NetConnect(above), Capability::NetConnect(below))
                if upper.covers(lower) =>
            {
                let more = addresses()
                    .into_iter()
                    .find(|address| below.admits(*address) && !above.admits(*address));
                assert_eq!(more, None, "{upper} / {lower}");
            }
            (Capability::Exec(above), Capability::Exec(below)) if upper.covers(lower) => {
                let more = arguments.into_iter().find(|argument| {
                    let argv = ["/b", argument];
                    below.matches(&argv) && !above.matches(&argv)
                });
                assert_eq!(more, None, "{upper} / {lower}");
            }
            _ => assert!(!upper.covers(lower) || upper.is_dangerous() == lower.is_dangerous()),
        }
    }
}
