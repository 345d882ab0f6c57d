use crate::lab::{check, request, set, try_set};

const RUN: &str = "@id(\"run\") permit (principal, action == Action::\"run\", resource);\n";

fn with_run(rules: &str) -> String {
    format!("{RUN}{rules}")
}

#[test]
fn what_no_rule_permits_is_refused() {
    check(
        "@id(\"ops\") permit (principal in Group::\"ops\", action == Action::\"run\", resource in Module::\"service\");",
        "mallory service",
        &["refused", "the run: no"],
    );
    check(
        "@id(\"ops\") permit (principal in Group::\"ops\", action == Action::\"run\", resource in Module::\"service\");",
        "alice disk",
        &["refused", "the run: no"],
    );
}

#[test]
fn a_group_of_a_group_counts() {
    check(
        "@id(\"ops\") permit (principal in Group::\"ops\", action == Action::\"run\", resource in Module::\"service\");",
        "carol service::report",
        &["allowed", "the run: by ops"],
    );
}

#[test]
fn a_forbid_outweighs_every_permit() {
    check(
        &with_run(
            "@id(\"never\") forbid (principal, action == Action::\"run\", resource == Task::\"disk::wipe\");",
        ),
        "alice disk::wipe",
        &["refused", "the run: forbidden by never"],
    );
}

#[test]
fn a_required_ask_refuses_and_an_optional_one_is_dropped() {
    let rules = with_run(
        "@id(\"log\") permit (principal, action == Action::\"fs.read\", resource in Path::\"/var/log\");",
    );
    check(
        &rules,
        "alice service asks fs.read:/var/log/nginx, ?fs.read:/etc",
        &[
            "allowed",
            "the run: by run",
            "fs.read:/var/log/nginx: by log",
            "fs.read:/etc: no",
        ],
    );
    check(
        &rules,
        "alice service asks ?fs.read:/var/log/nginx, fs.read:/etc",
        &[
            "refused",
            "the run: by run",
            "fs.read:/var/log/nginx: by log",
            "fs.read:/etc: no",
        ],
    );
}

#[test]
fn a_path_means_its_subtree_and_no_name_that_only_begins_like_it() {
    let rules = with_run(
        "@id(\"etc\") permit (principal, action == Action::\"fs.read\", resource in Path::\"/etc/app\");",
    );
    check(
        &rules,
        "alice service asks fs.read:/etc/app",
        &["allowed", "the run: by run", "fs.read:/etc/app: by etc"],
    );
    check(
        &rules,
        "alice service asks fs.read:/etc/apple",
        &["refused", "the run: by run", "fs.read:/etc/apple: no"],
    );
    check(
        &rules,
        "alice service asks fs.read:/etc",
        &["refused", "the run: by run", "fs.read:/etc: no"],
    );
}

