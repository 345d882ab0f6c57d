//! Bundles from outside: packed, received, damaged, signed, and compared with what other programs make.
#![expect(clippy::unwrap_used, reason = "fixtures fail loudly")]
#![expect(clippy::indexing_slicing, reason = "fixtures know their lengths")]

mod fixtures;

mod flips;
mod hostile;
mod other_programs;
mod packing;
mod plain;
mod signing;
mod truncation;
