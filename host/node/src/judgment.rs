//! What is put to the rules of a policy set, and what is kept of their answer.
//!
//! Time and facts come in as values, and the rules see what is sensitive as little as a record does.

use std::path::PathBuf;
use std::sync::Arc;

use host_core::{Asks, BundleSummary, CallerName, Digest, Limits, Timestamp};
use host_policy::{Decided, Node, PolicySet, Request, RequestFormat, RequestedAsk, Subject, Walls};
use serde_json::{Map, Value, json};

use crate::machine::Machine;

/// The longest request that is kept with the record of a run, in bytes.
const REQUEST_BYTES_MAX: usize = 64 << 10;
/// How many of the rules that decided are kept with it.
const RULES_KEPT_MAX: usize = 1_000;

/// Rules that decide on runs, for one caller at one time.
#[derive(Clone, Debug)]
pub struct Ruled {
    /// The rules.
    pub set: Arc<PolicySet>,
    /// Who wants the run.
    pub caller: CallerName,
    /// Why, in the caller's words.
    pub reason: String,
    /// When it starts.
    pub time: Timestamp,
    /// What this machine is called, and what it belongs to.
    pub node: Node,
    /// What it knows of itself.
    pub facts: Map<String, Value>,
    /// Where the rules were read from, which no run may write.
    pub place: PathBuf,
}

/// What is to be run, as rules see it.
pub(crate) struct Subjected {
    pub(crate) task: Subject,
    pub(crate) bundle: BundleSummary,
    pub(crate) input: Map<String, Value>,
    pub(crate) noop: bool,
}

/// A decision of rules, with what was put to them.
#[derive(Clone, Debug)]
pub struct Judgment {
    /// The rules.
    pub set: Arc<PolicySet>,
    /// What was asked.
    pub request: Request,
    /// How it was answered.
    pub decided: Decided,
    /// What is forbidden of the places that a native task sees without asking.
    pub(crate) unseen: Vec<PathBuf>,
}

/// What lines of the journal keep of a judgment, if there was one.
#[derive(Clone, Debug)]
pub(crate) struct KeptJudgment(pub(crate) Option<Judged>);

/// What records keep of a judgment.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) caller: CallerName,
    set: String,
    digest: Digest,
    rules: Vec<String>,
    request: Value,
    pub(crate) unseen: Vec<PathBuf>,
}

impl Ruled {
    pub(crate) fn judge(
        &self,
        run: Subjected,
        asks: &Asks,
        limits: &Limits,
        machine: &Machine,
    ) -> Judgment {
        let request = Request {
            format: RequestFormat::V1,
            caller: self.caller.clone(),
            task: run.task,
            bundle: run.bundle,
            input: run.input,
            facts: self.facts.clone(),
            node: self.node.clone(),
            limits: host_policy::limit_values(limits),
            walls: Walls::of_run(machine.landlock_abi, machine.by_root(), asks),
            noop: run.noop,
            time: self.time,
            reason: self.reason.clone(),
            asks: asks.iter().map(RequestedAsk::of).collect(),
        };
        let decided = self.set.decide_on(&request, asks);
        let unseen = self.unseen(&request, machine);
        Judgment {
            set: Arc::clone(&self.set),
            request,
            decided,
            unseen,
        }
    }

    /// What is forbidden of `/etc` and the node's own paths, which are shown to every native task.
    fn unseen(&self, request: &Request, machine: &Machine) -> Vec<PathBuf> {
        let of_etc = host_jail::recipe::shown_of_etc().map(PathBuf::from);
        let shown = machine.system_paths.iter().cloned().chain(of_etc);
        let (mut places, mut unseen) = (Vec::new(), Vec::new());
        for path in shown {
            match path.to_str().and_then(|text| text.parse().ok()) {
                Some(place) => places.push(place),
                // Rules cannot be asked for it.
                None => unseen.push(path),
            }
        }
        let forbidden = self.set.unseen(request, &places);
        unseen.extend(forbidden.iter().map(|path| PathBuf::from(path.as_str())));
        unseen
    }
}

impl Judgment {
    pub(crate) fn mark(&self) -> Judged {
        let request = serde_json::to_value(&self.request).unwrap_or_default();
        let is_long = request.is_null() || request.to_string().len() > REQUEST_BYTES_MAX;
        Judged {
            caller: self.request.caller.clone(),
            set: self.set.name().to_owned(),
            digest: self.set.digest(),
            rules: self
                .decided
                .rules()
                .into_iter()
                .take(RULES_KEPT_MAX)
                .map(str::to_owned)
                .collect(),
            unseen: self.unseen.clone(),
            request: if is_long {
                json!({"_omitted": "too long for the journal"})
            } else {
                request
            },
        }
    }
}

impl KeptJudgment {
    /// Adds to a line which rules decided and, if `whole`, on what, so that it can be decided once more.
    pub(crate) fn add_to(&self, line: &mut Value, whole: bool) {
        let (Some(judged), Some(fields)) = (&self.0, line.as_object_mut()) else {
            return;
        };
        let policy = json!({"set": judged.set, "digest": judged.digest, "rules": judged.rules});
        fields.insert("policy".to_owned(), policy);
        if whole {
            fields.insert("request".to_owned(), judged.request.clone());
        }
    }
}
