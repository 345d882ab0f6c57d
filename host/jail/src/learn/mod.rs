//! What a run that learns opens, changes, connects to and executes, so that somebody can write down what it takes.
//!
//! It is a record and no wall. The filter tells of the calls in [`calls`], [`reading`] reads what they name from the memory of
//! who makes them ([`caller`]), [`follow`] goes by the links that only the jail has, [`Notes`] keeps each thing once, and when
//! the run is over [`naming`] says which capabilities that takes, by what [`machine`] has there.
//! Meanwhile the kernel goes on with every call that the filter's list allows and looks at its arguments itself: a caller
//! that changes them while they are read spoils its own record and nothing else.
//!
//! Everything that is read here was laid there by the run. It has an end: in length, in number, and in all.
//!
//! Not seen is what needs no such call: files that are only asked about (`stat`, `access`), what the kernel opens by itself (the
//! interpreter of a script), what a descriptor is passed for, and what is left out in [`calls`]. What other processes hold, by
//! a link in `/proc`, is counted and not named. `..` behind a link in a grant is taken as it is written.

mod caller;
mod calls;
mod follow;
mod machine;
mod naming;
mod notes;
mod reading;
mod walk;

pub(crate) use calls::is_told;
pub(crate) use notes::Notes;
