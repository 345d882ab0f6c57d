//! Decides whether a bundle is trusted.
//!
//! Every signature must hold over the manifest: one that does not refuses the bundle, whatever the others
//! say. Of those that hold, the ones by keys that the list trusts for this module, now, are counted by owner.
//! A signature by any other key adds nothing and takes nothing away, and when too few owners remain the
//! refusal names the best reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use host_core::{Digest, ModuleName, Shown};
use sha2::{Digest as _, Sha256};

use super::{Author, Owner, TrustList};
use crate::key::{Fingerprint, PublicKey};
use crate::moment::Moment;
use crate::sshsig::{self, Namespace, SIGNATURES_MAX, VerifySignatureError};
use crate::version::Version;

/// A signature that counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedBy {
    /// Who owns the key.
    pub owner: Owner,
    /// The key.
    pub fingerprint: Fingerprint,
}

/// Why a bundle is not trusted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DistrustError {
    /// The id is not the SHA-256 of the manifest.
    #[error("bundle `{bundle}` has another manifest")]
    OtherManifest {
        /// The id that was given.
        bundle: Digest,
    },
    /// The bundle is on the list of revoked bundles.
    #[error("bundle `{bundle}` is revoked")]
    RevokedBundle {
        /// The id of the bundle.
        bundle: Digest,
    },
    /// Nobody signed the bundle.
    #[error("bundle is not signed")]
    Unsigned,
    /// The bundle has more signatures than are looked at.
    #[error("bundle has {have} signatures, at most {SIGNATURES_MAX} are accepted")]
    TooManySignatures {
        /// How many there are.
        have: usize,
    },
    /// A signature does not hold.
    #[error("signature {number} of the bundle does not hold")]
    BadSignature {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        source: VerifySignatureError,
    },
    /// The bundle is signed by keys that are not in the list.
    #[error("no trusted key signed the bundle, only {}", Listed(.fingerprints))]
    UnknownKeys {
        /// The keys that signed.
        fingerprints: Vec<Fingerprint>,
    },
    /// The key that signed is on the list of revoked keys.
    #[error("key `{fingerprint}` that signed the bundle is revoked")]
    RevokedKey {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// The key that signed is not trusted yet.
    #[error("key `{fingerprint}` of `{owner}` is trusted from {from} on")]
    NotYetValid {
        /// Who owns the key.
        owner: Owner,
        /// The key.
        fingerprint: Fingerprint,
        /// The first day or second at which it is trusted.
        from: Moment,
    },
    /// The key that signed is not trusted any more.
    #[error("key `{fingerprint}` of `{owner}` was trusted until {until}")]
    Expired {
        /// Who owns the key.
        owner: Owner,
        /// The key.
        fingerprint: Fingerprint,
        /// The last day or second at which it was trusted.
        until: Moment,
    },
    /// The key that signed is trusted for other modules.
    #[error("key `{fingerprint}` of `{owner}` is not trusted for module `{module}`")]
    OtherModules {
        /// Who owns the key.
        owner: Owner,
        /// The key.
        fingerprint: Fingerprint,
        /// The module of the bundle.
        module: ModuleName,
    },
    /// Fewer owners signed than the threshold asks for.
    #[error("bundle is signed by {have} of the {want} owners that are needed")]
    TooFewOwners {
        /// How many owners signed, each counted once.
        have: usize,
        /// How many are needed.
        want: usize,
    },
    /// The version of the bundle cannot be compared with the lowest accepted one.
    #[error("version `{}` of module `{module}` cannot be compared with {least}, the lowest accepted", Shown(.version))]
    UnknownVersion {
        /// The module of the bundle.
        module: ModuleName,
        /// The version of the bundle.
        version: String,
        /// The lowest version that is accepted.
        least: String,
    },
    /// The version of the bundle is too low.
    #[error("version `{}` of module `{module}` is below {least}, the lowest accepted", Shown(.version))]
    TooOld {
        /// The module of the bundle.
        module: ModuleName,
        /// The version of the bundle.
        version: String,
        /// The lowest version that is accepted.
        least: String,
    },
}

/// Fingerprints in a sentence.
struct Listed<'a>(&'a [Fingerprint]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fingerprint) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { ", " };
            write!(out, "{between}`{fingerprint}`")?;
        }
        Ok(())
    }
}

impl TrustList {
    /// Decides whether this bundle is trusted at `now_unix` (seconds), and says whose signatures counted.
    ///
    /// `manifest` are the exact bytes that `bundle_id` is the SHA-256 of; `module` and `version` are what the
    /// manifest says, and `signatures` are armored texts. The answer has one element for each trusted key.
    ///
    /// # Errors
    ///
    /// When the bundle is revoked, unsigned, too old, has a signature that does not hold, or is not signed by
    /// as many trusted owners as the threshold asks for.
    pub fn judge(
        &self,
        module: &ModuleName,
        version: &str,
        bundle_id: &Digest,
        signatures: &[String],
        manifest: &[u8],
        now_unix: u64,
    ) -> Result<Vec<SignedBy>, DistrustError> {
        let bundle = *bundle_id;
        if Digest::from_bytes(Sha256::digest(manifest).into()) != bundle {
            return Err(DistrustError::OtherManifest { bundle });
        }
        if self.revoked_bundles.contains(&bundle) {
            return Err(DistrustError::RevokedBundle { bundle });
        }
        let signers = verified_signers(signatures, manifest)?;
        let signed_by = self.counted(&signers, module, now_unix)?;
        self.check_version(module, version)?;
        Ok(signed_by)
    }

