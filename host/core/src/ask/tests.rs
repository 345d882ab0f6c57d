//! What placeholders may do, and what no value can make of them.

use proptest::prelude::*;

use super::*;

/// Fills every placeholder with one answer.
fn fill(template: &str, answer: &Placeholder) -> Result<Vec<String>, FillError> {
    let template: AskTemplate = template
        .parse()
        .unwrap_or_else(|error| panic!("{template}: {error}"));
    let filled = template.fill(&|_| answer.clone())?;
    Ok(filled.iter().map(ToString::to_string).collect())
}

fn one(value: &str) -> Placeholder {
    Placeholder::One(value.to_owned())
}

#[test]
fn values_stand_where_their_placeholder_stood() {
    for (template, value, filled) in [
        ("fs.read:/var/log/${x}", "nginx", "fs.read:/var/log/nginx"),
        (
            "fs.read:/var/log/${x}.log",
            "a b",
            "fs.read:'/var/log/a b.log'",
        ),
        ("fs.read:'/var/log/${x}'", "nginx", "fs.read:/var/log/nginx"),
        ("fs.read:/${x}/${x}", "a", "fs.read:/a/a"),
        ("fs.read:/srv/${x}", "*", "fs.read:'/srv/*'"),
        ("fs.write:${x}", "/srv//www/", "fs.write:/srv/www"),
        (
            "unix.connect:${x}",
            "/run/a.sock",
            "unix.connect:/run/a.sock",
        ),
        (
            "net.connect:${x}:5432",
            "DB.internal",
            "net.connect:db.internal:5432",
        ),
        (
            "net.connect:${x}:5432",
            "fd00::1",
            "net.connect:[fd00::1]:5432",
        ),
        (
            "net.connect:${x}:5432",
            "[fd00::1]",
            "net.connect:[fd00::1]:5432",
        ),
        (
            "net.connect:${x}:5432@10.0.0.0/8",
            "db",
            "net.connect:db:5432@10.0.0.0/8",
        ),
        (
            "net.connect:${x}:5432@10.0.0.0/8",
            "10.1.2.3",
            "net.connect:10.1.2.3:5432",
        ),
        ("net.connect:db:${x}", "5432", "net.connect:db:5432"),
        (
            "http.request:GET https://${x}/v1",
            "example.com",
            "http.request:GET https://example.com/v1",
        ),
        (
            "http.request:GET https://a:${x}/v1",
            "8443",
            "http.request:GET https://a:8443/v1",
        ),
        (
            "http.request:GET https://a/v1/x-${x}",
            "ü?#%2e",
            "http.request:GET https://a/v1/x-%C3%BC%3F%23%252e",
        ),
        ("env:${x}", "HOME", "env:HOME"),
        ("secret:${x}", "db", "secret:db"),
        ("run.as:${x}", "www-data", "run.as:www-data"),
        ("exec:${x}@/b/a", "www-data", "exec:www-data@/b/a"),
        ("exec:/opt/${x}/bin/a", "1.2", "exec:/opt/1.2/bin/a"),
        (
            "exec:root@/b/systemctl restart ${x}",
            "nginx",
            "exec:root@/b/systemctl restart nginx",
        ),
        ("exec:/b/a ${x}", "*", "exec:/b/a '*'"),
        ("exec:/b/a ${x}", "{raw}", "exec:/b/a '{raw}'"),
        (
            "exec:/b/a ${x}",
            "a; rm -rf / 'b",
            "exec:/b/a 'a; rm -rf / '\\''b'",
        ),
        ("exec:/b/a --name=${x} *", "-v", "exec:/b/a --name=-v *"),
        ("exec:/b/a -- ${x}", "-v", "exec:/b/a -- -v"),
        ("exec:/b/a '--' \"${x}\"", "-v", "exec:/b/a -- -v"),
        ("exec:/b/a ${x}", "/etc/x", "exec:/b/a /etc/x"),
        ("exec:/b/a $${x}", "a", "exec:/b/a '$a'"),
    ] {
        assert_eq!(
            fill(template, &one(value)),
            Ok(vec![filled.to_owned()]),
            "{template} with {value}"
        );
    }
}

