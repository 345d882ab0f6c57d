use std::cell::RefCell;
use std::collections::BTreeSet;
use std::thread;

use proptest::prelude::*;

use super::{UidError, UidRange, UidRangeError};
use crate::lab::{Lab, get, put};

const SMALL: (u32, u32) = (2000, 2009);

fn small() -> UidRange {
    UidRange::new(SMALL.0, SMALL.1).unwrap()
}

/// A place in the range to begin behind.
fn place(offset: u64) -> [u8; 8] {
    offset.to_le_bytes()
}

#[test]
fn ids_go_round_the_range() {
    let lab = Lab::new();
    let store = lab.store();
    put(&lab.path("state/uid"), "0000002006\n", 0o600);
    let next = || store.uids(small(), place(0)).next(|_| false).unwrap();
    let given: Vec<_> = std::iter::repeat_with(next).take(6).collect();
    assert_eq!(given, [2007, 2008, 2009, 2000, 2001, 2002]);
    assert_eq!(get(&lab.path("state/uid")), b"0000002002\n");
}

#[test]
fn the_count_outlives_the_process() {
    let lab = Lab::new();
    assert_eq!(
        lab.store().uids(small(), place(0)).next(|_| false).unwrap(),
        2000
    );
    assert_eq!(
        lab.store().uids(small(), place(7)).next(|_| false).unwrap(),
        2001
    );
}

#[test]
fn a_count_that_is_no_count_begins_at_the_block_that_the_lot_says() {
    let range = UidRange::new(2000, 2099).unwrap();
    let counts = [
        "",
        "\n",
        "2001\n",
        "0000002001",
        "0000002001\n\n",
        "000000200x\n",
        "-000002001\n",
        "9999999999\n",
    ];
    for count in counts {
        let lab = Lab::new();
        let store = lab.store();
        put(&lab.path("state/uid"), count, 0o600);
        let next = || store.uids(range, place(37)).next(|_| false).unwrap();
        assert_eq!((next(), next()), (2032, 2033), "{count:?}");
    }
}

#[test]
fn a_count_outside_the_range_begins_at_its_first() {
    let lab = Lab::new();
    let store = lab.store();
    put(&lab.path("state/uid"), "4000000000\n", 0o600);
    assert_eq!(store.uids(small(), place(4)).next(|_| false).unwrap(), 2000);
}

#[test]
fn taken_ids_are_passed_over() {
    let lab = Lab::new();
    let store = lab.store();
    let uids = store.uids(small(), place(0));
    assert_eq!(uids.next(|uid| uid < 2004).unwrap(), 2004);
    assert_eq!(uids.next(|uid| uid < 2004).unwrap(), 2005);
}

#[test]
fn when_all_others_are_taken_the_last_is_not_given_again() {
    let lab = Lab::new();
    let store = lab.store();
    let uids = store.uids(small(), place(0));
    let only = |uid| uid != 2003;
    assert_eq!(uids.next(only).unwrap(), 2003);
    assert!(matches!(
        uids.next(only),
        Err(UidError::Exhausted { tried: 9 })
    ));
    assert_eq!(get(&lab.path("state/uid")), b"0000002003\n");
}

#[test]
fn tries_are_bounded() {
    let lab = Lab::new();
    let store = lab.store();
    let asked = RefCell::new(0);
    let taken = |_| {
        *asked.borrow_mut() += 1;
        true
    };
    let next = store.uids(UidRange::DEFAULT, place(0)).next(taken);
    assert!(matches!(next, Err(UidError::Exhausted { tried: 4096 })));
    assert_eq!(asked.into_inner(), 4096);
}

#[test]
fn ids_asked_for_at_the_same_time_differ() {
    let lab = Lab::new();
    let store = lab.store();
    let uids = store.uids(UidRange::DEFAULT, place(u64::MAX));
    let given = thread::scope(|scope| {
        let ask = || {
            (0..50)
                .map(|_| uids.next(|_| false).unwrap())
                .collect::<Vec<_>>()
        };
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        let given = asking.into_iter().flat_map(|thread| thread.join().unwrap());
        given.collect::<BTreeSet<_>>()
    });
    assert_eq!(given.len(), 400);
}

#[test]
fn ranges_of_the_system_are_refused() {
    let cases = [
        ((2000, 1999), "short"),
        ((2000, 2000), "short"),
        ((0, 5000), "system"),
        ((999, 5000), "system"),
        ((60_000, 70_000), "system"),
        ((70_000, u32::MAX), "system"),
        ((1000, 65_533), "fine"),
        ((0x7800_0000, 0x7BFF_FFFF), "fine"),
    ];
    for ((first, last), expected) in cases {
        let found = match UidRange::new(first, last) {
            Ok(_) => "fine",
            Err(UidRangeError::Short { .. }) => "short",
            Err(UidRangeError::System { .. }) => "system",
        };
        assert_eq!(found, expected, "{first} to {last}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_id_is_given_twice_in_succession(
        width in 1..6_u32,
        random: [u8; 8],
        taken in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let lab = Lab::new();
        let store = lab.store();
        let range = UidRange::new(3000, 3000 + width).unwrap();
        let mut last = None;
        for mask in taken {
            match store.uids(range, random).next(|uid| mask >> (uid - 3000) & 1 == 1) {
                Ok(uid) => {
                    prop_assert!((3000..=3000 + width).contains(&uid));
                    prop_assert!(mask >> (uid - 3000) & 1 == 0);
                    prop_assert_ne!(Some(uid), last);
                    last = Some(uid);
                }
                Err(error) => {
                    let exhausted = matches!(error, UidError::Exhausted { .. });
                    prop_assert!(exhausted, "{}", error);
                }
            }
        }
    }
}