    /// Keeps the signers that count, or refuses with the best reason when they are too few.
    fn counted(
        &self,
        signers: &BTreeSet<PublicKey>,
        module: &ModuleName,
        now_unix: u64,
    ) -> Result<Vec<SignedBy>, DistrustError> {
        let mut counted = Vec::new();
        let mut reasons = Vec::new();
        let mut unknown = Vec::new();
        let revoked = self.revoked();
        for key in signers {
            let fingerprint = key.fingerprint();
            if revoked.covers(key) {
                reasons.push(DistrustError::RevokedKey { fingerprint });
                continue;
            }
            match self.standing(key, module, now_unix) {
                Some(Ok(owner)) => counted.push(SignedBy { owner, fingerprint }),
                Some(Err(reason)) => reasons.push(reason),
                None => unknown.push(fingerprint),
            }
        }
        let have = self.count_persons(&counted);
        if have >= self.threshold {
            return Ok(counted);
        }
        let best = reasons.into_iter().min_by_key(rank);
        Err(match best {
            Some(reason) => reason,
            None if have == 0 => DistrustError::UnknownKeys {
                fingerprints: unknown,
            },
            None => DistrustError::TooFewOwners {
                have,
                want: self.threshold,
            },
        })
    }

    /// Whose signature this is, or why it does not count; `None` for a key that the list does not have.
    fn standing(
        &self,
        key: &PublicKey,
        module: &ModuleName,
        now_unix: u64,
    ) -> Option<Result<Owner, DistrustError>> {
        let entries = self.authors.iter().filter(|entry| entry.key == *key);
        let standings = entries.map(|entry| entry.standing(module, now_unix));
        standings.min_by_key(|standing| standing.as_ref().map_or_else(rank, |_| 0))
    }

    /// Counts the owners behind these signatures.
    ///
    /// Owners that the list gives one and the same raw key count as one, because one holder of that key could be
    /// both: a key listed under two names, or in two forms, never makes two owners of one.
    fn count_persons(&self, counted: &[SignedBy]) -> usize {
        let mut person_of_key: BTreeMap<&[u8; 32], usize> = BTreeMap::new();
        let mut person_of_owner: BTreeMap<&Owner, usize> = BTreeMap::new();
        for (number, entry) in self.authors.iter().enumerate() {
            let by_key = *person_of_key.entry(entry.key.raw()).or_insert(number);
            let by_owner = *person_of_owner.entry(&entry.owner).or_insert(number);
            let (keep, drop) = (by_key.min(by_owner), by_key.max(by_owner));
            if keep != drop {
                let known = person_of_key
                    .values_mut()
                    .chain(person_of_owner.values_mut());
                known
                    .filter(|person| **person == drop)
                    .for_each(|person| *person = keep);
            }
        }
        let persons = counted
            .iter()
            .filter_map(|signed| person_of_owner.get(&signed.owner));
        persons.collect::<BTreeSet<_>>().len()
    }

    fn check_version(&self, module: &ModuleName, version: &str) -> Result<(), DistrustError> {
        let Some(lowest) = self.least.get(module) else {
            return Ok(());
        };
        let module = module.clone();
        let least = lowest.to_string();
        match version.parse::<Version>() {
            Ok(have) if have.is_below(lowest) => Err(DistrustError::TooOld {
                module,
                version: version.to_owned(),
                least,
            }),
            Ok(_) => Ok(()),
            Err(_) => Err(DistrustError::UnknownVersion {
                module,
                version: version.to_owned(),
                least,
            }),
        }
    }
}

impl Author {
    /// The owner, when a signature under this entry counts for the module now.
    fn standing(&self, module: &ModuleName, now_unix: u64) -> Result<Owner, DistrustError> {
        let owner = self.owner.clone();
        let fingerprint = self.key.fingerprint();
        if !self.modules.covers(module) {
            let module = module.clone();
            return Err(DistrustError::OtherModules {
                owner,
                fingerprint,
                module,
            });
        }
        if let Some(from) = self.not_before.filter(|from| from.is_after(now_unix)) {
            return Err(DistrustError::NotYetValid {
                owner,
                fingerprint,
                from,
            });
        }
        if let Some(until) = self.not_after.filter(|until| until.is_before(now_unix)) {
            return Err(DistrustError::Expired {
                owner,
                fingerprint,
                until,
            });
        }
        Ok(owner)
    }
}

/// The keys behind the signatures, each once; any signature that does not hold refuses them all.
fn verified_signers(
    signatures: &[String],
    manifest: &[u8],
) -> Result<BTreeSet<PublicKey>, DistrustError> {
    let have = signatures.len();
    if have == 0 {
        return Err(DistrustError::Unsigned);
    }
    if have > SIGNATURES_MAX {
        return Err(DistrustError::TooManySignatures { have });
    }
    let keys = signatures.iter().zip(1..).map(|(armored, number)| {
        sshsig::verify(armored, Namespace::Bundle, manifest)
            .map_err(|source| DistrustError::BadSignature { number, source })
    });
    keys.collect()
}

/// Orders reasons from the one that says most to the one that says least.
fn rank(reason: &DistrustError) -> u8 {
    match reason {
        DistrustError::RevokedKey { .. } => 1,
        DistrustError::Expired { .. } => 2,
        DistrustError::NotYetValid { .. } => 3,
        _ => 4,
    }
}
