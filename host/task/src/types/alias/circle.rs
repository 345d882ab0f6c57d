//! Finds aliases that are defined by themselves, with no list or hash in between.
//!
//! One pass goes over every alias once, in depth; names it stands on are grey, and an alias that leads to a grey one
//! closes a circle. At least one alias of every circle is named, so that none is left once those are unusable.

use std::collections::BTreeMap;

use super::{DataType, Kind, Resolved, TypeAliases, TypeError};

/// How many steps of a circle are told, at its beginning and at its end.
const STEPS_TOLD: usize = 3;

/// How far the pass is with an alias.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Colour {
    /// It and all that it leads to were seen.
    Black,
    /// The pass stands on it, or on something that it leads to.
    Grey,
}

/// An alias that the pass stands on, with the names that it leads to and that were not followed yet.
struct Place<'a> {
    name: String,
    waiting: Vec<&'a str>,
}

/// The aliases of circles by their names in lower case, each with an error that tells its circle.
pub(super) fn find(aliases: &TypeAliases) -> BTreeMap<String, TypeError> {
    let mut colours = BTreeMap::new();
    let mut found = BTreeMap::new();
    for name in aliases.modules.keys() {
        if !colours.contains_key(name) {
            pass(aliases, name, &mut colours, &mut found);
        }
    }
    found
}

/// Goes over all that `start` leads to and was not seen before.
fn pass(
    aliases: &TypeAliases,
    start: &str,
    colours: &mut BTreeMap<String, Colour>,
    found: &mut BTreeMap<String, TypeError>,
) {
    let place = |name: &str| Place {
        waiting: leads_to(aliases, name),
        name: name.to_owned(),
    };
    let mut path = vec![place(start)];
    colours.insert(start.to_owned(), Colour::Grey);
    while let Some(current) = path.last_mut() {
        let Some(next) = current.waiting.pop().map(str::to_ascii_lowercase) else {
            colours.insert(current.name.clone(), Colour::Black);
            path.pop();
            continue;
        };
        match colours.get(&next) {
            Some(Colour::Black) => {}
            Some(Colour::Grey) => close(aliases, &path, &next, found),
            None => {
                path.push(place(&next));
                colours.insert(next, Colour::Grey);
            }
        }
    }
}

/// The names of aliases that are asked about the same value as the one called `name`.
fn leads_to<'a>(aliases: &'a TypeAliases, name: &str) -> Vec<&'a str> {
    let mut waiting = match aliases.resolve(name) {
        Resolved::Type(meaning) => vec![meaning],
        Resolved::Unusable(_) | Resolved::Unknown => Vec::new(),
    };
    let mut names = Vec::new();
    while let Some(current) = waiting.pop() {
        waiting.extend(DataType::same_value_parts(current));
        if let Kind::Alias(name) = &current.kind {
            names.push(name.as_str());
        }
    }
    names
}

/// Notes the circle that the last alias of `path` closes by leading to `first`.
fn close(
    aliases: &TypeAliases,
    path: &[Place<'_>],
    first: &str,
    found: &mut BTreeMap<String, TypeError>,
) {
    let circle: Vec<&str> = path
        .iter()
        .map(|place| place.name.as_str())
        .skip_while(|name| *name != first)
        .collect();
    for (turn, name) in circle.iter().enumerate() {
        // Of an alias in several circles the first is told.
        if aliases.modules.contains_key(*name) && !found.contains_key(*name) {
            let path = told(aliases, &circle, turn);
            found.insert((*name).to_owned(), TypeError::Circle { path });
        }
    }
}

/// The circle from its alias number `turn` back to it, cut in the middle if it is long.
fn told(aliases: &TypeAliases, circle: &[&str], turn: usize) -> String {
    let length = circle.len();
    let steps = circle.iter().cycle().skip(turn).take(length + 1);
    let name = |lower: &str| {
        let definition = aliases.modules.get(lower);
        definition.map_or_else(|| lower.to_owned(), |definition| definition.name.clone())
    };
    let mut told = Vec::new();
    for (index, step) in steps.enumerate() {
        if index < STEPS_TOLD || index + STEPS_TOLD > length {
            told.push(name(step));
        } else if index == STEPS_TOLD {
            told.push("...".to_owned());
        }
    }
    told.join(" -> ")
}
