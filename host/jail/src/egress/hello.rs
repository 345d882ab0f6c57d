//! Reads which name a TLS client says that it wants, from the first bytes that it sends.
//!
//! It is an extra: whoever speaks to a granted host may say anything there. What it keeps from is one host that answers for
//! many names by what the client asks for. The forms are those of RFC 8446, 4.1.2 and 5.1, and RFC 6066, 3.

/// How much of what a client sends is looked at, in bytes; a first message that is longer is refused.
pub(crate) const HELLO_BYTES_MAX: usize = 16 << 10;

const HANDSHAKE_RECORD: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// What the first bytes of a client are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Hello {
    /// Something else than TLS.
    Other,
    /// As far as they go they may be TLS, and there must be more.
    Unfinished,
    /// TLS, for this name; for none where the client names none.
    For(Option<String>),
    /// TLS that cannot be read.
    Broken,
}

/// Reads the first bytes of a client.
pub(crate) fn read(bytes: &[u8]) -> Hello {
    let message = match handshake(bytes) {
        Ok(message) => message,
        Err(other) => return other,
    };
    match client_hello(&message) {
        Some(name) => Hello::For(name),
        None => Hello::Broken,
    }
}

/// The body of the first handshake message, put together from as many records as it takes.
fn handshake(bytes: &[u8]) -> Result<Vec<u8>, Hello> {
    let mut rest = bytes;
    let mut message = Vec::new();
    loop {
        match rest {
            [] => return Err(Hello::Unfinished),
            [HANDSHAKE_RECORD, 3, _, high, low, behind @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let Some((fragment, behind)) = behind.split_at_checked(length) else {
                    return Err(unfinished(bytes));
                };
                message.extend_from_slice(fragment);
                rest = behind;
            }
            [HANDSHAKE_RECORD] | [HANDSHAKE_RECORD, 3] => return Err(unfinished(bytes)),
            [HANDSHAKE_RECORD, 3, ..] => return Err(unfinished(bytes)),
            // Other records of TLS, before which no client has said what it wants.
            [20 | 21 | 23 | 24, 3, ..] => return Err(Hello::Broken),
            // Behind a first record nothing else may stand before the message is whole.
            _ if message.is_empty() => return Err(Hello::Other),
            _ => return Err(Hello::Broken),
        }
        match message.as_slice() {
            [CLIENT_HELLO, a, b, c, body @ ..] => {
                let length =
                    usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap_or(usize::MAX);
                if let Some(body) = body.get(..length) {
                    return Ok(body.to_vec());
                }
            }
            [] | [CLIENT_HELLO, ..] => {}
            _ => return Err(Hello::Broken),
        }
    }
}

fn unfinished(bytes: &[u8]) -> Hello {
    if bytes.len() < HELLO_BYTES_MAX {
        Hello::Unfinished
    } else {
        Hello::Broken
    }
}

/// The name in a ClientHello; the outer option is whether it can be read.
fn client_hello(body: &[u8]) -> Option<Option<String>> {
    // The version and the random bytes.
    let mut rest = Reader(body.get(34..)?);
    rest.vector_8()?;
    rest.vector_16()?;
    rest.vector_8()?;
    if rest.0.is_empty() {
        return Some(None);
    }
    let mut extensions = Reader(rest.vector_16()?);
    while !extensions.0.is_empty() {
        let kind = extensions.number_16()?;
        let content = extensions.vector_16()?;
        if kind == SERVER_NAME {
            let mut names = Reader(Reader(content).vector_16()?);
            let kind = names.number_8()?;
            let name = names.vector_16()?;
            // There is one kind of name, and one name of a kind.
            if kind != HOST_NAME || !names.0.is_empty() {
                return None;
            }
            return Some(Some(std::str::from_utf8(name).ok()?.to_owned()));
        }
    }
    Some(None)
}

