//! Answers what a run asks of DNS: a granted name has an address of the run's own, and nothing else is known.
//!
//! No question is handed on to anybody. What a name leads to is looked up when something connects to its address, by the
//! machine's own resolver and outside the run.

use std::net::Ipv4Addr;

use hickory_proto::op::{Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};
use host_core::HostName;

/// The longest question that is read, and the longest answer that is given, in bytes: what UDP carries for all.
pub(crate) const MESSAGE_BYTES_MAX: usize = 512;
/// How long an answer may be kept, in seconds. The address of a name does not change while the run lasts.
const KEPT_S: u32 = 60;

/// What is known of a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Known {
    /// It is granted, and has this address in the run.
    At(Ipv4Addr),
    /// It is not granted.
    Not,
    /// It is granted, and there is no address left for it.
    TooMany,
}

/// An answer to a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    /// The message to send.
    pub(crate) message: Vec<u8>,
    /// The name that was asked for and is not granted.
    pub(crate) refused: Option<HostName>,
}

/// The answer to a message; none to what is no question.
pub(crate) fn answer(message: &[u8], look_up: impl FnOnce(&HostName) -> Known) -> Option<Answer> {
    if message.len() > MESSAGE_BYTES_MAX {
        return None;
    }
    let asked = Message::from_vec(message).ok()?;
    if asked.metadata.message_type != MessageType::Query {
        return None;
    }
    let mut answer = Message::new(
        asked.metadata.id,
        MessageType::Response,
        asked.metadata.op_code,
    );
    answer.metadata = Metadata::response_from_request(&asked.metadata);
    answer.metadata.recursion_available = true;
    let mut refused = None;
    answer.metadata.response_code = match asked.queries.as_slice() {
        _ if asked.metadata.op_code != OpCode::Query => ResponseCode::NotImp,
        [query] => {
            answer.add_query(query.clone());
            let name = query.name().to_ascii();
            match name.strip_suffix('.').unwrap_or(&name).parse::<HostName>() {
                _ if query.query_class() != DNSClass::IN => ResponseCode::Refused,
                Err(_) => ResponseCode::NXDomain,
                Ok(name) => match look_up(&name) {
                    Known::At(address) => {
                        // A granted name has one address, and no record of another kind.
                        if matches!(query.query_type(), RecordType::A | RecordType::ANY) {
                            let data = RData::A(A(address));
                            answer.add_answer(Record::from_rdata(
                                query.name().clone(),
                                KEPT_S,
                                data,
                            ));
                        }
                        ResponseCode::NoError
                    }
                    Known::Not => {
                        refused = Some(name);
                        ResponseCode::NXDomain
                    }
                    Known::TooMany => ResponseCode::ServFail,
                },
            }
        }
        _ => ResponseCode::FormErr,
    };
    let message = answer.to_vec().ok()?;
    Some(Answer { message, refused })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use hickory_proto::op::Query;
    use hickory_proto::rr::Name;

    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 64, 0, 1);

    fn question(name: &str, kind: RecordType) -> Vec<u8> {
        let mut message = Message::query();
        message.metadata.id = 4_711;
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_str(name).unwrap(), kind));
        message.to_vec().unwrap()
    }

    fn only_db(name: &HostName) -> Known {
        if name.as_str() == "db.internal" {
            Known::At(ADDRESS)
        } else {
            Known::Not
        }
    }

    fn answered(message: &[u8]) -> (Message, Option<String>) {
        let answer = answer(message, only_db).unwrap();
        let refused = answer.refused.map(|name| name.to_string());
        (Message::from_vec(&answer.message).unwrap(), refused)
    }

    #[test]
    fn a_granted_name_has_its_address_and_nothing_else() {
        let (answer, refused) = answered(&question("DB.internal.", RecordType::A));
        assert_eq!(answer.metadata.id, 4_711);
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
        assert!(answer.metadata.recursion_desired && answer.metadata.recursion_available);
        let data: Vec<&RData> = answer.answers.iter().map(|record| &record.data).collect();
        assert_eq!(data, [&RData::A(A(ADDRESS))]);
        assert_eq!(refused, None);
        for kind in [
            RecordType::AAAA,
            RecordType::SRV,
            RecordType::MX,
            RecordType::TXT,
            RecordType::HTTPS,
        ] {
            let (answer, refused) = answered(&question("db.internal.", kind));
            assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
            assert!(answer.answers.is_empty() && refused.is_none(), "{kind}");
        }
    }

    #[test]
    fn every_other_name_does_not_exist_and_is_told_of() {
        for name in [
            "evil.com.",
            "secret-data.evil.com.",
            "db.internal.evil.com.",
            "xdb.internal.",
        ] {
            let (answer, refused) = answered(&question(name, RecordType::A));
            assert_eq!(
                answer.metadata.response_code,
                ResponseCode::NXDomain,
                "{name}"
            );
            assert!(answer.answers.is_empty());
            assert_eq!(refused.as_deref(), name.strip_suffix('.'));
        }
        let (answer, refused) = answered(&question("127.0.0.1.", RecordType::A));
        assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(refused, None, "an address is no name");
    }

    #[test]
    fn what_is_no_question_gets_no_answer_or_an_error() {
        assert_eq!(answer(b"", only_db), None);
        assert_eq!(answer(&[0xff; 40], only_db), None);
        assert_eq!(answer(&[0; MESSAGE_BYTES_MAX + 1], only_db), None);
        let mut response = question("db.internal.", RecordType::A);
        response[2] |= 0x80;
        assert_eq!(answer(&response, only_db), None);
        let mut none = question("db.internal.", RecordType::A);
        none[5] = 0;
        none.truncate(12);
        let (answer, _) = answered(&none);
        assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);
    }

    proptest::proptest! {
        /// Whatever is asked, an answer is one, is no longer than its place, and gives no address that was not looked up.
        #[test]
        fn an_answer_gives_nothing_but_what_was_looked_up(
            changes in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), proptest::prelude::any::<u8>()), 0..6),
            name in "(db\\.internal|[a-z]{1,8}\\.example)\\.",
        ) {
            let mut asked = question(&name, RecordType::A);
            for (at, byte) in changes {
                let at = at.index(asked.len());
                asked[at] = byte;
            }
            let mut looked_up = Vec::new();
            let answered = answer(&asked, |name| {
                let known = only_db(name);
                looked_up.push(known);
                known
            });
            if let Some(answered) = answered {
                assert!(answered.message.len() <= MESSAGE_BYTES_MAX + 16);
                let message = Message::from_vec(&answered.message).unwrap();
                assert_eq!(message.metadata.message_type, MessageType::Response);
                assert!(message.answers.is_empty() || looked_up == [Known::At(ADDRESS)]);
                assert_eq!(answered.refused.is_some(), looked_up == [Known::Not]);
            }
        }
    }
}
