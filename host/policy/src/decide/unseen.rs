//! What a run does not see of the places that it is shown without asking: what a forbid names there, or around them.
//!
//! A forbid that names nothing is about what is asked for, and nobody asks for these.

use cedar_policy::Context;
use host_core::{Ask, Asks, CanonicalPath, Capability, Origin};

use super::{Court, INNER_QUESTIONS_MAX};
use crate::action::Action;
use crate::index::Key;
use crate::query::Request;
use crate::set::PolicySet;
use crate::target::Target;
use crate::world::{WorldError, entity_uid};

/// A place with a name in forbids that lies at it, in it or above it.
struct Met<'p> {
    place: &'p CanonicalPath,
    name: CanonicalPath,
    key: Key,
}

impl Met<'_> {
    /// What of the place the name stands for.
    fn unseen(&self) -> CanonicalPath {
        if self.name.contains(self.place) {
            self.place.clone()
        } else {
            self.name.clone()
        }
    }
}

impl PolicySet {
    /// What the run of `request` must not read of `places`, which it would see without asking: as if it asked for each and
    /// could do without. A forbid that cannot be evaluated holds.
    #[must_use]
    pub fn unseen(&self, request: &Request, places: &[CanonicalPath]) -> Vec<CanonicalPath> {
        let of_place = |place| {
            let around = self.index.forbidden_around(Action::FsRead, place);
            around
                .into_iter()
                .filter_map(move |(name, key)| match name {
                    Target::Path(name) => Some(Met { place, name, key }),
                    _ => None,
                })
        };
        let met: Vec<Met<'_>> = places.iter().flat_map(of_place).collect();
        if met.is_empty() {
            return Vec::new();
        }
        if met.len() > INNER_QUESTIONS_MAX {
            return met.into_iter().map(|met| met.place.clone()).collect();
        }
        let held = self.held(request, &met);
        let held = held.unwrap_or_else(|_| met.iter().collect());
        held.into_iter().map(Met::unseen).collect()
    }

    /// Those that a forbid holds for.
    fn held<'m, 'p>(
        &self,
        request: &Request,
        met: &'m [Met<'p>],
    ) -> Result<Vec<&'m Met<'p>>, WorldError> {
        let asks = met.iter().map(|met| Ask {
            capability: Capability::FsRead(met.place.clone()),
            origin: Origin::Bundle,
            optional: true,
            why: None,
        });
        let asks = Asks::gather(asks).map_err(|error| WorldError::of(&error))?;
        let court = Court::of(self, request, &asks)?;
        let context = court.world.of_ask(Origin::Bundle, true)?;
        let mut held = Vec::new();
        for met in met {
            if court.is_unseen(met, &context)? {
                held.push(met);
            }
        }
        Ok(held)
    }
}

impl Court<'_> {
    fn is_unseen(&self, met: &Met<'_>, context: &Context) -> Result<bool, WorldError> {
        let place = Target::Path(met.place.clone());
        let said = if met.place.contains(&met.name) {
            self.forbidden_there(Action::FsRead, met.key, &place, context)?
        } else {
            let uid = entity_uid(place.kind(), &place.id())?;
            let above = self.set.index.uid(met.key).cloned().into_iter();
            let entities = self.world.with_parents(uid.clone(), &place, above)?;
            let index = &self.set.index;
            let buckets = index.buckets_of(Action::FsRead, &self.keys, met.key);
            let forbids = buckets.map(|bucket| &bucket.forbids);
            self.hear(Action::FsRead, uid, context, forbids, &entities)?
        };
        Ok(!said.forbids.is_empty() || said.error.is_some())
    }
}
