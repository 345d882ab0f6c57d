//! Somebody whom rules were to decide on, and who got no further: that is on record too.

use host_core::BundleSummary;
use host_node::TurnedAway;
use host_store::Store;

use crate::clock;
use crate::commands::audit;
use crate::commands::policy::sets::PolicyArgs;
use crate::failure::Failure;

/// Records that nothing was decided for the caller of `policy`, if it names one, and hands the failure on. One that cannot
/// be recorded says that instead.
pub(super) fn turned_away(
    store: &Store,
    policy: &PolicyArgs,
    task: &str,
    bundle: &BundleSummary,
    failure: Failure,
) -> Failure {
    let Some(caller) = &policy.caller else {
        return failure;
    };
    let reason = failure.to_string();
    let turned = TurnedAway {
        caller,
        task,
        bundle,
        reason: &reason,
    };
    let recorded = clock::moment().and_then(|moment| {
        host_node::turn_away(&turned, store, &moment).map_err(|error| audit::unrecorded(&error))
    });
    match recorded {
        Ok(()) => failure,
        Err(unrecorded) => unrecorded,
    }
}
