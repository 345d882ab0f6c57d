//! The grammar of capabilities, and what each one allows.

pub(crate) mod covering;

use proptest::prelude::*;

use super::*;

fn cap(text: &str) -> Capability {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn capabilities_have_one_canonical_text() {
    for (text, canonical) in [
        ("fs.read:/etc//app/", "fs.read:/etc/app"),
        ("fs.read: /etc ", "fs.read:/etc"),
        ("fs.read:\"/a b\"", "fs.read:'/a b'"),
        ("fs.read:/a\\ b", "fs.read:'/a b'"),
        ("fs.read:'/etc'", "fs.read:/etc"),
        ("fs.read:'/a*'", "fs.read:'/a*'"),
        ("fs.write:/it\\'s", "fs.write:'/it'\\''s'"),
        ("unix.connect:/run/x.sock", "unix.connect:/run/x.sock"),
        (
            "net.connect:DB.Internal:5432@10.0.0.0/8",
            "net.connect:db.internal:5432@10.0.0.0/8",
        ),
        ("net.connect:db:1@private", "net.connect:db:1@private"),
        ("net.connect:db:1@[fd00::/8]", "net.connect:db:1@[fd00::/8]"),
        (
            "net.connect:*.example.com:443",
            "net.connect:*.example.com:443",
        ),
        (
            "net.connect:'*.example.com:443'",
            "net.connect:*.example.com:443",
        ),
        (
            "net.connect:[2001:DB8:0::1]:443",
            "net.connect:[2001:db8::1]:443",
        ),
        ("net.connect:[fd00::/8]:443", "net.connect:[fd00::/8]:443"),
        ("net.connect:10.0.0.1/32:22", "net.connect:10.0.0.1:22"),
        (
            "http.request:GET https://Example.com",
            "http.request:GET https://example.com/",
        ),
        (
            "http.request:GET HTTPS://example.com:443/v1/",
            "http.request:GET https://example.com/v1",
        ),
        (
            "http.request:GET http://example.com:8080/a%20b/%41",
            "http.request:GET http://example.com:8080/a%20b/A",
        ),
        (
            "http.request:GET https://[::1]:444/ü",
            "http.request:GET https://[::1]:444/%C3%BC",
        ),
        (
            "http.request:GET https://h/%2A",
            "http.request:GET https://h/%2A",
        ),
        ("env:HOME", "env:HOME"),
        ("secret:db-password", "secret:db-password"),
        ("exec:/bin/a", "exec:/bin/a"),
        (
            "exec:root@/usr/bin/systemctl  restart 'nginx'",
            "exec:root@/usr/bin/systemctl restart nginx",
        ),
        (
            "exec:/bin/a * {unit} {int} {name} {path:/srv//x/} {raw}",
            "exec:/bin/a * {unit} {int} {name} {path:/srv/x} {raw}",
        ),
        (
            "exec:/bin/a '*' \\{int} '' \"a b\"",
            "exec:/bin/a '*' '{int}' '' 'a b'",
        ),
        ("exec:'/opt/my prog' x", "exec:'/opt/my prog' x"),
        ("exec:/opt/a@b", "exec:/opt/a@b"),
        ("run.as:www-data", "run.as:www-data"),
        ("appear.root", "appear.root"),
        ("host.full", "host.full"),
    ] {
        let capability = cap(text);
        assert_eq!(capability.to_string(), canonical, "{text}");
        assert_eq!(cap(canonical), capability, "{text}");
    }
}

#[test]
fn what_is_no_capability_is_refused_with_its_reason() {
    for (text, part) in [
        ("", "is not a kind of capability"),
        ("fs.execute:/x", "`fs.execute` is not a kind"),
        ("FS.READ:/x", "is not a kind"),
        ("fs.read", "`fs.read` needs a target"),
        ("fs.read:", "`fs.read` needs a target"),
        ("fs.read:/a b", "takes one word, found 2: quote"),
        ("fs.read:'/a", "a quote is not closed"),
        ("fs.read:/a\tb", "control character U+0009"),
        ("fs.read:/a\u{85}", "control character U+0085"),
        ("fs.read:etc", "not absolute"),
        ("fs.read:/etc/../x", "segment `..`"),
        ("fs.read:/etc/*", "a path has no patterns"),
        ("fs.read:/etc/{a,b}", "a path has no patterns"),
        ("fs.read:/${x}", "`${x}` is a placeholder"),
        ("fs.read:/\\${x}", "must begin a placeholder"),
        ("net.connect:db", "expected `host:port`"),
        ("net.connect:db:0", "`0` is not a port"),
        ("net.connect:db:080", "`080` is not a port"),
        ("net.connect:db:65536", "`65536` is not a port"),
        ("net.connect:db:+1", "`+1` is not a port"),
        ("net.connect:*:443", "`*` is not a host name"),
        ("net.connect:a.*.com:443", "is not a host name"),
        ("net.connect:127.1:80", "reads like a number"),
        ("net.connect:0x7f.1:80", "reads like a number"),
        ("net.connect:010.0.0.1:80", "reads like a number"),
        ("net.connect:::1:80", "stands in brackets"),
        ("net.connect:fd00::/8:80", "stands in brackets"),
        ("net.connect:[10.0.0.1]:80", "stands in brackets"),
        ("net.connect:[::ffff:10.0.0.1]:80", "write `10.0.0.1`"),
        ("net.connect:[64:ff9b::7f00:1]:80", "write `127.0.0.1`"),
        ("net.connect:[2002:7f00:1::]:80", "write `127.0.0.1`"),
        ("net.connect:10.0.0.1/8:80", "bits behind the prefix"),
        ("net.connect:db:80@10.0.0.1", "is not a network"),
        ("net.connect:db:80@", "is not a network"),
        ("net.connect:10.0.0.1:80@private", "needs no range"),
        ("net.connect:10.0.0.0/8:80@10.0.0.0/8", "needs no range"),
        ("http.request:https://h/", "expected a method and a URL"),
        (
            "http.request:GET https://h/ x",
            "expected a method and a URL",
        ),
        ("http.request:get https://h/", "`get` is not a method"),
        ("http.request:GET ftp://h/", "begins with `https://`"),
        ("http.request:GET h/", "begins with `https://`"),
        ("http.request:GET https://u:p@h/", "user name or password"),
        ("http.request:GET https://h/?q", "query or fragment"),
        ("http.request:GET https://h/#f", "query or fragment"),
        ("http.request:GET https://h?q", "query or fragment"),
        ("http.request:GET https://*.example.com/", "not a pattern"),
        ("http.request:GET https://h/v1/../x", "segment `.` or `..`"),
        ("http.request:GET https://h/%2e%2E/x", "segment `.` or `..`"),
        ("http.request:GET https://h//x", "empty segment"),
        ("http.request:GET https://h/a%2fb", "must not have slashes"),
        ("http.request:GET https://h/a\\\\b", "must not have slashes"),
        ("http.request:GET https://h/a%5cb", "must not have slashes"),
        ("http.request:GET https://h/a%00", "must not have slashes"),
        ("http.request:GET https://h/a%2", "percent-encoded"),
        ("http.request:GET https://h/a%zz", "percent-encoded"),
        ("http.request:GET https://h/%ff", "percent-encoded"),
        ("http.request:GET https://h/v1/*", "a URL has no patterns"),
        ("http.request:GET https:///x", "is not a host name"),
        ("env:A B", "takes one word"),
        ("env:1A", "is not a variable name"),
        ("env:*", "is not a variable name"),
        ("secret:../x", "is not a secret name"),
        ("exec:", "`exec` needs a target"),
        ("exec:systemctl", "not absolute"),
        ("exec:/", "expected a program's absolute path"),
        ("exec:root@systemctl", "not absolute"),
        ("exec:@/bin/a", "user name is empty"),
        ("exec:0@/bin/a", "is not a user name"),
        ("exec:/bin/*", "is not a pattern"),
        ("exec:/bin/a x*", "`x*` is not a pattern"),
        ("exec:/bin/a {int}x", "is not a pattern"),
        ("exec:/bin/a {\"int\"}", "is not a pattern"),
        ("exec:/bin/a {uint}", "is not a pattern"),
        ("exec:/bin/a {path:srv}", "not absolute"),
        ("exec:/bin/a {path:}", "path pattern may have only"),
        ("exec:/bin/a {path:/a/../b}", "segment `..`"),
        (
            "exec:/bin/a 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
            "at most 16",
        ),
        ("run.as:root", "never means root"),
        ("run.as:0", "is not a user name"),
        ("appear.root:", "takes no target"),
        ("host.full:yes", "takes no target"),
    ] {
        let error = text.parse::<Capability>().expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn a_capability_has_a_greatest_length() {
    let argument = "a".repeat(ARGUMENT_BYTES_MAX);
    assert!(
        format!("exec:/bin/a {argument}")
            .parse::<Capability>()
            .is_ok()
    );
    assert_eq!(
        format!("exec:/bin/a {argument}a").parse::<Capability>(),
        Err(CapabilityError::Exec(ExecError::LongArgument))
    );
    let path = format!("fs.read:/{}", "a".repeat(CAPABILITY_BYTES_MAX));
    assert_eq!(path.parse::<Capability>(), Err(CapabilityError::TooLong));
    // Each quote becomes four characters when printed.
    let quotes = format!("exec:/bin/a \"{}\"", "'".repeat(3000));
    assert_eq!(quotes.parse::<Capability>(), Err(CapabilityError::TooLong));
}

#[test]
fn the_dangerous_ones_are_told_apart() {
    for text in [
        "host.full",
        "run.as:www-data",
        "exec:root@/b/a",
        "exec:/b/a {raw}",
    ] {
        assert!(cap(text).is_dangerous(), "{text}");
    }
    for text in [
        "fs.write:/",
        "appear.root",
        "exec:/b/a *",
        "exec:www@/b/a",
        "exec:/b/a '{raw}'",
        "net.connect:a:1@private",
    ] {
        assert!(!cap(text).is_dangerous(), "{text}");
    }
}

#[test]
fn patterns_match_one_argument_each() {
    let patterns = |word: &str| ArgumentPattern::read(word).unwrap().unwrap();
    for (pattern, good, bad) in [
        (
            "*",
            vec!["nginx", "a b", "a/b", "ü", "a=-x"],
            vec![
                "", "-x", "/etc", "a*", "a?", "[a]", "{a}", "a\nb", "..", "../etc", "a/../b", "./a",
            ],
        ),
        (
            "{unit}",
            vec![
                "nginx",
                "getty@tty1.service",
                r"dev-disk-by\x2did.mount",
                "0",
            ],
            vec!["", "-x", ".x", "@x", "a b", "a/b", "nginx*", "a\n", r"\x"],
        ),
        (
            "{int}",
            vec!["0", "007", "9999999999999999999"],
            vec!["", "-1", "+1", "1.0", "1e3", "٣", "99999999999999999999"],
        ),
        (
            "{name}",
            vec!["a", "a.b-c_d", "_x", "0"],
            vec!["", "-a", ".a", "a@b", "a/b", "a b", "é"],
        ),
        (
            "{path:/srv/www}",
            vec!["/srv/www", "/srv/www/a b/c"],
            vec![
                "",
                "/srv",
                "/srv/wwwx",
                "/srv/www/../x",
                "/srv/www/",
                "/srv/www//a",
                "/srv/www/*",
                "srv/www",
                "/srv/www/a\n",
            ],
        ),
        ("{raw}", vec!["", "-x", "/etc", "a\nb", "*"], vec!["a\0b"]),
    ] {
        let pattern = patterns(pattern);
        for argument in good {
            assert!(pattern.matches(argument), "{pattern} matches {argument:?}");
        }
        for argument in bad {
            assert!(!pattern.matches(argument), "{pattern} refuses {argument:?}");
        }
        assert!(
            !pattern.matches(&"1".repeat(ARGUMENT_BYTES_MAX + 1)),
            "{pattern} refuses what is long"
        );
    }
}

#[test]
fn a_command_matches_its_program_and_every_argument() {
    let Capability::Exec(command) = cap("exec:root@/bin/tar xf {path:/srv} ''") else {
        panic!("not a command")
    };
    assert!(command.matches(&["/bin/tar", "xf", "/srv/a.tar", ""]));
    assert!(!command.matches(&["/bin/tar", "xf", "/srv/a.tar"]));
    assert!(!command.matches(&[
        "/bin/tar",
        "xf",
        "/srv/a.tar",
        "",
        "--checkpoint-action=exec=id"
    ]));
    assert!(!command.matches(&["/bin/tar", "cf", "/srv/a.tar", ""]));
    assert!(!command.matches(&["tar", "xf", "/srv/a.tar", ""]));
    assert!(!command.matches::<&str>(&[]));
}

#[test]
fn endpoints_admit_addresses_by_their_range() {
    for (endpoint, good, bad) in [
        (
            "a:1",
            vec!["8.8.8.8", "64:ff9b::808:808"],
            vec![
                "10.0.0.1",
                "127.0.0.1",
                "::ffff:10.0.0.1",
                "0.0.0.0",
                "64:ff9b::a00:1",
            ],
        ),
        (
            "a:1@private",
            vec!["10.0.0.1", "fd00::1", "::ffff:10.0.0.1"],
            vec!["8.8.8.8", "127.0.0.1", "fd00:ec2::254"],
        ),
        (
            "a:1@10.0.0.0/8",
            vec!["10.0.0.1", "::ffff:10.0.0.1"],
            vec!["8.8.8.8", "192.168.0.1"],
        ),
        ("a:1@127.0.0.0/8", vec![], vec!["127.0.0.1"]),
        ("a:1@127.0.0.1/32", vec!["127.0.0.1"], vec!["127.0.0.2"]),
        (
            "127.0.0.1:1",
            vec!["127.0.0.1", "::ffff:127.0.0.1"],
            vec!["127.0.0.2"],
        ),
        (
            "0.0.0.0/0:1",
            vec!["8.8.8.8"],
            vec!["10.0.0.1", "169.254.169.254"],
        ),
        ("10.0.0.0/8:1", vec!["10.0.0.1"], vec!["8.8.8.8"]),
    ] {
        let Capability::NetConnect(parsed) = cap(&format!("net.connect:{endpoint}")) else {
            panic!("not an endpoint")
        };
        assert_eq!(endpoint.parse(), Ok(parsed.clone()));
        for address in good {
            assert!(
                parsed.admits(address.parse().unwrap()),
                "{endpoint} admits {address}"
            );
        }
        for address in bad {
            assert!(
                !parsed.admits(address.parse().unwrap()),
                "{endpoint} refuses {address}"
            );
        }
    }
}

#[test]
fn requests_are_compared_by_parsed_parts() {
    let Capability::HttpRequest(target) = cap("http.request:GET https://api.example.com/v1") else {
        panic!("not http")
    };
    for url in [
        "https://api.example.com/v1",
        "https://API.example.com:443/v1/",
        "https://api.example.com/v1/items?q=../x",
        "https://api.example.com/%761/x",
    ] {
        assert!(target.permits("GET", url), "{url}");
    }
    for url in [
        "https://api.example.com/v1/../x",
        "https://api.example.com/v1/%2e%2e/x",
        "https://api.example.com//v1",
        "https://api.example.com/v1//x",
        "https://api.example.com/v10",
        "https://api.example.com.evil.com/v1",
        "https://u@api.example.com/v1",
        "https://evil.com\\@api.example.com/v1",
        "https://api.example.com/v1#x",
        "http://api.example.com/v1",
        "https://api.example.com:80/v1",
        "/v1",
        "",
    ] {
        assert!(!target.permits("GET", url), "{url}");
    }
    assert!(!target.permits("POST", "https://api.example.com/v1"));
    assert!(!target.permits("get", "https://api.example.com/v1"));
}

#[test]
fn a_capability_travels_as_its_canonical_text() {
    let capability: Capability = serde_json::from_str("\"fs.read:/etc/\"").unwrap();
    assert_eq!(
        serde_json::to_string(&capability).unwrap(),
        "\"fs.read:/etc\""
    );
    assert!(serde_json::from_str::<Capability>("\"fs.read:etc\"").is_err());
}

proptest! {
    #[test]
    fn quoted_literals_survive_printing(argument in "[^\\p{Cc}]{0,20}") {
        prop_assume!(!argument.contains("${"));
        let command = Command::new(None, "/b".parse().unwrap(), vec![ArgumentPattern::Literal(argument)]).unwrap();
        let capability = Capability::Exec(command);
        prop_assert_eq!(capability.to_string().parse(), Ok(capability));
    }

    #[test]
    fn url_segments_survive_printing(segment in "[^\\p{Cc}/\\\\]{1,12}") {
        prop_assume!(!matches!(segment.as_str(), "." | ".."));
        let Capability::HttpRequest(mut target) = cap("http.request:GET https://h/") else { unreachable!() };
        target.segments.push(segment);
        let capability = Capability::HttpRequest(target);
        prop_assert_eq!(capability.to_string().parse(), Ok(capability));
    }

    #[test]
    fn no_text_makes_the_parser_panic(kind in "(fs\\.read|net\\.connect|http\\.request|exec|env|run\\.as)", text in "[a/:@*{}$\\[\\]\"'\\\\ .%0-9é?#-]{0,40}") {
        if let Ok(capability) = format!("{kind}:{text}").parse::<Capability>() {
            prop_assert_eq!(capability.to_string().parse(), Ok(capability));
        }
    }
}
