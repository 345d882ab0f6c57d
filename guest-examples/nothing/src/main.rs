//! Does nothing, so that what is measured is all that is around it.
//!
//! With an argument it waits for the end of its input, so that one can look at it meanwhile.

#![forbid(unsafe_code)]

use std::io::{self, Read};

fn main() {
    if std::env::args_os().len() > 1 {
        // Whatever comes, and whatever goes wrong: there is nothing to do about it.
        let _ = io::stdin().read(&mut [0]);
    }
}
