use super::*;

fn target(kind: &str, id: &str) -> Target {
    Target::read(kind, id).unwrap()
}

#[test]
fn names_in_rules_are_canonical_or_refused() {
    for (kind, id, wrong) in [
        (PATH, "/etc/app/", "write it as `/etc/app`"),
        (PATH, "etc", "not absolute"),
        (
            PROGRAM,
            "/usr/bin/systemctl  stop",
            "write it as `/usr/bin/systemctl stop`",
        ),
        (
            ENDPOINT,
            "DB.internal:5432",
            "write it as `db.internal:5432`",
        ),
        (URL, "https://h/a/", "write it as `https://h/a`"),
        (TASK, "service::init", "write it as `service`"),
        (TASK, "adhoc:12", "not a task name"),
        (ENV_VAR, "A-B", "not a variable name"),
    ] {
        let error = Target::read(kind, id).unwrap_err();
        assert!(error.contains(wrong), "{id}: {error}");
    }
    for (kind, id) in [
        (PATH, "/"),
        (PATH, "/a b/ü"),
        (ENDPOINT, "*.example.com"),
        (ENDPOINT, "[fd00::/8]:443"),
        (ENDPOINT, "db.internal:5432@private"),
        (PROGRAM, "/usr/bin/systemctl restart {unit}"),
        (PROGRAM, "root@/usr/bin/systemctl"),
        (URL, "https://h/a%20b"),
        (MODULE, "service"),
        (USER, "www-data"),
    ] {
        assert_eq!(target(kind, id).id(), id);
    }
}

#[test]
fn a_program_covers_what_begins_with_its_arguments() {
    let covers = |mine: &str, theirs: &str| target(PROGRAM, mine).covers(&target(PROGRAM, theirs));
    assert!(covers("/bin/s", "/bin/s stop sshd"));
    assert!(covers("/bin/s stop", "/bin/s stop sshd"));
    assert!(covers("/bin/s stop {unit}", "/bin/s stop sshd"));
    assert!(!covers("/bin/s stop", "/bin/s 'stop sshd'"));
    assert!(!covers("/bin/s stop sshd", "/bin/s stop"));
    assert!(!covers("/bin/s stop sshd", "/bin/s stop *"));
    assert!(!covers("/bin/s stop sshd", "/bin/s stop sshdx"));
    assert!(
        !covers("/bin/s", "root@/bin/s"),
        "a permit is for the user that it names"
    );
    assert!(covers("root@/bin/s", "root@/bin/s stop"));
}

#[test]
fn what_may_lie_in_both_meets() {
    for (kind, one, other, meet) in [
        (PATH, "/etc", "/", true),
        (PATH, "/etc", "/etc/app", true),
        (PATH, "/etc", "/etcetera", false),
        (PROGRAM, "/bin/s stop sshd", "/bin/s * sshd", true),
        (PROGRAM, "/bin/s stop sshd", "/bin/s stop {int}", false),
        (PROGRAM, "/bin/s stop", "root@/bin/s stop sshd", true),
        (PROGRAM, "git@/bin/s stop", "root@/bin/s stop sshd", false),
        (PROGRAM, "/bin/s stop sshd", "/bin/s stop", false),
        (PROGRAM, "/bin/s {path:/a}", "/bin/s {path:/a/b}", true),
        (PROGRAM, "/bin/s {path:/a}", "/bin/s {path:/c}", false),
        (ENDPOINT, "a.example.com", "*.example.com:443", true),
        (ENDPOINT, "a.example.com:22", "*.example.com:443", false),
        (ENDPOINT, "169.254.0.0/16", "169.254.169.254:80", true),
        (ENDPOINT, "10.1.0.0/16", "10.0.0.0/8:443", true),
        (ENDPOINT, "[fd00::/8]", "10.0.0.0/8:443", false),
        (ENDPOINT, "db.internal", "db.internal:5432@private", true),
        (URL, "https://h/a/b", "https://h/a", true),
        (URL, "https://h/a/b", "http://h/a", false),
    ] {
        assert_eq!(
            target(kind, one).meets(&target(kind, other)),
            meet,
            "{one} and {other}"
        );
    }
}

#[test]
fn a_permit_of_a_name_does_not_open_private_addresses() {
    let covers =
        |mine: &str, theirs: &str| target(ENDPOINT, mine).covers(&target(ENDPOINT, theirs));
    assert!(covers("db.internal", "db.internal:5432"));
    assert!(!covers("db.internal", "db.internal:5432@private"));
    assert!(covers(
        "db.internal:5432@private",
        "db.internal:5432@10.0.0.0/8"
    ));
    assert!(!covers("0.0.0.0/0", "127.0.0.1:80"));
}
