use super::*;

#[test]
fn the_form_of_the_list_is_fixed() {
    let list = vec!["-----BEGIN\nx".to_owned(), "é".to_owned()];
    let bytes = write(&list).unwrap();
    let expected = "{\"format\":\"host.signatures/1\",\"signatures\":[\"-----BEGIN\\nx\",\"é\"]}\n";
    assert_eq!(bytes, expected.as_bytes());
    assert_eq!(read(&bytes).unwrap(), list);
    assert_eq!(read(&write(&[]).unwrap()).unwrap(), Vec::<String>::new());
}

#[test]
fn the_list_has_no_second_spelling() {
    for text in [
        "",
        "{}",
        "{\"format\":\"host.signatures/1\",\"signatures\":[]}",
        "{\"format\":\"host.signatures/1\",\"signatures\":[]}\n\n",
        "{\"format\":\"host.signatures/2\",\"signatures\":[]}\n",
        "{\"signatures\":[],\"format\":\"host.signatures/1\"}\n",
        "{\"format\":\"host.signatures/1\",\"signatures\":[],\"signatures\":[]}\n",
        "{\"format\":\"host.signatures/1\",\"signatures\":[],\"more\":[]}\n",
        "{\"format\":\"host.signatures/1\",\"signatures\":[1]}\n",
        "{\"format\":\"host.signatures/1\",\"signatures\":[\"\\u0041\"]}\n",
        "[\"host.signatures/1\",[]]\n",
    ] {
        assert!(read(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn number_and_length_have_limits() {
    let signatures = |count: usize, bytes: usize| vec!["\0".repeat(bytes); count];
    let longest = write(&signatures(8, 4096)).unwrap();
    assert!(longest.len() as u64 <= SIGNATURES_BYTES_MAX);
    assert_eq!(read(&longest).unwrap().len(), 8);
    assert!(matches!(
        write(&signatures(9, 1)),
        Err(SignaturesError::TooMany { have: 9 })
    ));
    assert!(matches!(
        write(&signatures(1, 4097)),
        Err(SignaturesError::TooLong { have: 4097 })
    ));
}
