use super::*;

fn read(text: &str) -> Result<(Option<String>, Option<String>), ModuleIdentityError> {
    let identity = ModuleIdentity::read(text.as_bytes())?;
    Ok((
        identity.module.map(|name| name.to_string()),
        identity.version.map(|v| v.to_string()),
    ))
}

#[test]
fn name_and_version_come_from_the_metadata() {
    for (text, module, version) in [
        (
            r#"{"name":"puppetlabs-service","version":"1.4.0","license":[]}"#,
            Some("service"),
            Some("1.4.0"),
        ),
        (
            r#"{"name":"author/my_mod","version":"2.0.0-rc.1+b"}"#,
            Some("my_mod"),
            Some("2.0.0-rc.1+b"),
        ),
        (r#"{"name":"bare"}"#, Some("bare"), None),
        (r#"{"name":null,"version":"1"}"#, None, Some("1")),
        (
            "\u{feff}{\"name\":\"a-b\",\"name\":\"a-c\"}",
            Some("c"),
            None,
        ),
        ("{}", None, None),
    ] {
        let expected = (module.map(str::to_owned), version.map(str::to_owned));
        assert_eq!(read(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn metadata_that_says_something_else_is_refused() {
    for text in [
        "",
        "[]",
        "{",
        r#"{"name":1}"#,
        r#"{"name":""}"#,
        r#"{"name":"a-b-c"}"#,
        r#"{"name":"a-Upper"}"#,
        r#"{"name":"../x"}"#,
        r#"{"version":1.0}"#,
        r#"{"version":""}"#,
        r#"{"version":"v1"}"#,
        r#"{"version":"1/../2"}"#,
        r#"{"version":"1.0\n"}"#,
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    let long = format!(r#"{{"version":"{}"}}"#, "1".repeat(65));
    assert!(read(&long).is_err());
}