#[test]
fn values_that_do_not_fit_are_refused() {
    for (template, value, part) in [
        ("fs.read:/var/${x}", "..", "must not be `.` or `..`"),
        ("fs.read:/var/${x}", ".", "must not be `.` or `..`"),
        ("fs.read:/var/.${x}", ".", "must not be `.` or `..`"),
        ("fs.read:/var/${x}", "a/b", "must not have a slash"),
        ("fs.read:/var/${x}", "../etc", "must not have a slash"),
        ("fs.read:/var/${x}", "a\0b", "control characters"),
        ("fs.read:/var/${x}", "a\nb", "control characters"),
        ("fs.read:/var/${x}", "${y}", "must not have `${`"),
        ("fs.read:${x}", "etc", "is not an absolute path"),
        ("fs.read:${x}", "/etc/../root", "is not an absolute path"),
        ("fs.read:/${x}", &"a".repeat(4097), "is longer than"),
        ("fs.read:/${x}", &"a".repeat(4096), "path is longer than"),
        (
            "net.connect:${x}:1",
            "*.example.com",
            "is not a host name or address",
        ),
        (
            "net.connect:${x}:1",
            "10.0.0.0/8",
            "is not a host name or address",
        ),
        (
            "net.connect:${x}:1",
            "a:2@private",
            "is not a host name or address",
        ),
        (
            "net.connect:${x}:1",
            "::ffff:10.0.0.1",
            "is not a host name or address",
        ),
        (
            "net.connect:${x}:1",
            "0x7f.1",
            "is not a host name or address",
        ),
        (
            "net.connect:${x}:1@10.0.0.0/8",
            "127.0.0.1",
            "lies outside the range",
        ),
        (
            "net.connect:${x}:1@private",
            "169.254.169.254",
            "lies outside the range",
        ),
        ("net.connect:a:${x}", "1@private", "is not a port"),
        ("net.connect:a:${x}", "0", "is not a port"),
        (
            "http.request:GET https://${x}/",
            "a/b",
            "is not a host name or address",
        ),
        (
            "http.request:GET https://${x}/",
            "u@a",
            "is not a host name or address",
        ),
        (
            "http.request:GET https://a/${x}",
            "b/c",
            "must not have a slash",
        ),
        (
            "http.request:GET https://a/${x}",
            "b\\c",
            "must not have a slash",
        ),
        (
            "http.request:GET https://a/${x}",
            "..",
            "must not be `.` or `..`",
        ),
        (
            "http.request:GET https://a/%2e${x}",
            ".",
            "must not be `.` or `..`",
        ),
        ("env:${x}", "A B", "is not a variable name"),
        ("secret:${x}", "../a", "is not a secret name"),
        ("run.as:${x}", "root", "is not a user name other than root"),
        ("exec:${x}@/b/a", "root@/b/b", "is not a user name"),
        ("exec:/b/a ${x}", "-x", "must not begin with `-`"),
        ("exec:/b/a ${x} --", "-x", "must not begin with `-`"),
        (
            "exec:/b/a '${x}'",
            "--checkpoint-action=exec=id",
            "must not begin with `-`",
        ),
        ("exec:/b/a ${x}", "..", "must not be `.` or `..`"),
        ("exec:/b/a ${x}", "../etc", "must not be `.` or `..`"),
        (
            "exec:/b/a /srv/${x}",
            "a/../../etc",
            "must not be `.` or `..`",
        ),
        ("exec:/b/a /srv/.${x}", "./etc", "must not be `.` or `..`"),
        ("exec:/b/a /srv/..${x}", "/etc", "must not be `.` or `..`"),
        ("exec:/b/a x=${x}", "../etc", "must not be `.` or `..`"),
        ("exec:/b/a x=${x}", "a\u{9b}b", "control characters"),
        ("exec:/opt/${x}/a", "a/b", "must not have a slash"),
        (
            "exec:/b/a xx${x}",
            &"a".repeat(4095),
            "an argument is longer than",
        ),
    ] {
        let error = fill(template, &one(value)).expect_err(template).to_string();
        assert!(error.contains(part), "{template} with {value:?}: {error}");
    }
}

