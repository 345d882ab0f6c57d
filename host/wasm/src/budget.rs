//! How much memory a guest may have: all its memories and tables together.

use host_core::LimitName;
use wasmtime::{Error, ResourceLimiter, Result};

/// How many instances, memories and tables one program may be made of. A component has a few of each.
const PARTS_MAX: usize = 1_000;
const MIB: u64 = 1 << 20;
/// What one element of a table takes, in bytes.
const ELEMENT_BYTES: u64 = 8;

/// What is left of a guest's memory.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_max: u64,
    used: u64,
    peak: u64,
    /// What was granted last, which is given back if it could not be had.
    last: u64,
}

/// A limit that a guest passed.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Passed {
    pub(crate) name: LimitName,
    pub(crate) reason: String,
}

impl Budget {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            used: 0,
            peak: 0,
            last: 0,
        }
    }

    /// The most that was used at one time, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }

    /// Grants a part from `current` to `desired` units of `unit_bytes` each; `maximum` is what the program has declared
    /// itself, which is no limit of ours.
    fn grow(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
        unit_bytes: u64,
    ) -> Result<bool> {
        self.last = 0;
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let bytes = (desired.saturating_sub(current) as u64).saturating_mul(unit_bytes);
        let wanted = self.used.saturating_add(bytes);
        if wanted > self.bytes_max {
            let reason = format!("it asked for {} MiB of memory in all", wanted.div_ceil(MIB));
            return Err(Error::new(Passed {
                name: LimitName::Memory,
                reason,
            }));
        }
        self.used = wanted;
        self.last = bytes;
        self.peak = self.peak.max(wanted);
        Ok(true)
    }

    fn give_back(&mut self) {
        self.used = self.used.saturating_sub(std::mem::take(&mut self.last));
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        self.grow(current, desired, maximum, 1)
    }

    fn memory_grow_failed(&mut self, _: Error) -> Result<()> {
        self.give_back();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        self.grow(current, desired, maximum, ELEMENT_BYTES)
    }

    fn table_grow_failed(&mut self, _: Error) -> Result<()> {
        self.give_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        PARTS_MAX
    }

    fn tables(&self) -> usize {
        PARTS_MAX
    }

    fn memories(&self) -> usize {
        PARTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: usize = 65_536;

    #[test]
    fn memories_and_tables_count_together() {
        let mut budget = Budget::new(3 * PAGE as u64);
        assert!(budget.memory_growing(0, PAGE, None).unwrap());
        assert!(budget.memory_growing(0, PAGE, None).unwrap());
        assert!(budget.table_growing(0, PAGE / 8, None).unwrap());
        let error = budget.table_growing(0, 1, None).unwrap_err();
        assert_eq!(
            error.downcast_ref::<Passed>().unwrap().name,
            LimitName::Memory
        );
        assert_eq!(budget.peak(), 3 * PAGE as u64);
    }

    #[test]
    fn what_could_not_be_had_is_not_counted_and_a_maximum_of_its_own_is_no_limit() {
        let mut budget = Budget::new(2 * PAGE as u64);
        assert!(budget.memory_growing(0, 2 * PAGE, None).unwrap());
        budget.memory_grow_failed(Error::msg("no")).unwrap();
        assert!(!budget.memory_growing(0, 9 * PAGE, Some(PAGE)).unwrap());
        assert!(budget.memory_growing(0, 2 * PAGE, None).unwrap());
    }

    proptest! {
        #[test]
        fn no_sequence_of_growth_passes_the_limit(
            steps in proptest::collection::vec((0usize..64, any::<bool>(), any::<bool>()), 0..64),
            limit in 0u64..(64 << 16),
        ) {
            let mut budget = Budget::new(limit);
            let mut held = 0u64;
            for (pages, is_table, fails) in steps {
                let (granted, bytes) = if is_table {
                    (budget.table_growing(0, pages, None), pages as u64 * ELEMENT_BYTES)
                } else {
                    (budget.memory_growing(0, pages * PAGE, None), (pages * PAGE) as u64)
                };
                match granted {
                    Ok(_) if fails => budget.memory_grow_failed(Error::msg("no")).unwrap(),
                    Ok(_) => held += bytes,
                    Err(_) => prop_assert!(held + bytes > limit),
                }
                prop_assert!(held <= limit && budget.peak() <= limit);
            }
        }
    }
}