#[test]
fn a_name_in_a_condition_means_what_it_means_in_a_scope() {
    let rules = with_run(
        "@id(\"srv\") permit (principal, action == Action::\"fs.read\", resource in Path::\"/srv\") unless { resource in Path::\"/srv/keys\" };
         @id(\"log\") permit (principal, action == Action::\"fs.read\", resource) when { resource in Path::\"/var/log\" };
         @id(\"net\") permit (principal, action == Action::\"net.connect\", resource) when { resource in Endpoint::\"*.internal\" };",
    );
    for (ask, answer) in [
        ("fs.read:/srv/app", "by srv"),
        ("fs.read:/srv/keys", "no"),
        ("fs.read:/srv/keys/db.pem", "no"),
        ("fs.read:/var/log/nginx/error.log", "by log"),
        ("fs.read:/var/lib", "no"),
        ("net.connect:db.internal:5432", "by net"),
        ("net.connect:db.external:5432", "no"),
    ] {
        let word = if answer == "no" { "refused" } else { "allowed" };
        check(
            &rules,
            &format!("alice service asks {ask}"),
            &[word, "the run: by run", &format!("{ask}: {answer}")],
        );
    }
}

#[test]
fn a_forbid_inside_a_broad_ask_to_read_is_hidden_from_it() {
    let rules = with_run(
        "@id(\"all\") permit (principal, action == Action::\"fs.read\", resource);
         @id(\"shadow\") forbid (principal, action == Action::\"fs.read\", resource in Path::\"/etc/shadow\");
         @id(\"night\") forbid (principal in Group::\"night\", action == Action::\"fs.read\", resource == Path::\"/etc/ssl\");",
    );
    check(
        &rules,
        "alice service asks fs.read:/",
        &[
            "allowed",
            "the run: by run",
            "fs.read:/: by all but fs.read:/etc/shadow (shadow)",
        ],
    );
    check(
        &rules,
        "carol service asks fs.read:/etc",
        &[
            "allowed",
            "the run: by run",
            "fs.read:/etc: by all but fs.read:/etc/shadow (shadow) but fs.read:/etc/ssl (night)",
        ],
    );
    check(
        &rules,
        "alice service asks fs.read:/etc/shadow",
        &[
            "refused",
            "the run: by run",
            "fs.read:/etc/shadow: forbidden by shadow",
        ],
    );
}

#[test]
fn a_forbid_inside_a_broad_ask_to_write_refuses_it() {
    let rules = with_run(
        "@id(\"all\") permit (principal, action == Action::\"fs.write\", resource);
         @id(\"etc\") forbid (principal, action == Action::\"fs.write\", resource in Path::\"/etc\");",
    );
    check(
        &rules,
        "alice service asks fs.write:/",
        &[
            "refused",
            "the run: by run",
            "fs.write:/: forbidden by etc inside: /etc",
        ],
    );
    check(
        &rules,
        "alice service asks fs.write:/srv",
        &["allowed", "the run: by run", "fs.write:/srv: by all"],
    );
}

#[test]
fn who_may_write_may_read_so_a_forbid_to_read_counts_for_writing() {
    let rules = with_run(
        "@id(\"all\") permit (principal, action == Action::\"fs.write\", resource);
         @id(\"keys\") forbid (principal, action == Action::\"fs.read\", resource in Path::\"/srv/keys\");",
    );
    check(
        &rules,
        "alice service asks fs.write:/srv/keys/a",
        &[
            "refused",
            "the run: by run",
            "fs.write:/srv/keys/a: forbidden by keys",
        ],
    );
    check(
        &rules,
        "alice service asks fs.write:/srv",
        &[
            "refused",
            "the run: by run",
            "fs.write:/srv: forbidden by keys inside: /srv/keys",
        ],
    );
}

#[test]
fn a_command_as_root_is_permitted_by_its_own_name_only() {
    let rules = with_run(
        "@id(\"exec\") permit (principal, action == Action::\"exec\", resource);
         @id(\"cap\") permit (principal, action in Action::\"capability\", resource);
         @id(\"root\") permit (principal, action == Action::\"exec.root\", resource in Program::\"root@/usr/bin/systemctl restart\");",
    );
    check(
        &rules,
        "alice service asks exec:root@/usr/bin/systemctl restart nginx",
        &[
            "allowed",
            "the run: by run",
            "exec:root@/usr/bin/systemctl restart nginx: by root",
        ],
    );
    check(
        &rules,
        "alice service asks exec:root@/usr/bin/systemctl stop nginx",
        &[
            "refused",
            "the run: by run",
            "exec:root@/usr/bin/systemctl stop nginx: no",
        ],
    );
    check(
        &rules,
        "alice service asks exec:/usr/bin/id {raw}",
        &["refused", "the run: by run", "exec:/usr/bin/id {raw}: no"],
    );
    check(
        &rules,
        "alice service asks exec:/usr/bin/id",
        &[
            "allowed",
            "the run: by run",
            "exec:/usr/bin/id: by cap and exec",
        ],
    );
}

#[test]
fn a_forbid_of_a_command_counts_for_root_too_and_inside_patterns() {
    let rules = with_run(
        "@id(\"root\") permit (principal, action == Action::\"exec.root\", resource in Program::\"root@/usr/bin/systemctl\");
         @id(\"never-stop-ssh\") forbid (principal, action == Action::\"exec\", resource in Program::\"/usr/bin/systemctl stop sshd\");",
    );
    check(
        &rules,
        "alice service asks exec:root@/usr/bin/systemctl stop sshd",
        &[
            "refused",
            "the run: by run",
            "exec:root@/usr/bin/systemctl stop sshd: forbidden by never-stop-ssh",
        ],
    );
    check(
        &rules,
        "alice service asks exec:root@/usr/bin/systemctl {name} {unit}",
        &[
            "refused",
            "the run: by run",
            "exec:root@/usr/bin/systemctl {name} {unit}: forbidden by never-stop-ssh inside: /usr/bin/systemctl stop sshd",
        ],
    );
    check(
        &rules,
        "alice service asks exec:root@/usr/bin/systemctl stop {int}",
        &[
            "allowed",
            "the run: by run",
            "exec:root@/usr/bin/systemctl stop {int}: by root",
        ],
    );
}

#[test]
fn what_is_dangerous_is_in_no_group_of_capabilities() {
    let rules =
        with_run("@id(\"cap\") permit (principal, action in Action::\"capability\", resource);");
    for ask in [
        "host.full",
        "run.as:www-data",
        "exec:root@/bin/ls",
        "exec:/bin/ls {raw}",
    ] {
        check(
            &rules,
            &format!("alice service asks {ask}"),
            &["refused", "the run: by run", &format!("{ask}: no")],
        );
    }
    check(
        &rules,
        "alice service asks appear.root",
        &["allowed", "the run: by run", "appear.root: by cap"],
    );
}

#[test]
fn without_a_jail_everything_that_is_forbidden_would_be_open() {
    let full = "@id(\"full\") permit (principal, action == Action::\"host.full\", resource == Task::\"rescue\");\n";
    let asked = "alice rescue asks host.full";
    check(
        &with_run(full),
        asked,
        &["allowed", "the run: by run", "host.full: by full"],
    );
    for (forbid, inside) in [
        (
            "forbid (principal, action == Action::\"fs.read\", resource in Path::\"/srv/keys\");",
            "fs.read:/srv/keys",
        ),
        (
            "forbid (principal, action == Action::\"net.connect\", resource);",
            "net.connect",
        ),
        (
            "forbid (principal, action == Action::\"net.connect\", resource) when { resource.port == 22 };",
            "net.connect",
        ),
    ] {
        check(
            &with_run(&format!("{full}@id(\"no\") {forbid}")),
            asked,
            &[
                "refused",
                "the run: by run",
                &format!("host.full: forbidden by no inside: {inside}"),
            ],
        );
    }
    check(
        &with_run(&format!(
            "{full}@id(\"no\") forbid (principal, action == Action::\"fs.read\", resource) when {{ context.task == Task::\"disk\" }};"
        )),
        asked,
        &["allowed", "the run: by run", "host.full: by full"],
    );
}

#[test]
fn addresses_behind_a_name_are_left_out_and_networks_refused() {
    let rules = with_run(
        "@id(\"net\") permit (principal, action == Action::\"net.connect\", resource);
         @id(\"no\") forbid (principal, action == Action::\"net.connect\", resource in Endpoint::\"8.8.8.0/24\");
         @id(\"evil\") forbid (principal, action == Action::\"net.connect\", resource in Endpoint::\"evil.example.com\");",
    );
    check(
        &rules,
        "alice service asks net.connect:db.internal:5432",
        &[
            "allowed",
            "the run: by run",
            "net.connect:db.internal:5432: by net but net.connect:8.8.8.0/24:5432 (no)",
        ],
    );
    check(
        &rules,
        "alice service asks net.connect:8.8.8.8:53",
        &[
            "refused",
            "the run: by run",
            "net.connect:8.8.8.8:53: forbidden by no",
        ],
    );
    check(
        &rules,
        "alice service asks net.connect:8.0.0.0/8:53",
        &[
            "refused",
            "the run: by run",
            "net.connect:8.0.0.0/8:53: forbidden by no inside: 8.8.8.0/24",
        ],
    );
    check(
        &rules,
        "alice service asks net.connect:*.example.com:443",
        &[
            "refused",
            "the run: by run",
            "net.connect:*.example.com:443: forbidden by evil inside: evil.example.com",
        ],
    );
}

#[test]
fn a_request_by_url_is_forbidden_with_its_connection() {
    let rules = with_run(
        "@id(\"api\") permit (principal, action == Action::\"http.request\", resource in Url::\"https://api.example.com/v1\") when { resource.method == \"GET\" };
         @id(\"no\") forbid (principal, action == Action::\"net.connect\", resource in Endpoint::\"*.example.com:8443\");",
    );
    check(
        &rules,
        "alice service asks http.request:GET https://api.example.com/v1/x",
        &[
            "allowed",
            "the run: by run",
            "http.request:GET https://api.example.com/v1/x: by api",
        ],
    );
    check(
        &rules,
        "alice service asks http.request:POST https://api.example.com/v1/x",
        &[
            "refused",
            "the run: by run",
            "http.request:POST https://api.example.com/v1/x: no",
        ],
    );
    let on_port = rules.replace(
        "Url::\"https://api.example.com/v1\"",
        "Url::\"https://api.example.com:8443/\"",
    );
    check(
        &on_port,
        "alice service asks http.request:GET https://api.example.com:8443/v1",
        &[
            "refused",
            "the run: by run",
            "http.request:GET https://api.example.com:8443/v1: forbidden by no",
        ],
    );
}

/// An entity has one method, and the first ask's was taken for all.
#[test]
fn each_ask_of_one_url_is_judged_by_its_own_method() {
    let rules = with_run(
        "@id(\"get\") permit (principal, action == Action::\"http.request\", resource) when { resource.method == \"GET\" };",
    );
    let (get, post) = (
        "http.request:GET https://h/x",
        "http.request:POST https://h/x",
    );
    check(
        &rules,
        &format!("alice service asks {get}, {post}"),
        &[
            "refused",
            "the run: by run",
            &format!("{get}: by get"),
            &format!("{post}: no"),
        ],
    );
}

#[test]
fn an_optional_ask_that_cannot_be_judged_refuses_the_run() {
    let rules = with_run(
        "@id(\"read\") permit (principal, action == Action::\"fs.read\", resource);
         @id(\"over\") forbid (principal, action == Action::\"fs.read\", resource) when { context.limits.memory * 9223372036854775807 > 1 };",
    );
    let set = set(&rules);
    let decided = set.decide(&request("alice service asks ?fs.read:/etc"));
    assert!(matches!(decided.decision, host_core::Decision::Refused(_)));
}

#[test]
fn rules_see_input_facts_limits_node_bundle_and_time() {
    for (condition, holds) in [
        (
            "context.input.hasTag(\"action\") && context.input.getTag(\"action\") == \"restart\"",
            true,
        ),
        (
            "context.input.numbers.hasTag(\"count\") && context.input.numbers.getTag(\"count\") <= 3",
            true,
        ),
        (
            "context.input.lists.hasTag(\"hosts\") && context.input.lists.getTag(\"hosts\").contains(\"b\")",
            true,
        ),
        ("context.input.hasTag(\"absent\")", false),
        (
            "context.facts.hasTag(\"os.family\") && context.facts.getTag(\"os.family\") == \"Debian\"",
            true,
        ),
        (
            "context.facts.numbers.hasTag(\"cpus\") && context.facts.numbers.getTag(\"cpus\") > 4",
            false,
        ),
        (
            "context.facts.lists.hasTag(\"disks\") && context.facts.lists.getTag(\"disks\").contains(\"sda\")",
            true,
        ),
        (
            "context.node.name == \"web-01\" && context.node.groups.contains(\"web\") && context.node.classes.contains(\"nginx\")",
            true,
        ),
        (
            "context.limits.wall <= 600000 && context.limits.memory == 536870912",
            true,
        ),
        (
            "context.bundle.signers.contains(\"release@example.com\") && context.bundle.version like \"1.*\"",
            true,
        ),
        (
            "context.utc.weekday == \"fri\" && context.utc.hour == 14 && context.utc.minute == 30",
            true,
        ),
        (
            "context.time < datetime(\"2026-12-01\") && context.time >= datetime(\"2026-11-27T14:30:00Z\")",
            true,
        ),
        (
            "context.walls.landlock >= 7 && context.walls.own_user && !context.noop && context.reason == \"\"",
            true,
        ),
        (
            "principal.name like \"al*\" && resource.name == \"service\"",
            true,
        ),
    ] {
        let rules = format!(
            "@id(\"r\") permit (principal, action == Action::\"run\", resource) when {{ {condition} }};"
        );
        let answer = if holds {
            ["allowed", "the run: by r"]
        } else {
            ["refused", "the run: no"]
        };
        check(
            &rules,
            "alice service action=restart count=2 hosts=[\"a\",\"b\"]",
            &answer,
        );
    }
}

#[test]
fn a_rule_that_cannot_be_evaluated_refuses_and_is_named() {
    check(
        &with_run(
            "@id(\"over\") forbid (principal, action == Action::\"run\", resource) when { context.limits.memory * 9223372036854775807 > 1 };",
        ),
        "alice service",
        &[
            "refused",
            "the run: failed over: integer overflow while attempting to multiply the values `536870912` and `9223372036854775807`",
        ],
    );
}

#[test]
fn a_program_without_a_bundle_is_another_question() {
    let digest = "07".repeat(32);
    check(
        &with_run(
            "@id(\"adhoc\") permit (principal == Caller::\"alice\", action == Action::\"run.adhoc\", resource);",
        ),
        &format!("alice adhoc:{digest}"),
        &["allowed", "the run: by adhoc"],
    );
    check(
        RUN,
        &format!("alice adhoc:{digest}"),
        &["refused", "the run: no"],
    );
}

#[test]
fn a_request_survives_being_written_and_read() {
    let request = request("alice service action=restart asks fs.read:/etc, ?exec:root@/bin/ls");
    let text = serde_json::to_string(&request).unwrap();
    let read: crate::Request = serde_json::from_str(&text).unwrap();
    assert_eq!(read, request);
    assert!(serde_json::from_str::<crate::Request>(&text.replacen('{', "{\"x\":1,", 1)).is_err());
}

/// Requests are not checked against the schema when they are asked, so their shape is checked here.
#[test]
fn what_cedar_is_told_fits_the_schema() {
    let set = set(
        "permit (principal, action, resource) when { context.input.hasTag(\"a\") && context.facts.hasTag(\"cpus\") && context.input.hasTag(\"l\") };",
    );
    let text = "alice service a=1 l=[1] asks fs.read:/etc, fs.write:/srv, net.connect:10.0.0.1:80, net.connect:a.b:80@private, http.request:GET https://h/a, unix.connect:/run/s, env:LANG, secret:s, exec:/bin/ls -l *, exec:root@/bin/ls {raw}, run.as:www-data, appear.root, host.full";
    crate::world::fits_schema(&set, &request(text));
    crate::world::fits_schema(&set, &request(&format!("alice adhoc:{}", "07".repeat(32))));
}

#[test]
fn sets_that_cannot_be_used_say_where() {
    for (rules, wrong) in [
        (
            "permit (principal, action, resource)",
            "set.cedar:1: unexpected end of input",
        ),
        (
            "\npermit (principal, action == Action::\"fly\", resource);",
            "set.cedar:2: unrecognized action `Action::\"fly\"`",
        ),
        (
            "permit (principal, action == Action::\"run\", resource)\nwhen { context.tsk == resource };",
            "set.cedar:2: attribute `tsk`",
        ),
        (
            "permit (principal, action == Action::\"run\", resource) when { context.limits.wall == \"1\" };",
            "set.cedar:1: the types Long and String are not compatible",
        ),
        (
            "permit (principal, action == Action::\"run\", resource) when { context.input.getTag(\"a\") == \"b\" };",
            "set.cedar:1: unable to guarantee safety of access to tag",
        ),
        (
            "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);",
            "set.cedar:2: the id `a` is used twice; the other rule is at set.cedar:1",
        ),
        (
            "@id(\"a b\") permit (principal, action, resource);",
            "set.cedar:1: `a b` is no id of a rule",
        ),
        (
            "permit (principal == ?principal, action, resource);",
            "set.cedar:1: expected a static policy",
        ),
        (
            "permit (principal, action == Action::\"fs.read\", resource in Path::\"/etc/\");",
            "write it as `/etc`",
        ),
        (
            "permit (principal, action == Action::\"run\", resource) when { context.task == Task::\"a::init\" };",
            "write it as `a`",
        ),
        (
            "forbid (principal, action == Action::\"fs.write\", resource) when { resource.path like \"/etc/*\" };",
            "set.cedar:1: this forbid names its target in a condition (resource.path)",
        ),
        (
            "forbid (principal, action, resource) when { resource in Path::\"/etc\" };",
            "this forbid names its target in a condition",
        ),
        (
            "forbid (principal, action == Action::\"capability\", resource);",
            "policy is impossible",
        ),
        (
            "forbid (principal in Group::\"nobody\", action, resource);",
            "there is no group `nobody`, so this forbids nothing to anybody",
        ),
        (
            "forbid (principal, action in [Action::\"fs.read\", Action::\"exec\"], resource in Path::\"/etc\");",
            "`exec` is about a Program, never about a Path",
        ),
        (
            "permit (principal, action, resource) when { context.predicates.contains(\"x\") };",
            "there is no predicate `x`",
        ),
        (
            "permit (principal, action, resource) when { [\"x\"].containsAny(context.predicates) };",
            "there is no predicate `x`",
        ),
        (
            "forbid (principal, action == Action::\"run\", resource) when { principal in Group::\"nobody\" };",
            "there is no group `nobody`, so this forbids nothing to anybody",
        ),
        (
            "forbid (principal, action == Action::\"net.connect\", resource) when { resource.range == \"10.0.0.0/8\" };",
            "this forbid names its target in a condition (resource.range)",
        ),
        (
            "forbid (principal, action == Action::\"exec\", resource in Program::\"/bin/s stop\") when { resource.exact };",
            "this forbid names its target in a condition (resource.exact)",
        ),
        (
            "permit (principal, action == Action::\"run\", resource) when { context.input.hasTag(context.reason) && context.input.numbers.hasTag(context.reason) };",
            "this asks for a number whose name it does not say",
        ),
        ("", "no rule here"),
    ] {
        let error = match try_set(rules) {
            Err(error) => error,
            Ok(set) if rules.is_empty() && set.rules().is_empty() => continue,
            Ok(_) => panic!("{rules} was taken"),
        };
        assert!(error.contains(wrong), "{rules}\n{error}");
    }
}

#[test]
fn a_forbid_may_ask_for_what_is_the_same_for_all_of_an_ask() {
    let rules = with_run(
        "@id(\"net\") permit (principal, action == Action::\"net.connect\", resource);
         @id(\"ssh\") forbid (principal, action == Action::\"net.connect\", resource) when { resource.port == 22 };",
    );
    check(
        &rules,
        "alice service asks net.connect:*.example.com:22",
        &[
            "refused",
            "the run: by run",
            "net.connect:*.example.com:22: forbidden by ssh",
        ],
    );
    check(
        &rules,
        "alice service asks net.connect:*.example.com:443",
        &[
            "allowed",
            "the run: by run",
            "net.connect:*.example.com:443: by net",
        ],
    );
}

/// What a run would read of places that it sees without asking.
#[track_caller]
fn check_unseen(rules: &str, who: &str, places: &[&str], expected: &[&str]) {
    let places: Vec<host_core::CanonicalPath> =
        places.iter().map(|place| place.parse().unwrap()).collect();
    let unseen = set(&with_run(rules)).unseen(&request(who), &places);
    let unseen: Vec<&str> = unseen.iter().map(AsRef::as_ref).collect();
    assert_eq!(unseen, expected, "{who}: {rules}");
}

#[test]
fn what_is_shown_without_asking_is_hidden_where_a_forbid_names_it() {
    let forbid = |principal: &str, resource: &str, when: &str| {
        format!(
            "@id(\"never\") forbid ({principal}, action == Action::\"fs.read\", resource{resource}){when};"
        )
    };
    let (tools, keys) = ("/srv/opt/tools", "/srv/opt/tools/keys");
    let shown = [tools, "/etc/ssl/certs"];
    let inside = forbid("principal", &format!(" in Path::\"{keys}\""), "");
    check_unseen(&inside, "alice service", &shown, &[keys]);
    let above = forbid("principal", " in Path::\"/srv/opt\"", "");
    check_unseen(&above, "alice service", &shown, &[tools]);
    let itself = forbid("principal", " == Path::\"/etc/ssl/certs\"", "");
    check_unseen(&itself, "alice service", &shown, &["/etc/ssl/certs"]);
    let of_group = forbid(
        "principal in Group::\"night\"",
        " in Path::\"/etc/ssl\"",
        "",
    );
    check_unseen(&of_group, "alice service", &shown, &[]);
    check_unseen(&of_group, "carol service", &shown, &["/etc/ssl/certs"]);
    // Only what lies above, and not what lies in it.
    check_unseen(
        &forbid("principal", " == Path::\"/srv/opt\"", ""),
        "alice service",
        &shown,
        &[],
    );
    // Nobody asks for it.
    check_unseen(&forbid("principal", "", ""), "alice service", &shown, &[]);
    let overflows = " when { context.limits.wall * 9223372036854775807 > 0 }";
    let failing = forbid("principal", &format!(" in Path::\"{keys}\""), overflows);
    check_unseen(&failing, "alice service", &shown, &[keys]);
}