#[test]
fn placeholders_stand_only_where_they_can_be_held() {
    for (template, part) in [
        ("fs.read:a${x}", "cannot stand at the start of a path"),
        ("fs.read:${x}/log", "cannot stand at the start of a path"),
        ("fs.read:/a/../${x}", "segment `..`"),
        ("fs.read:/a/${x}*", "a path has no patterns"),
        ("fs.read:/a ${x}", "takes one word"),
        ("net.connect:${x}", "expected `host:port`"),
        ("net.connect:${x}.example.com:1", "must be the whole host"),
        ("net.connect:*.${x}:1", "must be the whole host"),
        ("net.connect:[${x}]:1", "must be the whole host"),
        ("net.connect:a:80${x}", "must be the whole port"),
        ("net.connect:a:1@${x}", "in a range"),
        ("net.connect:a:1@10.0.0.0/${x}", "in a range"),
        ("http.request:${x} https://a/", "as the method"),
        ("http.request:GET ${x}", "begins with `https://`"),
        ("http.request:GET ${x}://a/", "begins with `https://`"),
        ("http.request:GET https://${x}@a/", "user name or password"),
        ("http.request:GET https://x.${x}/", "must be the whole host"),
        ("http.request:GET https://a/?${x}", "query or fragment"),
        ("http.request:GET https://a/%2${x}", "percent-encoded"),
        ("env:A_${x}", "beside other text in a variable name"),
        ("secret:a${x}", "beside other text in a secret name"),
        ("run.as:a${x}", "beside other text in a user name"),
        ("exec:/ ${x}", "expected a program's absolute path"),
        ("exec:${x}", "cannot stand at the start of a path"),
        ("exec:${x} a", "cannot stand at the start of a path"),
        ("exec:a${x}@/b/a", "beside other text in a user name"),
        ("exec:/b/a {path:/srv/${x}}", "is not a pattern"),
        ("exec:/b/a ${x}*", "is not a pattern"),
        ("${x}:/a", "is not a kind"),
        ("fs.read:/\\${x}", "must begin a placeholder"),
        ("fs.read:/'$'{x}", "must begin a placeholder"),
        ("fs.read:/${X}", "must begin a placeholder"),
        ("fs.read:/${x", "must begin a placeholder"),
        ("host.full:${x}", "takes no target"),
    ] {
        let error = template
            .parse::<AskTemplate>()
            .expect_err(template)
            .to_string();
        assert!(error.contains(part), "{template}: {error}");
    }
}

#[test]
fn a_template_without_placeholders_is_checked_like_a_capability() {
    for bad in [
        "fs.read:etc",
        "exec:/",
        "net.connect:10.0.0.1:1@private",
        "run.as:root",
    ] {
        assert_eq!(
            bad.parse::<AskTemplate>().map(drop),
            bad.parse::<Capability>().map(drop),
            "{bad}"
        );
        assert!(bad.parse::<AskTemplate>().is_err(), "{bad}");
    }
}

#[test]
fn absent_and_empty_values_are_told_from_wrong_ones() {
    for absent in [
        Placeholder::Absent,
        one(""),
        Placeholder::Many(vec![]),
        Placeholder::Many(vec!["a".into(), String::new()]),
    ] {
        let error = fill("fs.read:/a/${x}", &absent).unwrap_err();
        assert!(error.is_absent(), "{absent:?}");
        assert_eq!(error.to_string(), "`x` has no value");
    }
    for (answer, message) in [
        (
            Placeholder::Sensitive,
            "`x` is sensitive and cannot stand in an ask",
        ),
        (
            Placeholder::Unfit("is a hash"),
            "`x` is a hash and cannot stand in an ask",
        ),
    ] {
        let error = fill("fs.read:/a/${x}", &answer).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.is_absent()),
            (message, false)
        );
    }
}

/// One empty element once took the whole list away.
#[test]
fn an_empty_element_asks_for_nothing_where_that_is_optional() {
    let fill = |elements: &[&str]| {
        let elements = elements
            .iter()
            .map(|element| (*element).to_owned())
            .collect();
        let template: AskTemplate = "fs.read:/a/${x}".parse().unwrap();
        let filled = template.fill_optional(&|_| Placeholder::Many(Vec::clone(&elements)))?;
        Ok::<_, FillError>(filled.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(
        fill(&["", "b", "", "c"]).unwrap(),
        ["fs.read:/a/b", "fs.read:/a/c"]
    );
    assert!(fill(&["", ""]).unwrap_err().is_absent());
    assert!(fill(&[]).unwrap_err().is_absent());
    assert!(!fill(&["", ".."]).unwrap_err().is_absent());
}

#[test]
fn no_variable_of_the_input_can_be_asked_for() {
    for name in ["PT_name", "PT__task", "HOST_OUT", "HOST_"] {
        let error = format!("env:{name}").parse::<Capability>().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "`env:{name}` is refused: variables that begin with `PT_` or `HOST_` are set by host alone"
            )
        );
        assert_eq!(
            fill("env:${x}", &one(name)).unwrap_err().to_string(),
            "the value of `x` is not a variable name that a run may have: `PT_` and `HOST_` are for host alone"
        );
    }
    for name in ["PT", "HOST", "PATH", "pt_x", "APT_X"] {
        assert!(
            format!("env:{name}").parse::<Capability>().is_ok(),
            "{name}"
        );
    }
}

