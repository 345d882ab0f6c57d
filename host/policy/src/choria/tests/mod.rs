mod examples;
pub(crate) mod harness;
mod property;

use super::Imported;
use crate::predicates::Predicates;