/// Bytes that are read from the front.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn number_8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number_16(&mut self) -> Option<u16> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*first))
    }

    fn vector_8(&mut self) -> Option<&'b [u8]> {
        let length = self.number_8()?;
        self.take(length.into())
    }

    fn vector_16(&mut self) -> Option<&'b [u8]> {
        let length = self.number_16()?;
        self.take(length.into())
    }

    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vector(bytes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        [&length, bytes].concat()
    }

    fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        [kind.to_be_bytes().to_vec(), vector(content)].concat()
    }

    fn server_name(name: &[u8]) -> Vec<u8> {
        extension(0, &vector(&[&[0], vector(name).as_slice()].concat()))
    }

    fn message(extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0]);
        body.extend(vector(&[0x13, 1]));
        body.extend([1, 0]);
        body.extend(vector(extensions));
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let [_, a, b, c] = length;
        [vec![1, a, b, c], body].concat()
    }

    fn records(message: &[u8], piece: usize) -> Vec<u8> {
        let record = |piece: &[u8]| [vec![22, 3, 1], vector(piece)].concat();
        message.chunks(piece).flat_map(record).collect()
    }

    #[test]
    fn the_name_is_found_behind_other_extensions_and_in_any_number_of_records() {
        let extensions = [extension(43, &[2, 3, 4]), server_name(b"db.internal")].concat();
        let message = message(&extensions);
        for piece in [message.len(), 1, 5, 100] {
            let bytes = records(&message, piece);
            assert_eq!(
                read(&bytes),
                Hello::For(Some("db.internal".to_owned())),
                "{piece}"
            );
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut]), Hello::Unfinished, "{piece}, {cut}");
            }
        }
    }

    #[test]
    fn a_client_may_name_nobody() {
        let none = records(&message(&extension(43, &[2, 3, 4])), 1_000);
        assert_eq!(read(&none), Hello::For(None));
        assert_eq!(read(&records(&message(&[]), 1_000)), Hello::For(None));
    }

    #[test]
    fn what_is_not_tls_is_something_else() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"SSH-2.0-x",
            &[0, 0, 0, 8, 4, 210, 22, 47],
            &[22, 9, 9],
        ] {
            assert_eq!(read(bytes), Hello::Other);
        }
    }

    #[test]
    fn what_begins_as_tls_and_is_none_is_broken() {
        let two = extension(
            0,
            &vector(
                &[
                    vec![0],
                    vector(b"a.example.com"),
                    vec![0],
                    vector(b"b.example.com"),
                ]
                .concat(),
            ),
        );
        let sound = message(&server_name(b"a.example.com"));
        let mut other_kind = sound.clone();
        other_kind[0] = 2;
        let mut cut_short = sound.clone();
        cut_short[3] = 30;
        let mixed = [records(&sound[..10], 10), vec![23, 3, 3, 0, 1, 0]].concat();
        for bytes in [
            records(&message(&two), 1_000),
            records(&message(&server_name(&[0xff])), 1_000),
            records(&other_kind, 1_000),
            records(&cut_short, 1_000),
            mixed,
        ] {
            assert_eq!(read(&bytes), Hello::Broken);
        }
        let endless = records(&[&[1, 0xff, 0xff, 0xff][..], &[0; 20_000]].concat(), 16_000);
        assert_eq!(read(&endless[..HELLO_BYTES_MAX]), Hello::Broken);
    }

    proptest! {
        /// Whatever a client says, more of it never changes what was known already, and how it is cut into records changes
        /// nothing.
        #[test]
        fn what_is_known_of_a_client_stays(
            name in "[a-z.]{0,20}",
            before in proptest::collection::vec((1_u16..60, proptest::collection::vec(any::<u8>(), 0..20)), 0..4),
            changed in proptest::option::of((any::<proptest::sample::Index>(), any::<u8>())),
            piece in 1_usize..300,
        ) {
            let before = before.iter().flat_map(|(kind, content)| extension(*kind, content));
            let extensions: Vec<u8> = before.chain(server_name(name.as_bytes())).collect();
            let mut message = message(&extensions);
            if let Some((at, byte)) = changed {
                let at = at.index(message.len());
                message[at] = byte;
            }
            let whole = read(&records(&message, message.len()));
            let bytes = records(&message, piece);
            prop_assert_eq!(read(&bytes), whole.clone());
            let more = [bytes.as_slice(), &[23, 3, 3, 0, 1, 0]].concat();
            if whole != Hello::Unfinished {
                prop_assert_eq!(read(&more), whole);
            }
            for cut in 0..bytes.len() {
                let known = read(&bytes[..cut]);
                prop_assert!(known == Hello::Unfinished || known == read(&bytes), "{:?}", known);
            }
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let _ = read(&[&[22, 3, 1, 0, 100, 1, 0, 0, 96], bytes.as_slice()].concat());
        }
    }
}