#[test]
fn a_list_gives_one_capability_for_each_element() {
    let list = |count: usize| Placeholder::Many((0..count).map(|at| format!("u{at}")).collect());
    assert_eq!(
        fill("exec:/b/a ${x} ${x}", &list(2)).unwrap(),
        ["exec:/b/a u0 u0", "exec:/b/a u1 u1"]
    );
    assert_eq!(
        fill("env:${x}", &list(FILL_ELEMENTS_MAX)).unwrap().len(),
        FILL_ELEMENTS_MAX
    );
    assert!(matches!(
        fill("env:${x}", &list(FILL_ELEMENTS_MAX + 1)),
        Err(FillError::TooManyElements { have: 65, .. })
    ));
    assert!(matches!(
        fill("exec:/b/a ${x} ${y}", &list(1)),
        Err(FillError::TwoLists { .. })
    ));
    let bad = Placeholder::Many(vec!["a".into(), "..".into()]);
    assert!(matches!(
        fill("fs.read:/${x}", &bad),
        Err(FillError::Value { .. })
    ));
}

#[test]
fn a_template_is_printed_as_written_and_lists_its_parameters_once() {
    let text = "exec:root@/usr/bin/systemctl  ${action} '${name}' ${action}";
    let template: AskTemplate = text.parse().unwrap();
    assert_eq!(template.to_string(), text);
    let names: Vec<&str> = template
        .placeholders()
        .into_iter()
        .map(ParameterName::as_str)
        .collect();
    assert_eq!(names, ["action", "name"]);
    assert_eq!(
        serde_json::from_str::<AskTemplate>(&serde_json::to_string(&template).unwrap()).unwrap(),
        template
    );
}

/// Values made of everything that means something somewhere in the grammar.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a.*/{}:@ '\"\\\\$%-]{1,8}",
        any::<String>(),
        Just("10.0.0.0/8".to_owned()),
        Just("{raw}".to_owned())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The result has the template's form: its user, program and count of arguments, all literal but the author's own.
    #[test]
    fn a_value_in_a_command_stays_one_literal_argument(value in hostile()) {
        let template: AskTemplate = "exec:www@/b/a x ${x} p${x} {int}".parse().unwrap();
        if let Ok(filled) = template.fill(&|_| one(&value)) {
            let [Capability::Exec(command)] = filled.as_slice() else { panic!("not one command") };
            let literal = |text: String| crate::ArgumentPattern::Literal(text);
            let want = [literal("x".into()), literal(value.clone()), literal(format!("p{value}")), crate::ArgumentPattern::Int];
            prop_assert_eq!(command.arguments(), &want);
            prop_assert!(!value.starts_with('-'));
            prop_assert_eq!(filled[0].to_string().parse(), Ok(filled[0].clone()));
        }
    }

    #[test]
    fn a_value_in_a_path_stays_one_segment(value in hostile()) {
        let template: AskTemplate = "fs.write:/srv/${x}/data".parse().unwrap();
        if let Ok(filled) = template.fill(&|_| one(&value)) {
            let [Capability::FsWrite(path)] = filled.as_slice() else { panic!("not one path") };
            prop_assert_eq!(path.segments().collect::<Vec<_>>(), ["srv", value.as_str(), "data"]);
            prop_assert_eq!(filled[0].to_string().parse(), Ok(filled[0].clone()));
        }
    }

    #[test]
    fn a_value_in_a_url_stays_one_segment(value in hostile()) {
        let template: AskTemplate = "http.request:GET https://a/v1/${x}".parse().unwrap();
        if let Ok(filled) = template.fill(&|_| one(&value)) {
            let [Capability::HttpRequest(target)] = filled.as_slice() else { panic!("not one target") };
            prop_assert_eq!(target.segments(), ["v1".to_owned(), value]);
            prop_assert_eq!(filled[0].to_string().parse(), Ok(filled[0].clone()));
        }
    }

    #[test]
    fn a_value_as_a_host_is_one_host(value in hostile()) {
        let template: AskTemplate = "net.connect:${x}:1".parse().unwrap();
        if let Ok(filled) = template.fill(&|_| one(&value)) {
            let [Capability::NetConnect(endpoint)] = filled.as_slice() else { panic!("not one endpoint") };
            prop_assert!(matches!(endpoint.host(), crate::HostPattern::Name(_) | crate::HostPattern::Address(_)));
            prop_assert_eq!((endpoint.port().get(), endpoint.range()), (1, None));
        }
    }

    #[test]
    fn no_text_makes_the_template_parser_panic(text in "(exec|fs\\.read|net\\.connect|http\\.request):[a/:@${}x'\"\\\\ .*-]{0,30}") {
        if let Ok(template) = text.parse::<AskTemplate>() {
            let _ = template.fill(&|_| one("a"));
        }
    }
}
